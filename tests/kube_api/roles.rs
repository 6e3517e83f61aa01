//! Every verb on every kind, by every role, in one's own namespace and in others', over a real
//! socket. What is expected stands in [`EXPECTED`], written by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use devpocket::access::{Role, Tokens, User};
use devpocket_controllers::sim::store::MemoryStore;
use devpocket_specs::kind::Kind;
use reqwest::Method;
use serde_json::{Value, json};

use super::world::{ADMIN_TOKEN, Answer, World, answer};

/// May a viewer, an editor, an owner and an admin? `y` or `n`, in this order.
const EXPECTED: &[(&str, &str, &str)] = &[
    ("environments", "get list watch", "yyyy"),
    ("environments", "create update patch delete deletecollection", "nyyy"),
    ("environments/status", "get", "yyyy"),
    ("environments/status", "update patch", "nnyy"),
    ("environments/plan", "get create", "yyyy"),
    ("environments/decisions", "get", "yyyy"),
    ("environments/log", "get", "yyyy"),
    ("environments/approval", "approve", "nnyy"),
    ("environments/undelete", "create", "nyyy"),
    ("environments/exec", "create", "nyyy"),
    ("secrets", "get list watch", "yyyy"),
    ("secrets", "create update patch delete deletecollection", "nyyy"),
    ("events", "get list watch", "yyyy"),
    ("events", "create update patch delete deletecollection", "nnny"),
    ("leases", "get list watch create update patch delete deletecollection", "nnny"),
    ("namespaces", "get list watch", "yyyy"),
    ("namespaces", "create update patch delete deletecollection", "nnny"),
    ("templates", "get list watch", "yyyy"),
    ("templates", "create update patch delete deletecollection", "nnny"),
    ("templates/status", "get", "yyyy"),
    ("templates/status", "update patch", "nnny"),
    ("tiers", "get list watch", "yyyy"),
    ("tiers", "create update patch delete deletecollection", "nnny"),
    ("tiers/status", "get", "yyyy"),
    ("tiers/status", "update patch", "nnny"),
    ("machines", "get list watch create update patch delete deletecollection", "nnny"),
    ("machines/status", "get update patch", "nnny"),
    ("operations", "get list watch create update patch delete deletecollection", "nnny"),
    ("operations/status", "get update patch", "nnny"),
    ("operations/resolve", "create", "nnny"),
    ("installations", "get list watch create update patch delete deletecollection", "nnny"),
    ("installations/status", "get update patch", "nnny"),
];

pub const VIEWER: &str = "viewer-token-0123456789";
pub const EDITOR: &str = "editor-token-0123456789";
pub const OWNER: &str = "owner-token-0123456789";
const STRANGER: &str = "stranger-token-0123456789";
/// In the order of the table.
const PEOPLE: [&str; 4] = [VIEWER, EDITOR, OWNER, ADMIN_TOKEN];

/// `mine` and `theirs`, each with an environment `web`, a secret `db` and an event.
pub async fn world() -> World {
    let mut tokens = Tokens::single(ADMIN_TOKEN, User::admin("admin")).unwrap();
    for (token, role) in [(VIEWER, Role::Viewer), (EDITOR, Role::Editor), (OWNER, Role::Owner)] {
        let roles = Arc::new(BTreeMap::from([("mine".to_owned(), role)]));
        tokens.add(token, User { roles, ..User::configured(role.word(), &[]) }).unwrap();
    }
    tokens.add(STRANGER, User::configured("stranger", &[])).unwrap();
    let world = World::known(Arc::new(MemoryStore::default()), Arc::new(tokens)).await;
    for namespace in ["mine", "theirs"] {
        let made = [
            ("/kube/api/v1/namespaces".to_owned(), json!({"metadata": {"name": namespace}})),
            (collection("environments", namespace), body("environments", "web")),
            (collection("secrets", namespace), body("secrets", "db")),
            (collection("events", namespace), body("events", "told")),
        ];
        for (path, object) in made {
            let made = world.send(Method::POST, &path, &object).await;
            assert_eq!(made.code, 201, "{path}: {made:?}");
        }
    }
    world
}

fn kind_of(resource: &str) -> Kind {
    let plural = resource.split('/').next().unwrap();
    Kind::all().find(|kind| kind.info().plural == plural).unwrap()
}

pub fn collection(resource: &str, namespace: &str) -> String {
    let info = kind_of(resource).info();
    let base = match info.group {
        "" => "/kube/api/v1".to_owned(),
        group => format!("/kube/apis/{group}/{}", info.version),
    };
    match info.kind.is_namespaced() {
        true => format!("{base}/namespaces/{namespace}/{}", info.plural),
        false => format!("{base}/{}", info.plural),
    }
}

pub fn body(resource: &str, name: &str) -> Value {
    let metadata = json!({"name": name});
    match resource.split('/').next().unwrap() {
        "environments" => {
            json!({"metadata": metadata, "spec": {"size": "vps-10-nvme", "region": "EU"}})
        }
        "secrets" => json!({"metadata": metadata, "stringData": {"pw": "hunter2-planted"}}),
        "events" => json!({
            "metadata": metadata, "type": "Normal", "reason": "Told", "message": "it is told",
            "involvedObject": {"kind": "Environment", "name": "web"},
        }),
        _ => json!({"metadata": metadata}),
    }
}

/// The object of a kind that is there; a namespace is itself.
fn name(resource: &str, namespace: &str) -> String {
    match kind_of(resource) {
        Kind::Environment => "web".to_owned(),
        Kind::Secret => "db".to_owned(),
        Kind::Event => "told".to_owned(),
        Kind::Namespace => namespace.to_owned(),
        _ => "x".to_owned(),
    }
}

/// One request, as a client would send it. Writes are dry runs.
fn request(
    world: &World,
    token: &str,
    (verb, resource): (&str, &str),
    namespace: &str,
) -> reqwest::RequestBuilder {
    let all = collection(resource, namespace);
    let name = name(resource, namespace);
    let part = resource.split_once('/').map_or(String::new(), |(_, part)| format!("/{part}"));
    let one = format!("{all}/{name}{part}");
    let (method, path, media, body) = match verb {
        "get" => (Method::GET, one, "application/json", Value::Null),
        "list" => (Method::GET, all, "application/json", Value::Null),
        "watch" => (Method::GET, format!("{all}?watch=true"), "application/json", Value::Null),
        "create" if part.is_empty() => {
            (Method::POST, format!("{all}?dryRun=All"), "application/json", body(resource, "new"))
        }
        // A WebSocket is opened with GET.
        "create" if part == "/exec" => (Method::GET, one, "application/json", Value::Null),
        "create" => {
            (Method::POST, format!("{one}?dryRun=All"), "application/json", body(resource, &name))
        }
        "approve" => (
            Method::POST,
            format!("{one}?dryRun=All"),
            "application/json",
            json!({"hash": "123456"}),
        ),
        "update" => {
            (Method::PUT, format!("{one}?dryRun=All"), "application/json", body(resource, &name))
        }
        "patch" => {
            let patch = json!({"metadata": {"labels": {"a": "b"}}});
            (Method::PATCH, format!("{one}?dryRun=All"), "application/merge-patch+json", patch)
        }
        "delete" => (Method::DELETE, format!("{one}?dryRun=All"), "application/json", Value::Null),
        "deletecollection" => {
            (Method::DELETE, format!("{all}?dryRun=All"), "application/json", Value::Null)
        }
        other => panic!("{other}"),
    };
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let request = world.request(method, &path).bearer_auth(token);
    request.header("content-type", media).body(text)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Allowed,
    /// It is seen, and this may not be done to it.
    Forbidden,
    /// The namespace is not there.
    Hidden,
}

/// What was answered, and the answer where there was a refusal. An admission that refuses what was
/// authorized is no refusal here.
async fn told(request: reqwest::RequestBuilder, namespace: &str) -> (Told, Option<Answer>) {
    let response = request.try_clone().unwrap().send().await.unwrap();
    // The body of a watch does not end.
    if response.status().is_success() {
        return (Told::Allowed, None);
    }
    let answer = answer(request).await;
    let details = &answer.body["details"];
    let hidden = details["kind"] == "namespaces" && details["name"] == namespace;
    let told = match answer.code {
        404 if hidden => Told::Hidden,
        403 if answer.message().starts_with("user \"") => Told::Forbidden,
        401 | 405 => panic!("{answer:?}"),
        _ => Told::Allowed,
    };
    (told, Some(answer))
}

/// What the reviews say about the same.
async fn review(
    world: &World,
    token: &str,
    (verb, resource): (&str, &str),
    namespace: &str,
) -> bool {
    let (plural, part) = resource.split_once('/').unwrap_or((resource, ""));
    let info = kind_of(resource).info();
    let collective = matches!(verb, "list" | "watch" | "create" | "deletecollection");
    let named =
        if collective && part.is_empty() { String::new() } else { name(resource, namespace) };
    let question = json!({"spec": {"resourceAttributes": {
        "verb": verb, "group": info.group, "version": info.version, "resource": plural,
        "subresource": part, "name": named,
        "namespace": if info.kind.is_namespaced() { namespace } else { "" },
    }}});
    let path = "/kube/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let asked = world.request(Method::POST, path).bearer_auth(token).json(&question);
    answer(asked).await.body["status"]["allowed"].as_bool().unwrap()
}

fn rows() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let each = |(resource, verbs, may): &(&'static str, &'static str, &'static str)| {
        let (resource, may) = (*resource, *may);
        verbs.split(' ').map(move |verb| (resource, verb, may)).collect::<Vec<_>>()
    };
    EXPECTED.iter().flat_map(each)
}

#[tokio::test]
async fn the_table_has_everything_that_is_served() {
    let world = world().await;
    let mut served = BTreeSet::new();
    for path in
        ["/kube/api/v1", "/kube/apis/devpocket.dev/v1alpha1", "/kube/apis/coordination.k8s.io/v1"]
    {
        for resource in world.get(path).await.body["resources"].as_array().unwrap() {
            let name = resource["name"].as_str().unwrap();
            for verb in resource["verbs"].as_array().unwrap() {
                let verb = verb.as_str().unwrap();
                let verb = if name.ends_with("/approval") { "approve" } else { verb };
                served.insert((name.to_owned(), verb.to_owned()));
            }
        }
    }
    let expected: BTreeSet<(String, String)> =
        rows().map(|(resource, verb, _)| (resource.to_owned(), verb.to_owned())).collect();
    let missing: Vec<_> = served.difference(&expected).collect();
    assert!(missing.is_empty(), "the table says nothing about {missing:?}");
    assert!(served.len() > 60, "{served:?}");
}

#[tokio::test]
async fn in_ones_own_namespace_the_role_decides() {
    let world = world().await;
    for (resource, verb, may) in rows() {
        for (token, may) in PEOPLE.into_iter().zip(may.chars()) {
            // Whoever may not make namespaces may not make this one either.
            let (told, answer) =
                told(request(&world, token, (verb, resource), "mine"), "mine").await;
            let expected = if may == 'y' { Told::Allowed } else { Told::Forbidden };
            assert_eq!(told, expected, "{token} {verb} {resource}: {answer:?}");
            let truth = review(&world, token, (verb, resource), "mine").await;
            assert_eq!(truth, may == 'y', "the review of {token} {verb} {resource}");
        }
    }
}

#[tokio::test]
async fn other_peoples_things_are_not_there() {
    let world = world().await;
    let own = |resource: &str, verb: &str| {
        let of_namespace =
            resource == "namespaces" && matches!(verb, "get" | "update" | "patch" | "delete");
        kind_of(resource).is_namespaced() || of_namespace
    };
    for (resource, verb, _) in rows().filter(|(resource, verb, _)| own(resource, verb)) {
        for token in [VIEWER, EDITOR, OWNER, STRANGER] {
            let ask = async |namespace: &str| {
                let request = request(&world, token, (verb, resource), namespace);
                let (told, answer) = told(request, namespace).await;
                assert_eq!(told, Told::Hidden, "{token} {verb} {resource} {namespace}: {answer:?}");
                assert!(!review(&world, token, (verb, resource), namespace).await);
                let answer = answer.unwrap();
                (answer.code, answer.body.to_string().replace(namespace, "NAMESPACE"))
            };
            let (foreign, missing) = (ask("theirs").await, ask("missing").await);
            assert_eq!(foreign, missing, "{token} {verb} {resource}");
        }
        let (told, _) =
            told(request(&world, ADMIN_TOKEN, (verb, resource), "theirs"), "theirs").await;
        assert_eq!(told, Told::Allowed, "admin {verb} {resource}");
    }
}

#[tokio::test]
async fn who_belongs_nowhere_reads_what_is_nobodys() {
    let world = world().await;
    for (resource, verb, may) in rows().filter(|(resource, _, _)| {
        !kind_of(resource).is_namespaced() && !resource.starts_with("namespaces")
    }) {
        let (told, answer) =
            told(request(&world, STRANGER, (verb, resource), "mine"), "mine").await;
        let expected = if may.starts_with('y') { Told::Allowed } else { Told::Forbidden };
        assert_eq!(told, expected, "{verb} {resource}: {answer:?}");
    }
}

#[tokio::test]
async fn over_all_namespaces_one_sees_ones_own() {
    let world = world().await;
    for resource in ["environments", "secrets", "events"] {
        let path = collection(resource, "x").replace("/namespaces/x", "");
        for token in [VIEWER, EDITOR, OWNER] {
            let list = answer(world.request(Method::GET, &path).bearer_auth(token)).await;
            let items = list.body["items"].as_array().unwrap();
            let places: BTreeSet<&str> =
                items.iter().map(|item| item["metadata"]["namespace"].as_str().unwrap()).collect();
            assert_eq!(places, BTreeSet::from(["mine"]), "{token} {resource}");
            let watch = format!("{path}?watch=true&timeoutSeconds=1");
            let watch = answer(world.request(Method::GET, &watch).bearer_auth(token)).await;
            assert!(!watch.body.to_string().contains("theirs"), "{token} {resource}: {watch:?}");
        }
        let all = world.get(&path).await;
        assert_eq!(all.names().len(), 2, "{all:?}");
        let refused = answer(world.request(Method::GET, &path).bearer_auth(STRANGER)).await;
        assert_eq!((refused.code, refused.reason()), (403, "Forbidden"));
    }
    let list = world.request(Method::GET, "/kube/api/v1/namespaces").bearer_auth(VIEWER);
    assert_eq!(answer(list).await.names(), ["mine"]);
}
