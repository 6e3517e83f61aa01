//! Discovery: which groups, versions and kinds there are. Made from the table of kinds.

use axum::http::{StatusCode, header};
use axum::response::Response;
use devpocket_specs::kind::{GROUP, Kind, KindInfo, Scope};
use devpocket_specs::status::Status;
use serde_json::{Value, json};

use super::call::Call;
use super::path::{AUTHENTICATION, AUTHORIZATION, Target, group_versions, parts};
use super::{document, events, method_not_allowed, openapi};

/// Verbs of every kind, sorted as Kubernetes sorts them.
const VERBS: [&str; 8] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// What `kubectl get all` shows.
const ALL: [Kind; 2] = [Kind::Environment, Kind::Machine];

/// The Kubernetes version whose API this one follows; clients gate features on it.
const MAJOR: &str = "1";
const MINOR: &str = "33";

pub(super) fn serve(call: &Call, target: &Target) -> Result<Response, Status> {
    let aggregated = aggregated_version(call);
    let value = match (target, aggregated) {
        (Target::Root, _) => json!({"paths": paths()}),
        (Target::Version, _) => version(call),
        (Target::CoreVersions, Some(version)) => {
            return Ok(aggregated_reply(version, &[("", "v1")]));
        }
        (Target::Groups, Some(version)) => {
            return Ok(aggregated_reply(version, &group_versions()));
        }
        (Target::CoreVersions, None) => json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [],
        }),
        (Target::Groups, None) => {
            let groups: Vec<Value> = group_versions().into_iter().map(group).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        }
        (Target::Group(name), _) => {
            let found = group_versions().into_iter().find(|(group, _)| group == name);
            let mut value = group(found.ok_or_else(|| method_not_allowed(&call.method))?);
            value["kind"] = "APIGroup".into();
            value["apiVersion"] = "v1".into();
            value
        }
        (Target::OpenApi, _) => return Ok(openapi::index()),
        (Target::OpenApiOf { group, version }, _) => return openapi::one(group, version),
        (Target::Resources { group, version }, _) => resources(group, version),
        _ => return Err(method_not_allowed(&call.method)),
    };
    Ok(document(StatusCode::OK, &value))
}

fn paths() -> Vec<String> {
    let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned()];
    for (group, version) in group_versions() {
        paths.push(format!("/apis/{group}"));
        paths.push(format!("/apis/{group}/{version}"));
    }
    paths.extend(["/openapi/v3", "/version"].map(str::to_owned));
    paths
}

fn version(call: &Call) -> Value {
    let build = call.state.build;
    json!({
        "major": MAJOR,
        "minor": MINOR,
        "gitVersion": format!("v{MAJOR}.{MINOR}.0+devpocket.{}", build.version),
        "gitCommit": build.commit,
        "gitTreeState": "",
        "buildDate": "",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

fn group((group, version): (&str, &str)) -> Value {
    let version = json!({"groupVersion": format!("{group}/{version}"), "version": version});
    json!({"name": group, "versions": [version], "preferredVersion": version})
}

/// Kinds of a group and version.
pub(super) fn infos<'a>(
    group: &'a str,
    version: &'a str,
) -> impl Iterator<Item = &'static KindInfo> + 'a {
    let new_events = (group, version) == (events::GROUP, events::VERSION);
    Kind::all().map(Kind::info).filter(move |info| {
        (info.group == group && info.version == version) || (new_events && info.kind == Kind::Event)
    })
}

/// Reviews: what can only be created, and is not kept.
pub(super) fn reviews(group: &str) -> &'static [(&'static str, &'static str)] {
    match group {
        AUTHORIZATION => &[
            ("SelfSubjectAccessReview", "selfsubjectaccessreviews"),
            ("SelfSubjectRulesReview", "selfsubjectrulesreviews"),
        ],
        AUTHENTICATION => &[("SelfSubjectReview", "selfsubjectreviews")],
        _ => &[],
    }
}

/// Words under which several kinds are listed together.
fn categories(kind: Kind) -> Vec<&'static str> {
    let mut words = Vec::new();
    if ALL.contains(&kind) {
        words.push("all");
    }
    if kind.info().group == GROUP {
        words.push("devpocket");
    }
    words
}

fn resources(group: &str, version: &str) -> Value {
    let mut resources = Vec::new();
    for info in infos(group, version) {
        let namespaced = info.scope == Scope::Namespaced;
        resources.push(json!({
            "name": info.plural,
            "singularName": info.singular,
            "namespaced": namespaced,
            "kind": info.name,
            "verbs": VERBS,
            "shortNames": info.short_names,
            "categories": categories(info.kind),
        }));
        for part in parts(info.kind) {
            resources.push(json!({
                "name": format!("{}/{}", info.plural, part.word()),
                "singularName": "",
                "namespaced": namespaced,
                "kind": info.name,
                "verbs": part.verbs(),
            }));
        }
    }
    for (kind, plural) in reviews(group) {
        resources.push(json!({
            "name": plural,
            "singularName": "",
            "namespaced": false,
            "kind": kind,
            "verbs": ["create"],
        }));
    }
    let group_version =
        if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    })
}

/// The version of aggregated discovery the client would rather have, if any.
fn aggregated_version(call: &Call) -> Option<&'static str> {
    let accept = call.headers.get(header::ACCEPT)?.to_str().ok()?;
    let asked = |version: &str| {
        accept.split(',').any(|media_type| {
            let mut parameters = media_type.split(';').map(str::trim);
            parameters.next() == Some("application/json")
                && [
                    "g=apidiscovery.k8s.io".to_owned(),
                    format!("v={version}"),
                    "as=APIGroupDiscoveryList".to_owned(),
                ]
                .iter()
                .all(|wanted| media_type.split(';').any(|parameter| parameter.trim() == wanted))
        })
    };
    ["v2", "v2beta1"].into_iter().find(|version| asked(version))
}

fn aggregated_reply(version: &str, groups: &[(&str, &str)]) -> Response {
    let items: Vec<Value> = groups
        .iter()
        .map(|(group, group_version)| {
            let resources: Vec<Value> = infos(group, group_version)
                .map(|info| aggregated_kind(info, group, group_version))
                .chain(reviews(group).iter().map(|(kind, plural)| {
                    json!({
                        "resource": plural,
                        "responseKind": response_kind(group, group_version, kind),
                        "scope": "Cluster",
                        "singularResource": "",
                        "verbs": ["create"],
                    })
                }))
                .collect();
            json!({
                "metadata": {"name": group, "creationTimestamp": null},
                "versions": [{
                    "version": group_version, "resources": resources, "freshness": "Current",
                }],
            })
        })
        .collect();
    let api_version = format!("apidiscovery.k8s.io/{version}");
    let value = json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": api_version,
        "metadata": {},
        "items": items,
    });
    let mut response = document(StatusCode::OK, &value);
    let content_type =
        format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
    let content_type = content_type.parse().expect("two fixed versions make a plain header");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

fn aggregated_kind(info: &KindInfo, group: &str, version: &str) -> Value {
    let response_kind = response_kind(group, version, info.name);
    let subresources: Vec<Value> = parts(info.kind)
        .into_iter()
        .map(|part| {
            json!({
                "subresource": part.word(),
                "responseKind": response_kind,
                "verbs": part.verbs(),
            })
        })
        .collect();
    json!({
        "resource": info.plural,
        "responseKind": response_kind,
        "scope": if info.scope == Scope::Namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": info.singular,
        "verbs": VERBS,
        "shortNames": info.short_names,
        "categories": categories(info.kind),
        "subresources": subresources,
    })
}

fn response_kind(group: &str, version: &str, kind: &str) -> Value {
    json!({"group": group, "version": version, "kind": kind})
}
