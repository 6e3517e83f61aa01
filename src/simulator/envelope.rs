//! The model's replies as Contabo writes them: `data` is always an array, lists carry
//! `_pagination` and five links, errors come in three shapes.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::response::Response;
use devpocket_controllers::sim::contabo::{Body, Delivery, ErrorBody, Listing, Reply};
use serde::Serialize;
use serde_json::{Value, json};

/// Status, media type and bytes of a reply, before its delivery.
pub(super) struct Letter {
    pub status: StatusCode,
    media: &'static str,
    pub bytes: Vec<u8>,
    retry_after: Option<u64>,
}

impl Letter {
    /// The reply to a request for `path` (with `/v1`) and `query`.
    pub fn write(reply: &Reply, path: &str, query: &str) -> Letter {
        let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let letter = |media, bytes| Letter { status, media, bytes, retry_after: reply.retry_after };
        let json = match &reply.body {
            Body::Empty => return letter("", Vec::new()),
            Body::Error(ErrorBody::Html(page)) => {
                return letter("text/html", page.clone().into_bytes());
            }
            Body::Error(ErrorBody::Message(text)) => error(reply.status, json!(text)),
            Body::Error(ErrorBody::Messages(texts)) => error(reply.status, json!(texts)),
            other => success(other, path, query),
        };
        let json = match reply.delivery {
            Delivery::Mistyped => mistyped(json),
            _ => json,
        };
        letter("application/json; charset=utf-8", json.to_string().into_bytes())
    }

    pub fn response(self, body: axum::body::Body) -> Response {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        if !self.media.is_empty() {
            let media = HeaderValue::from_static(self.media);
            response.headers_mut().insert(CONTENT_TYPE, media);
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

fn success(body: &Body, path: &str, query: &str) -> Value {
    match body {
        Body::Instances(list) => page(list, path, query),
        Body::Images(list) => page(list, path, query),
        Body::Audits(list) => page(list, path, query),
        Body::Tags(list) => page(list, path, query),
        Body::Assignments(list) => page(list, path, query),
        Body::Snapshots(list) => page(list, path, query),
        Body::Networks(list) => page(list, path, query),
        Body::DataCenters(list) => page(list, path, query),
        Body::Nothing(list) => {
            let mut reply = page(list, path, query);
            // Two lists are documented to come whole.
            if matches!(path, "/v1/roles/audits" | "/v1/roles/api-permissions")
                && let Some(fields) = reply.as_object_mut()
            {
                fields.remove("_pagination");
            }
            reply
        }
        Body::Secrets(list) => {
            // The one list without links to other pages.
            let mut reply = page(list, path, query);
            reply["_links"] = json!({ "self": reply["_links"]["self"] });
            reply
        }
        Body::Instance(view) => single(view, path),
        Body::Created(view) => single(view, &format!("{path}/{}", view.instance_id)),
        Body::Changed(view) => single(view, path),
        Body::Cancelled(view) => single(view, path),
        Body::Acted(view) => single(view, path),
        Body::Image(view) => single(view, path),
        Body::ImageCreated(view) => single(view, &format!("{path}/{}", view.image_id)),
        Body::ImageChanged(view) => single(view, path),
        Body::ImageStats(view) => single(view, path),
        Body::Tag(view) => single(view, path),
        Body::TagCreated(view) => single(view, &format!("{path}/{}", view.tag_id)),
        Body::Snapshot(view) => single(view, path),
        Body::SnapshotCreated(view) => single(view, &format!("{path}/{}", view.snapshot_id)),
        Body::Secret(view) => single(view, path),
        Body::SecretCreated(view) => single(view, &format!("{path}/{}", view.secret_id)),
        Body::Network(view) => single(view, path),
        Body::NetworkCreated(view) => single(view, &format!("{path}/{}", view.private_network_id)),
        Body::Assignment(view) => {
            json!({ "data": [view], "_links": assignment_links(path) })
        }
        Body::AssignmentLinks => json!({ "_links": assignment_links(path) }),
        Body::MemberLinks => json!({ "_links": member_links(path) }),
        Body::LinksOnly | Body::Empty | Body::Error(_) => json!({ "_links": { "self": path } }),
    }
}

/// Of `/v1/tags/{tagId}/assignments/{resourceType}/{resourceId}`.
fn assignment_links(path: &str) -> Value {
    let parts: Vec<&str> = path.split('/').collect();
    let part = |at: usize| parts.get(at).copied().unwrap_or("");
    let folder = match part(5) {
        "instance" => "/v1/compute/instances",
        "image" => "/v1/compute/images",
        _ => "/v1/object-storages",
    };
    json!({
        "self": path,
        "tag": format!("/v1/tags/{}", part(3)),
        "_resource": format!("{folder}/{}", part(6)),
    })
}

/// Of `/v1/private-networks/{privateNetworkId}/instances/{instanceId}`.
fn member_links(path: &str) -> Value {
    let parts: Vec<&str> = path.split('/').collect();
    let part = |at: usize| parts.get(at).copied().unwrap_or("");
    json!({
        "self": path,
        "virtualPrivateCloud": format!("/v1/private-networks/{}", part(3)),
        "instance": format!("/v1/compute/instances/{}", part(5)),
    })
}

fn error(status: u16, message: Value) -> Value {
    json!({ "statusCode": status, "message": message })
}

fn single<T: Serialize>(view: &T, link: &str) -> Value {
    json!({ "data": [view], "_links": { "self": link } })
}

fn page<T: Serialize>(list: &Listing<T>, path: &str, query: &str) -> Value {
    let pages = list.total_pages();
    let kept: String = query
        .split('&')
        .filter(|pair| {
            let name = pair.split('=').next().unwrap_or("");
            !matches!(name, "" | "page" | "size")
        })
        .map(|pair| format!("{pair}&"))
        .collect();
    let to = |number: u64| format!("{path}?{kept}page={number}&size={}", list.size);
    let when = |there: bool, number: u64| if there { to(number) } else { String::new() };
    let own = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    json!({
        "data": list.items,
        "_pagination": {
            "size": list.size,
            "totalElements": list.total,
            "totalPages": pages,
            "page": list.page,
        },
        "_links": {
            "self": own,
            "first": format!("{path}?{kept}size={}", list.size),
            "previous": when(list.page > 1 && pages > 0, list.page.saturating_sub(1).min(pages)),
            "next": when(list.page < pages, list.page.saturating_add(1)),
            "last": when(pages > 0, pages),
        },
    })
}

/// What a broken serialiser would send: ids are text, states are numbers.
fn mistyped(mut reply: Value) -> Value {
    if reply.get("data").is_none() {
        reply["_links"] = json!(7);
    }
    let objects = reply.get_mut("data").and_then(Value::as_array_mut);
    for object in objects.into_iter().flatten().filter_map(Value::as_object_mut) {
        for (name, value) in object.iter_mut() {
            match name.as_str() {
                "instanceId" | "tagId" | "secretId" | "privateNetworkId" | "id" => {
                    *value = json!(format!("#{value}"))
                }
                "status" | "action" | "createdDate" | "name" | "imageId" | "snapshotId" => {
                    *value = json!({ "value": 7 })
                }
                _ => {}
            }
        }
    }
    reply
}
