//! Who did what: objects, accounts and teams, read as one.

use reqwest::Method;
use serde_json::{Value, json};

use super::world::{ADMIN_TOKEN, World};

/// `verb kind name actor` of each line, newest first.
fn lines(page: &Value) -> Vec<String> {
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let items = page["items"].as_array().unwrap_or_else(|| panic!("{page}"));
    let line = |line: &Value| {
        let parts = ["verb", "kind", "name", "actor"].map(|name| text(line, name));
        parts.join(" ")
    };
    items.iter().map(line).collect()
}

#[tokio::test]
async fn an_owner_sees_their_namespace_everybody_themselves_and_an_admin_all() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await.access, world.person("bob").await.access);
    let made = world.post_as(&ann, "/teams", json!({"name": "Platform"})).await;
    let team = made.body["namespace"].as_str().unwrap();
    let secret = json!({"metadata": {"name": "db"}, "stringData": {"pw": "hunter2-planted"}});
    let path = format!("{}/kube/api/v1/namespaces/{team}/secrets", world.url);
    let request = reqwest::Client::new().post(path).bearer_auth(&ann).json(&secret);
    assert_eq!(request.send().await.unwrap().status().as_u16(), 201);
    let own = world.get(&ann, &format!("/audit?namespace={team}")).await;
    assert_eq!(lines(&own.body), ["create secret db ann", "create team Platform ann"], "{own:?}");
    let line = &own.body["items"][0];
    assert_eq!(line["address"].as_str().map(|a| a.starts_with("127.0.0.1")), Some(true), "{line}");
    assert_eq!(line["after"]["data"]["pw"], "(redacted)", "{line}");
    assert!(!own.body.to_string().contains("planted"));
    // A team that is not bob's is not there, and of others he sees nothing.
    let foreign = world.get(&bob, &format!("/audit?namespace={team}")).await;
    let missing = world.get(&bob, "/audit?namespace=t-000000000000").await;
    assert_eq!((foreign.code, missing.code), (404, 404));
    let mine = world.get(&bob, "/audit").await;
    assert!(!lines(&mine.body).is_empty());
    assert!(lines(&mine.body).iter().all(|line| line.contains("bob")), "{mine:?}");
    assert_eq!(world.get(&bob, "/audit?actor=ann").await.code, 403);
    let all = world.get(ADMIN_TOKEN, "/audit").await;
    let all = lines(&all.body);
    assert!(all.iter().any(|l| l.ends_with("ann")) && all.iter().any(|l| l.contains("bob")));
    let member = world.send(Method::GET, "/audit", None, None).await;
    assert_eq!(member.code, 401);
}

#[tokio::test]
async fn pages_together_are_everything_once() {
    let world = World::new().await;
    let ann = world.person("ann").await.access;
    for n in 0..4 {
        let made = world.post_as(&ann, "/teams", json!({"name": format!("team {n}")})).await;
        let team = made.body["namespace"].as_str().unwrap();
        let secret = json!({"metadata": {"name": "db"}, "stringData": {"pw": "x"}});
        let path = format!("{}/kube/api/v1/namespaces/{team}/secrets", world.url);
        reqwest::Client::new().post(path).bearer_auth(&ann).json(&secret).send().await.unwrap();
    }
    let whole = world.get(&ann, "/audit?limit=500").await.body;
    assert!(whole["continue"].is_null());
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = world.get(&ann, &format!("/audit?limit=3&continue={after}")).await.body;
        assert!(page["items"].as_array().unwrap().len() <= 3, "{page}");
        seen.extend(lines(&page));
        match page["continue"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, lines(&whole));
    assert!(seen.len() >= 9, "{seen:?}");
    for (query, code) in [("continue=x", 422), ("since=soon", 422), ("made_up=1", 400)] {
        assert_eq!(world.get(&ann, &format!("/audit?{query}")).await.code, code, "{query}");
    }
    let narrow = world.get(&ann, "/audit?kind=team&name=team%202").await.body;
    assert_eq!(lines(&narrow), ["create team team 2 ann"]);
}

/// Breaks without it: a token for environments, lost on a build server, tells where its owner signs
/// in from.
#[tokio::test]
async fn a_narrowed_token_does_not_read_what_its_owner_did_elsewhere() {
    let world = World::new().await;
    let ann = world.person("ann").await.access;
    let home = world.get(&ann, "/users/me").await.body["namespace"].as_str().unwrap().to_owned();
    let token = async |form: Value| {
        let made = world.post_as(&ann, "/users/me/tokens", form).await;
        assert_eq!(made.code, 201, "{made:?}");
        made.body["token"].as_str().unwrap().to_owned()
    };
    let kinds = token(json!({"name": "ci", "kinds": ["environments"]})).await;
    assert_eq!(world.get(&kinds, "/audit").await.code, 403);
    let place = token(json!({"name": "home", "namespace": home})).await;
    let seen = world.get(&place, "/audit").await;
    assert_eq!(seen.code, 200, "{seen:?}");
    let items = seen.body["items"].as_array().unwrap();
    assert!(items.iter().all(|line| line["namespace"] == json!(home)), "{seen:?}");
    assert!(lines(&world.get(&ann, "/audit").await.body).len() > items.len());
}
