//! Paths of objects in the API.

use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;

/// `/apis/devpocket.dev/v1alpha1/namespaces/main/environments`; an empty namespace means all.
pub(super) fn collection(kind: Kind, namespace: &str) -> String {
    let info = kind.info();
    let base = if info.group.is_empty() {
        format!("/api/{}", info.version)
    } else {
        format!("/apis/{}/{}", info.group, info.version)
    };
    if kind.is_namespaced() && !namespace.is_empty() {
        format!("{base}/namespaces/{}/{}", encoded(namespace), info.plural)
    } else {
        format!("{base}/{}", info.plural)
    }
}

pub(super) fn object(key: &Key) -> String {
    format!("{}/{}", collection(key.kind, &key.namespace), encoded(&key.name))
}

/// Names are DNS labels; whatever else somebody typed must not lead to another path.
fn encoded(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    // `.` and `..` would be taken as steps in the path.
    if text.bytes().all(|b| b == b'.') { text.replace('.', "%2E") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_typed_stays_one_name() {
        let key = Key::new(Kind::Environment, "main", "../x y");
        assert_eq!(
            object(&key),
            "/apis/devpocket.dev/v1alpha1/namespaces/main/environments/..%2Fx%20y"
        );
        assert!(object(&Key::cluster(Kind::Namespace, "..")).ends_with("/%2E%2E"));
    }
}
