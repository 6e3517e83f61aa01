//! Objects as answers.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use devpocket_controllers::store::Stored;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Object;
use devpocket_specs::status::Status;

use super::secrets;
use crate::access::seal::Sealer;

/// The complete document of an object for a reader: the stored bytes, or a Secret with its values
/// opened.
pub(super) fn bytes(sealer: &Sealer, stored: &Stored) -> Result<Bytes, Status> {
    if stored.kind == Kind::Secret {
        let opened = secrets::opened(sealer, &stored.object)?;
        return Ok(Bytes::from(opened.to_value().to_string()));
    }
    Ok(Bytes::from_owner(stored.bytes.clone()))
}

/// An object that is stored.
pub(super) fn stored(
    code: StatusCode,
    sealer: &Sealer,
    stored: &Stored,
) -> Result<Response, Status> {
    Ok(document(code, Body::from(bytes(sealer, stored)?)))
}

/// An object that is not stored: what a dry run would have stored.
pub(super) fn object(
    code: StatusCode,
    sealer: &Sealer,
    object: &Object,
) -> Result<Response, Status> {
    let value = if object.kind == Kind::Secret {
        secrets::opened(sealer, object)?.to_value()
    } else {
        object.to_value()
    };
    Ok(document(code, Body::from(value.to_string())))
}

/// A body that is JSON already.
pub(super) fn document(code: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// Most warnings one answer carries; more say nothing that these do not.
const WARNINGS: usize = 20;

/// Characters of one warning; Kubernetes' limit is 256 for all that is not plain.
const WARNING_CHARS: usize = 200;

/// Adds `Warning` headers, which kubectl prints.
pub(super) fn warn(response: &mut Response, warnings: &[String]) {
    for warning in warnings.iter().take(WARNINGS) {
        let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
        let text: String = warning.chars().take(WARNING_CHARS).map(plain).collect();
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        let value = HeaderValue::from_str(&format!("299 - \"{quoted}\""))
            .expect("only printable ASCII is left");
        response.headers_mut().append(header::WARNING, value);
    }
}
