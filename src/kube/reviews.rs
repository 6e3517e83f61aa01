//! What a client may ask about itself: who it is and what it may do.

use axum::http::StatusCode;
use axum::response::Response;
use devpocket_specs::status::Status;
use serde_json::{Value, json};

use super::call::Call;
use super::params::bad;
use super::{document, hidden};
use crate::access::{self, Attributes, Decision};

/// `SelfSubjectAccessReview`: `kubectl auth can-i`.
pub(super) fn access(call: &Call) -> Result<Response, Status> {
    let body = call.document()?.value;
    let spec = &body["spec"];
    let resource = &spec["resourceAttributes"];
    let path = &spec["nonResourceAttributes"];
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let attributes = match (resource.is_object(), path.is_object()) {
        (true, false) => Attributes {
            verb: text(resource, "verb"),
            group: text(resource, "group"),
            version: text(resource, "version"),
            resource: text(resource, "resource"),
            subresource: text(resource, "subresource"),
            namespace: text(resource, "namespace"),
            name: text(resource, "name"),
            path: String::new(),
        },
        (false, true) => Attributes {
            verb: text(path, "verb"),
            path: text(path, "path"),
            ..Attributes::default()
        },
        _ => {
            return Err(bad(
                "spec: exactly one of resourceAttributes and nonResourceAttributes is required",
            ));
        }
    };
    let status = match call.state.authorizer.authorize(&call.user, &attributes) {
        Decision::Allow => json!({"allowed": true}),
        Decision::Within(namespaces) => {
            let names: Vec<&str> = namespaces.iter().map(String::as_str).collect();
            json!({"allowed": true, "reason": format!("of these namespaces: {}", names.join(", "))})
        }
        Decision::Hidden(namespace) => {
            json!({"allowed": false, "reason": hidden(&namespace).message})
        }
        Decision::Deny(why) => json!({"allowed": false, "reason": why}),
    };
    let review = json!({
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": spec,
        "status": status,
    });
    Ok(document(StatusCode::CREATED, &review))
}

/// `SelfSubjectRulesReview`: `kubectl auth can-i --list`. From the table requests are decided by.
pub(super) fn rules(call: &Call) -> Result<Response, Status> {
    let body = call.document()?.value;
    let namespace = body["spec"]["namespace"].as_str().unwrap_or_default();
    if namespace.is_empty() {
        return Err(bad("spec.namespace is required"));
    }
    let resources: Vec<Value> = access::rules(&call.user, namespace)
        .into_iter()
        .map(|rule| {
            json!({"verbs": rule.verbs, "apiGroups": rule.groups, "resources": rule.resources})
        })
        .collect();
    let paths = if call.user.is_admin() && call.user.scope.is_none() {
        json!([{"verbs": ["*"], "nonResourceURLs": ["*"]}])
    } else {
        let open =
            ["/", "/version", "/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"];
        json!([{"verbs": ["get"], "nonResourceURLs": open}])
    };
    let review = json!({
        "kind": "SelfSubjectRulesReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": {"namespace": namespace},
        "status": {"resourceRules": resources, "nonResourceRules": paths, "incomplete": false},
    });
    Ok(document(StatusCode::CREATED, &review))
}

/// `SelfSubjectReview`: `kubectl auth whoami`.
pub(super) fn whoami(call: &Call) -> Response {
    let user = json!({"username": call.user.name, "groups": call.user.groups});
    let review = json!({
        "kind": "SelfSubjectReview",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": call.state.clock.now()},
        "status": {"userInfo": user},
    });
    document(StatusCode::CREATED, &review)
}
