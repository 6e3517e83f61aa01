//! `/openapi/v3`: what the kinds look like, for `kubectl explain` and `apply`, editors and code
//! generators. Made once from the schemas admission judges by, so it cannot tell another story.
//!
//! kubectl reads three things here: the schema of a kind (found by its group, version and kind),
//! the paths that lead to it, and which parameters PATCH takes; without the last it refuses to
//! leave validation to the server.
//!
//! `/openapi/v2` is not served: kubectl has not needed it since 1.27, and it wants it in protobuf.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use devpocket_specs::kind::KindInfo;
use devpocket_specs::patch::PatchKind;
use devpocket_specs::schema::openapi_schema;
use devpocket_specs::status::{Reason, Status};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::path::{group_versions, parts};
use super::{discovery, document, events, reply};

/// Digits of a document's hash in its address: clients keep a document until it changes.
const HASH_DIGITS: usize = 16;

/// The document of each group and version, by its path below `/openapi/v3`.
static DOCUMENTS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let all = std::iter::once(("", "v1")).chain(group_versions());
    all.map(|(group, version)| (place(group, version), made(group, version).to_string())).collect()
});

/// The documents there are.
pub(super) fn index() -> Response {
    let paths: Map<String, Value> = DOCUMENTS
        .iter()
        .map(|(place, text)| {
            let hash = Sha256::digest(text.as_bytes());
            let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            let address = format!("/openapi/v3/{place}?hash={}", &hash[..HASH_DIGITS]);
            (place.clone(), json!({"serverRelativeURL": address}))
        })
        .collect();
    document(StatusCode::OK, &json!({"paths": paths}))
}

/// The document of one group and version.
pub(super) fn one(group: &str, version: &str) -> Result<Response, Status> {
    match DOCUMENTS.get(&place(group, version)) {
        Some(text) => Ok(reply::document(StatusCode::OK, Body::from(text.as_str()))),
        None => {
            let message = format!("there is no OpenAPI document for {group}/{version}");
            Err(Status::new(Reason::NotFound, message))
        }
    }
}

fn place(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

fn made(group: &str, version: &str) -> Value {
    let mut schemas = Map::new();
    let mut paths = Map::new();
    for info in discovery::infos(group, version) {
        let name = schema_name(group, version, info.name);
        schemas.insert(name.clone(), kind_schema(info, group, version));
        schemas.insert(format!("{name}List"), list_schema(info, group, version, &name));
        add_paths(&mut paths, info, group, version, &name);
    }
    for (kind, plural) in discovery::reviews(group) {
        let name = schema_name(group, version, kind);
        let gvk = json!([{"group": group, "version": version, "kind": kind}]);
        let schema = json!({
            "type": "object",
            "description": "A question about whoever asks it; nothing is kept.",
            "x-kubernetes-group-version-kind": gvk,
        });
        schemas.insert(name.clone(), schema);
        let path = format!("/{}/{plural}", place(group, version));
        let operation = operation("post", group, version, kind, &name);
        paths.insert(path, json!({"post": operation}));
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "DevPocket", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"BearerToken": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"BearerToken": []}],
    })
}

/// `dev.devpocket.v1alpha1.Environment`, in Kubernetes' manner: the group from right to left.
fn schema_name(group: &str, version: &str, kind: &str) -> String {
    let group = if group.is_empty() { "core" } else { group };
    let mut parts: Vec<&str> = group.split('.').rev().collect();
    parts.extend([version, kind]);
    parts.join(".")
}

fn kind_schema(info: &KindInfo, group: &str, version: &str) -> Value {
    let mut schema = openapi_schema(info.kind);
    if group != info.group {
        let properties = schema["properties"].take();
        schema["properties"] = events::outward_members(properties);
        schema["required"] = json!(["eventTime"]);
        schema["x-kubernetes-group-version-kind"] =
            json!([{"group": group, "version": version, "kind": info.name}]);
    }
    schema
}

fn list_schema(info: &KindInfo, group: &str, version: &str, item: &str) -> Value {
    let kind = format!("{}List", info.name);
    json!({
        "type": "object",
        "description": format!("A list of objects of the kind {}.", info.name),
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {
                "type": "object",
                "properties": {
                    "continue": {"type": "string"},
                    "remainingItemCount": {"type": "integer", "format": "int64"},
                    "resourceVersion": {"type": "string"},
                },
            },
            "items": {
                "type": "array",
                "items": {"$ref": format!("#/components/schemas/{item}")},
            },
        },
        "x-kubernetes-group-version-kind": [{"group": group, "version": version, "kind": kind}],
    })
}

fn add_paths(
    paths: &mut Map<String, Value>,
    info: &KindInfo,
    group: &str,
    version: &str,
    schema: &str,
) {
    let namespaced = info.kind.is_namespaced();
    let base = format!("/{}", place(group, version));
    let path = if namespaced {
        format!("{base}/namespaces/{{namespace}}/{}", info.plural)
    } else {
        format!("{base}/{}", info.plural)
    };
    let make = |verbs: &[&str], names: &Value| {
        let mut item = json!({"parameters": names});
        for verb in verbs {
            item[*verb] = operation(verb, group, version, info.name, schema);
        }
        item
    };
    let in_path = |names: &[&str]| -> Value {
        let one = |name: &&str| {
            json!({
                "name": name, "in": "path", "required": true, "schema": {"type": "string"},
            })
        };
        names.iter().map(one).collect::<Vec<_>>().into()
    };
    let (of_all, of_one): (&[&str], &[&str]) =
        if namespaced { (&["namespace"], &["namespace", "name"]) } else { (&[], &["name"]) };
    if namespaced {
        let everywhere = format!("{base}/{}", info.plural);
        paths.insert(everywhere, make(&["get"], &json!([])));
    }
    paths.insert(path.clone(), make(&["get", "post", "delete"], &in_path(of_all)));
    let one = format!("{path}/{{name}}");
    for part in parts(info.kind) {
        let verbs: Vec<&str> = part.verbs().iter().copied().map(method).collect();
        paths.insert(format!("{one}/{}", part.word()), make(&verbs, &in_path(of_one)));
    }
    paths.insert(one, make(&["get", "put", "patch", "delete"], &in_path(of_one)));
}

/// The HTTP method of a Kubernetes verb on one object.
fn method(verb: &str) -> &'static str {
    match verb {
        "create" => "post",
        "update" => "put",
        "patch" => "patch",
        _ => "get",
    }
}

fn operation(method: &str, group: &str, version: &str, kind: &str, schema: &str) -> Value {
    let content = |media: &str| json!({ media: {"schema": {"$ref": reference(schema)}} });
    let mut operation = json!({
        "tags": [if group.is_empty() { "core" } else { group }],
        "parameters": parameters(method),
        "responses": {"200": {"description": "OK", "content": content("application/json")}},
        "x-kubernetes-action": method,
        "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
    });
    match method {
        "post" | "put" => {
            operation["requestBody"] =
                json!({"required": true, "content": content("application/json")});
        }
        "patch" => {
            let kinds = PatchKind::ALL.map(PatchKind::content_type);
            let kinds: Map<String, Value> =
                kinds.into_iter().map(|kind| (kind.to_owned(), json!({"schema": {}}))).collect();
            operation["requestBody"] = json!({"required": true, "content": kinds});
        }
        _ => {}
    }
    operation
}

fn reference(schema: &str) -> String {
    format!("#/components/schemas/{schema}")
}

fn parameters(method: &str) -> Value {
    let names: &[(&str, &str)] = match method {
        "get" => &[
            ("labelSelector", "string"),
            ("fieldSelector", "string"),
            ("limit", "integer"),
            ("continue", "string"),
            ("resourceVersion", "string"),
            ("resourceVersionMatch", "string"),
            ("watch", "boolean"),
            ("allowWatchBookmarks", "boolean"),
            ("sendInitialEvents", "boolean"),
            ("timeoutSeconds", "integer"),
        ],
        "delete" => &[("dryRun", "string"), ("propagationPolicy", "string")],
        "patch" => &[
            ("dryRun", "string"),
            ("fieldManager", "string"),
            ("fieldValidation", "string"),
            ("force", "boolean"),
        ],
        _ => &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")],
    };
    let one = |(name, kind): &(&str, &str)| json!({"name": name, "in": "query", "schema": {"type": kind}});
    names.iter().map(one).collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use devpocket_specs::kind::Kind;

    use super::*;

    #[test]
    fn every_kind_is_found_the_ways_kubectl_looks_for_it() {
        for kind in Kind::all() {
            let info = kind.info();
            let text = &DOCUMENTS[&place(info.group, info.version)];
            let document: Value = serde_json::from_str(text).unwrap();
            let gvk = json!({"group": info.group, "version": info.version, "kind": info.name});
            let schemas = document["components"]["schemas"].as_object().unwrap();
            let described = schemas
                .values()
                .filter(|schema| schema["x-kubernetes-group-version-kind"] == json!([gvk]));
            assert_eq!(described.count(), 1, "{kind}");
            let patches: Vec<&Value> = document["paths"]
                .as_object()
                .unwrap()
                .values()
                .filter_map(|path| path.get("patch"))
                .filter(|patch| patch["x-kubernetes-group-version-kind"] == gvk)
                .collect();
            assert!(!patches.is_empty(), "{kind}");
            for patch in patches {
                let names: Vec<&str> = patch["parameters"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|parameter| parameter["name"].as_str().unwrap())
                    .collect();
                assert!(names.contains(&"fieldValidation") && names.contains(&"dryRun"));
            }
        }
    }

    #[test]
    fn references_lead_somewhere() {
        for (place, text) in DOCUMENTS.iter() {
            let document: Value = serde_json::from_str(text).unwrap();
            for part in text.split("\"$ref\":\"#").skip(1) {
                let pointer = part.split('"').next().unwrap();
                assert!(document.pointer(pointer).is_some(), "{place}: {pointer}");
            }
        }
    }
}
