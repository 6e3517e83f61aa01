//! Deleting an account, and taking everything along.

use reqwest::Method;
use serde_json::{Value, json};

use super::world::{ADMIN_TOKEN, Answer, PASSWORD, Signed, World};

async fn delete(world: &World, who: &Signed, password: &str) -> Answer {
    let form = json!({"password": password});
    world.send(Method::DELETE, "/users/me", Some(&who.access), Some(form)).await
}

/// An environment declared by an admin in somebody's namespace, which gets a tier that allows it.
async fn environment(world: &World, namespace: &str) -> String {
    let http = reqwest::Client::new();
    let tiers = format!("{}/kube/apis/devpocket.dev/v1alpha1/tiers", world.url);
    let tier = json!({"metadata": {"name": "any"}, "spec": {}});
    http.post(&tiers).bearer_auth(ADMIN_TOKEN).json(&tier).send().await.unwrap();
    let labels = json!({"metadata": {"labels": {"devpocket.dev/tier": "any"}}});
    let given = http
        .patch(format!("{}/kube/api/v1/namespaces/{namespace}", world.url))
        .bearer_auth(ADMIN_TOKEN)
        .header("content-type", "application/merge-patch+json")
        .body(labels.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(given.status().as_u16(), 200, "{}", given.text().await.unwrap());
    let path = format!(
        "{}/kube/apis/devpocket.dev/v1alpha1/namespaces/{namespace}/environments",
        world.url
    );
    let object =
        json!({"metadata": {"name": "web"}, "spec": {"size": "vps-10-nvme", "region": "EU"}});
    let made = http.post(&path).bearer_auth(ADMIN_TOKEN).json(&object).send().await.unwrap();
    assert_eq!(made.status().as_u16(), 201, "{}", made.text().await.unwrap());
    format!("{path}/web")
}

async fn namespace(world: &World, who: &Signed) -> String {
    world.get(&who.access, "/users/me").await.body["namespace"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_was_erased_is_nowhere_and_what_was_done_stays() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    world.post_as(&ann.access, "/users/me/tokens", json!({"name": "ci"})).await;
    let preview = world.get(&ann.access, "/users/me/deletion").await;
    assert_eq!((preview.code, &preview.body["possible"]), (200, &json!(true)), "{preview:?}");
    assert_eq!((&preview.body["sessions"], &preview.body["api_tokens"]), (&json!(1), &json!(1)));
    let wrong = delete(&world, &ann, "Wrong1xx").await;
    assert_eq!((wrong.code, wrong.detail()), (400, "Current password is incorrect"));
    assert_eq!(delete(&world, &ann, PASSWORD).await.code, 200);
    assert!(!world.accepts(&ann.access).await);
    assert_eq!(world.refresh(&ann.refresh).await.code, 401);
    for table in ["accounts", "sessions", "api_tokens", "members", "access_audit", "one_time_codes"]
    {
        let sql = format!("SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t");
        let (rows,): (String,) =
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_one(&world.pool).await.unwrap();
        assert!(!rows.contains("ann") && !rows.contains("127.0.0.1"), "{table}: {rows}");
    }
    let trail = world.trail().await;
    assert!(trail.iter().any(|line| line.starts_with("register account deleted-")), "{trail:?}");
    assert!(trail.iter().any(|line| line.starts_with("delete account deleted-")), "{trail:?}");
    assert_eq!(world.login("ann", PASSWORD).await.code, 401);
    // The name and the address are free again.
    assert_eq!(world.register("ann").await.code, 201);
}

#[tokio::test]
async fn environments_and_teams_without_another_owner_stand_in_the_way() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    world.person("bob").await;
    let own = namespace(&world, &ann).await;
    let path = environment(&world, &own).await;
    world
        .sql(
            "INSERT INTO members SELECT 'team-x', id, 'owner', 'test', now() FROM accounts \
             WHERE username = 'ann'",
        )
        .await;
    let refused = delete(&world, &ann, PASSWORD).await;
    assert_eq!(refused.code, 409);
    for part in [format!("{own}/web"), "team-x".to_owned()] {
        assert!(refused.detail().contains(&part), "{refused:?}");
    }
    let preview = world.get(&ann.access, "/users/me/deletion").await;
    assert_eq!(preview.body["possible"], false);
    assert_eq!(preview.body["last_owner_of"], json!(["team-x"]));
    let stats = world.get(&ann.access, "/users/me/stats").await;
    assert_eq!(stats.body["total_environments"], 1, "{stats:?}");
    assert_eq!(stats.body["recent_activity"]["environments_created_last_7_days"], 1);
    assert!(world.accepts(&ann.access).await, "nothing was done");
    let http = reqwest::Client::new();
    http.delete(&path).bearer_auth(ADMIN_TOKEN).send().await.unwrap();
    world
        .sql(
            "INSERT INTO members SELECT 'team-x', id, 'owner', 'test', now() FROM accounts \
             WHERE username = 'bob'",
        )
        .await;
    let gone = async || {
        let reply = http.get(&path).bearer_auth(ADMIN_TOKEN).send().await.unwrap();
        (reply.status().as_u16() == 404).then_some(())
    };
    // Nothing converges here: what was never bought has no finalizer to wait for.
    super::world::eventually("the environment is gone", gone).await;
    assert_eq!(delete(&world, &ann, PASSWORD).await.code, 200);
}

#[tokio::test]
async fn an_export_holds_what_is_known_and_no_secret() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let made = world.post_as(&ann.access, "/users/me/tokens", json!({"name": "ci"})).await;
    let export = world.get(&ann.access, "/users/me/export").await;
    assert_eq!(export.code, 200, "{export:?}");
    assert_eq!(export.body["user"]["username"], "ann");
    assert_eq!(export.body["api_tokens"][0]["name"], "ci");
    assert_eq!(export.body["memberships"][0]["role"], "owner");
    assert!(!export.body["trail"].as_array().unwrap().is_empty());
    let text = export.body.to_string();
    for secret in [made.body["token"].as_str().unwrap(), &ann.refresh, &ann.access, "argon2"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert_eq!(export.body["environments"], Value::Array(Vec::new()));
}
