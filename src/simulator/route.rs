//! Method and path into the model's requests.

use axum::http::Method;
use devpocket_controllers::sim::contabo::{Action, Request};

use super::body::{self, BadBody, Fields};
use super::query::Query;

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

/// `path` is below `/v1/`.
pub(super) fn route(
    method: &Method,
    path: &str,
    raw_query: &str,
    bytes: &[u8],
) -> Result<Request, Misrouted> {
    let segments: Vec<&str> = path.split('/').collect();
    let mut query = Query::parse(raw_query);
    let request = match (method.as_str(), segments.as_slice()) {
        ("GET", ["compute", "instances"]) => {
            Request::ListInstances { filter: Box::new(query.instances()), page: query.page() }
        }
        ("GET", ["compute", "instances", "audits"]) => {
            Request::ListInstanceAudits { filter: query.audits(), page: query.page() }
        }
        ("GET", ["compute", "instances", "actions", "audits"]) => {
            Request::ListActionAudits { filter: query.audits(), page: query.page() }
        }
        ("GET", ["compute", "images"]) => {
            Request::ListImages { filter: query.images(), page: query.page() }
        }
        ("GET", ["compute", "images", id]) => Request::GetImage { image_id: (*id).to_owned() },
        ("GET", ["tags"]) => Request::ListTags { name: query.tag_name(), page: query.page() },
        ("GET", ["tags", "audits"]) => {
            Request::ListTagAudits { filter: query.audits(), page: query.page() }
        }
        ("GET", ["tags", id]) => Request::GetTag { tag_id: number(id)? },
        ("POST", ["tags"]) => Request::CreateTag(body::tag(Fields::parse(bytes, true)?)?),
        ("PATCH", ["tags", id]) => Request::UpdateTag {
            tag_id: number(id)?,
            body: body::tag(Fields::parse(bytes, true)?)?,
        },
        ("DELETE", ["tags", id]) => Request::DeleteTag { tag_id: number(id)? },
        (_, ["compute", "instances", rest @ ..]) => instance(method, rest, bytes)?,
        _ => return Err(Misrouted::NotFound),
    };
    let wrong = query.violations();
    if wrong.is_empty() { Ok(request) } else { Err(Misrouted::Query(wrong)) }
}

/// Below `/v1/compute/instances`.
fn instance(method: &Method, rest: &[&str], bytes: &[u8]) -> Result<Request, Misrouted> {
    Ok(match (method.as_str(), rest) {
        ("POST", []) => {
            Request::CreateInstance(Box::new(body::create(Fields::parse(bytes, true)?)?))
        }
        ("GET", [id]) => Request::GetInstance { instance_id: number(id)? },
        ("PATCH", [id]) => Request::PatchInstance {
            instance_id: number(id)?,
            body: body::patch(Fields::parse(bytes, true)?)?,
        },
        ("PUT", [id]) => Request::ReinstallInstance {
            instance_id: number(id)?,
            body: Box::new(body::reinstall(Fields::parse(bytes, true)?)?),
        },
        ("POST", [id, "cancel"]) => Request::CancelInstance {
            instance_id: number(id)?,
            body: body::cancel(Fields::parse(bytes, true)?)?,
        },
        ("POST", [id, "actions", name]) => {
            let action = action(name).ok_or(Misrouted::NotFound)?;
            Request::Act { instance_id: number(id)?, action }
        }
        _ => return Err(Misrouted::NotFound),
    })
}

fn action(name: &str) -> Option<Action> {
    let all = [
        Action::Start,
        Action::Stop,
        Action::Restart,
        Action::Shutdown,
        Action::Rescue,
        Action::ResetPassword,
    ];
    all.into_iter().find(|action| action.as_str() == name)
}

fn number(text: &str) -> Result<i64, Misrouted> {
    text.parse().map_err(|_| {
        let text = "Validation failed (numeric string is expected)".to_owned();
        Misrouted::Body(BadBody::Sentence(text))
    })
}
