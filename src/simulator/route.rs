//! Method and path into the model's requests.

use axum::http::Method;
use devpocket_controllers::sim::contabo::{Action, Assignment, Request};

use super::body::{self, BadBody, Sent};
use super::query::{Query, decoded};

/// Why a request never reaches the model.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misrouted {
    /// No such path, or not with this method; Contabo's framework answers 404 to both.
    NotFound,
    Body(BadBody),
    Query(Vec<String>),
}

impl From<BadBody> for Misrouted {
    fn from(bad: BadBody) -> Misrouted {
        Misrouted::Body(bad)
    }
}

type Routed = Result<Request, Misrouted>;

/// `path` is below `/v1/`.
pub(super) fn route(method: &Method, path: &str, raw_query: &str, sent: Sent<'_>) -> Routed {
    let segments: Vec<String> =
        path.split('/').map(|part| decoded(&part.replace('+', "%2B"))).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let mut query = Query::parse(raw_query);
    let method = method.as_str();
    let request = match segments.as_slice() {
        ["compute", "instances", rest @ ..] => instances(method, rest, &mut query, sent)?,
        ["compute", "snapshots", "audits"] if method == "GET" => {
            Request::ListSnapshotAudits { filter: query.audits(), page: query.page() }
        }
        ["compute", "images", rest @ ..] => images(method, rest, &mut query, sent)?,
        ["secrets", rest @ ..] => secrets(method, rest, &mut query, sent)?,
        ["tags", rest @ ..] => tags(method, rest, &mut query, sent)?,
        ["private-networks", rest @ ..] => networks(method, rest, &mut query, sent)?,
        ["data-centers"] if method == "GET" => {
            Request::ListDataCenters { filter: query.data_centers(), page: query.page() }
        }
        rest if method == "GET" && is_empty_list(rest) => Request::ListOther { page: query.page() },
        _ => return Err(Misrouted::NotFound),
    };
    let wrong = query.violations();
    if wrong.is_empty() { Ok(request) } else { Err(Misrouted::Query(wrong)) }
}

/// Documented lists of what is not modelled: this account has none of it.
fn is_empty_list(segments: &[&str]) -> bool {
    matches!(
        segments,
        ["vips" | "users" | "roles" | "object-storages"]
            | ["vips" | "users" | "roles" | "object-storages", "audits"]
            | ["roles", "api-permissions"]
            | ["users", _, "object-storages", "credentials"]
    )
}

/// Below `/v1/compute/instances`.
fn instances(method: &str, rest: &[&str], query: &mut Query, sent: Sent<'_>) -> Routed {
    Ok(match (method, rest) {
        ("GET", []) => {
            Request::ListInstances { filter: Box::new(query.instances()), page: query.page() }
        }
        ("POST", []) => Request::CreateInstance(Box::new(body::create(sent.fields()?)?)),
        ("GET", ["audits"]) => {
            Request::ListInstanceAudits { filter: query.audits(), page: query.page() }
        }
        ("GET", ["actions", "audits"]) => {
            Request::ListActionAudits { filter: query.audits(), page: query.page() }
        }
        (_, [id, "snapshots", rest @ ..]) => snapshots(method, id, rest, query, sent)?,
        ("GET", [id]) => Request::GetInstance { instance_id: number(id)? },
        ("PATCH", [id]) => {
            Request::PatchInstance { instance_id: number(id)?, body: body::patch(sent.fields()?)? }
        }
        ("PUT", [id]) => Request::ReinstallInstance {
            instance_id: number(id)?,
            body: Box::new(body::reinstall(sent.fields()?)?),
        },
        ("POST", [id, "cancel"]) => Request::CancelInstance {
            instance_id: number(id)?,
            body: body::cancel(sent.fields()?)?,
        },
        ("POST", [id, "upgrade"]) => Request::UpgradeInstance {
            instance_id: number(id)?,
            body: body::upgrade(sent.fields()?)?,
        },
        ("POST", [id, "actions", name]) => act(id, name, sent)?,
        _ => return Err(Misrouted::NotFound),
    })
}

/// Only two of the actions have a body; whatever comes with the others is ignored.
fn act(id: &str, name: &str, sent: Sent<'_>) -> Routed {
    let all = [
        Action::Start,
        Action::Stop,
        Action::Restart,
        Action::Shutdown,
        Action::Rescue,
        Action::ResetPassword,
    ];
    let action = all.into_iter().find(|action| action.as_str() == name);
    let action = action.ok_or(Misrouted::NotFound)?;
    let body = match action {
        Action::Rescue | Action::ResetPassword => Box::new(body::action(sent.fields()?)?),
        _ => Box::default(),
    };
    Ok(Request::Act { instance_id: number(id)?, action, body })
}

/// Below `/v1/compute/instances/{id}/snapshots`.
fn snapshots(method: &str, id: &str, rest: &[&str], query: &mut Query, sent: Sent<'_>) -> Routed {
    let instance_id = number(id)?;
    Ok(match (method, rest) {
        ("GET", []) => {
            Request::ListSnapshots { instance_id, name: query.name(), page: query.page() }
        }
        ("POST", []) => {
            Request::CreateSnapshot { instance_id, body: body::snapshot(sent.fields()?)? }
        }
        ("GET", [id]) => Request::GetSnapshot { instance_id, snapshot_id: (*id).to_owned() },
        ("PATCH", [id]) => Request::UpdateSnapshot {
            instance_id,
            snapshot_id: (*id).to_owned(),
            body: body::snapshot(sent.fields()?)?,
        },
        ("DELETE", [id]) => Request::DeleteSnapshot { instance_id, snapshot_id: (*id).to_owned() },
        ("POST", [id, "rollback"]) => {
            body::nothing(sent.fields()?)?;
            Request::RollbackSnapshot { instance_id, snapshot_id: (*id).to_owned() }
        }
        _ => return Err(Misrouted::NotFound),
    })
}

/// Below `/v1/compute/images`.
fn images(method: &str, rest: &[&str], query: &mut Query, sent: Sent<'_>) -> Routed {
    Ok(match (method, rest) {
        ("GET", []) => Request::ListImages { filter: query.images(), page: query.page() },
        ("POST", []) => Request::CreateImage(body::image(sent.fields()?)?),
        ("GET", ["audits"]) => {
            Request::ListImageAudits { filter: query.audits(), page: query.page() }
        }
        ("GET", ["stats"]) => Request::GetImageStats,
        ("GET", [id]) => Request::GetImage { image_id: (*id).to_owned() },
        ("PATCH", [id]) => {
            Request::UpdateImage { image_id: (*id).to_owned(), body: body::image(sent.fields()?)? }
        }
        ("DELETE", [id]) => Request::DeleteImage { image_id: (*id).to_owned() },
        _ => return Err(Misrouted::NotFound),
    })
}

/// Below `/v1/secrets`.
fn secrets(method: &str, rest: &[&str], query: &mut Query, sent: Sent<'_>) -> Routed {
    Ok(match (method, rest) {
        ("GET", []) => Request::ListSecrets { filter: query.secrets(), page: query.page() },
        ("POST", []) => Request::CreateSecret(body::secret(sent.fields()?)?),
        ("GET", ["audits"]) => {
            Request::ListSecretAudits { filter: query.audits(), page: query.page() }
        }
        ("GET", [id]) => Request::GetSecret { secret_id: number(id)? },
        ("PATCH", [id]) => {
            Request::UpdateSecret { secret_id: number(id)?, body: body::secret(sent.fields()?)? }
        }
        ("DELETE", [id]) => Request::DeleteSecret { secret_id: number(id)? },
        _ => return Err(Misrouted::NotFound),
    })
}

/// Below `/v1/tags`.
fn tags(method: &str, rest: &[&str], query: &mut Query, sent: Sent<'_>) -> Routed {
    Ok(match (method, rest) {
        ("GET", []) => Request::ListTags { name: query.name(), page: query.page() },
        ("POST", []) => Request::CreateTag(body::tag(sent.fields()?)?),
        ("GET", ["audits"]) => {
            Request::ListTagAudits { filter: query.audits(), page: query.page() }
        }
        ("GET", ["assignments", "audits"]) => {
            Request::ListAssignmentAudits { filter: query.audits(), page: query.page() }
        }
        ("GET", [id]) => Request::GetTag { tag_id: number(id)? },
        ("PATCH", [id]) => {
            Request::UpdateTag { tag_id: number(id)?, body: body::tag(sent.fields()?)? }
        }
        ("DELETE", [id]) => Request::DeleteTag { tag_id: number(id)? },
        ("GET", [id, "assignments"]) => Request::ListAssignments {
            tag_id: number(id)?,
            resource_type: query.resource_type(),
            page: query.page(),
        },
        (_, [id, "assignments", resource_type, resource_id]) => {
            let assignment = Assignment {
                tag_id: number(id)?,
                resource_type: (*resource_type).to_owned(),
                resource_id: (*resource_id).to_owned(),
            };
            match method {
                "GET" => Request::GetAssignment { assignment },
                "POST" => Request::CreateAssignment { assignment },
                "DELETE" => Request::DeleteAssignment { assignment },
                _ => return Err(Misrouted::NotFound),
            }
        }
        _ => return Err(Misrouted::NotFound),
    })
}

/// Below `/v1/private-networks`.
fn networks(method: &str, rest: &[&str], query: &mut Query, sent: Sent<'_>) -> Routed {
    Ok(match (method, rest) {
        ("GET", []) => Request::ListNetworks { filter: query.networks(), page: query.page() },
        ("POST", []) => Request::CreateNetwork(body::network(sent.fields()?)?),
        ("GET", ["audits"]) => {
            Request::ListNetworkAudits { filter: query.audits(), page: query.page() }
        }
        ("GET", [id]) => Request::GetNetwork { network_id: number(id)? },
        ("PATCH", [id]) => {
            Request::UpdateNetwork { network_id: number(id)?, body: body::network(sent.fields()?)? }
        }
        ("DELETE", [id]) => Request::DeleteNetwork { network_id: number(id)? },
        ("POST", [id, "instances", instance]) => {
            Request::JoinNetwork { network_id: number(id)?, instance_id: number(instance)? }
        }
        ("DELETE", [id, "instances", instance]) => {
            Request::LeaveNetwork { network_id: number(id)?, instance_id: number(instance)? }
        }
        _ => return Err(Misrouted::NotFound),
    })
}

fn number(text: &str) -> Result<i64, Misrouted> {
    text.parse().map_err(|_| {
        let text = "Validation failed (numeric string is expected)".to_owned();
        Misrouted::Body(BadBody::Sentence(text))
    })
}
