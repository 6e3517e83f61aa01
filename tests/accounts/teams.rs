//! Teams: who belongs, who may say so, and how fast somebody is out.

use std::time::Duration;

use devpocket::accounts::Registration;
use devpocket::teams::TEAMS_OWNED;
use devpocket_specs::kind::Kind;
use futures::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::world::{ADMIN_TOKEN, Answer, PASSWORD, PATIENCE, Replica, World, eventually};

/// Longest that somebody may go on seeing what they may not.
const PROMISE: Duration = Duration::from_secs(5);

/// A team of ann's; its namespace.
async fn team(world: &World, ann: &str) -> String {
    let made = world.post_as(ann, "/teams", json!({"name": "Platform"})).await;
    assert_eq!((made.code, &made.body["role"]), (201, &json!("owner")), "{made:?}");
    made.body["namespace"].as_str().unwrap().to_owned()
}

/// Brings somebody in, over a link that was handed over.
async fn bring(world: &World, ann: &str, team: &str, who: &str, role: &str) {
    let code = invited(world, ann, team, json!({"role": role})).await;
    let joined = world.post_as(who, "/invitations/accept", json!({"code": code})).await;
    assert_eq!((joined.code, &joined.body["team"]["role"]), (200, &json!(role)), "{joined:?}");
}

/// The code of a new invitation that was handed over.
async fn invited(world: &World, ann: &str, team: &str, form: Value) -> String {
    let made = world.post_as(ann, &format!("/teams/{team}/invitations"), form).await;
    assert_eq!(made.code, 201, "{made:?}");
    let link = made.body["link"].as_str().unwrap_or_else(|| panic!("{made:?}"));
    link.split_once("/invite#").unwrap().1.to_owned()
}

async fn put(replica: &Replica, token: &str, path: &str, body: Value) -> Answer {
    replica.send(Method::PUT, path, Some(token), Some(body)).await
}

async fn delete(replica: &Replica, token: &str, path: &str) -> Answer {
    replica.send(Method::DELETE, path, Some(token), None).await
}

fn environments(replica: &Replica, team: &str) -> String {
    format!("{}/kube/apis/devpocket.dev/v1alpha1/namespaces/{team}/environments", replica.url)
}

/// The code of a list of the team's environments.
async fn listed(replica: &Replica, token: &str, team: &str) -> u16 {
    let request = reqwest::Client::new().get(environments(replica, team)).bearer_auth(token);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_team_is_a_namespace_with_an_owner_and_spends_nothing_at_first() {
    let world = World::new().await;
    let ann = world.person("ann").await.access;
    let team = team(&world, &ann).await;
    assert!(team.starts_with("t-"), "{team}");
    assert_eq!(listed(&world, &ann, &team).await, 200);
    let object =
        json!({"metadata": {"name": "web"}, "spec": {"size": "vps-10-nvme", "region": "EU"}});
    let request = reqwest::Client::new().post(environments(&world, &team)).bearer_auth(&ann);
    let refused: Value = request.json(&object).send().await.unwrap().json().await.unwrap();
    assert_eq!(refused["details"]["code"], "no-tier", "{refused}");
    let tier = json!({"metadata": {"name": "starter"}, "spec": {"maxMachines": 1}});
    let tiers = format!("{}/kube/apis/devpocket.dev/v1alpha1/tiers", world.url);
    reqwest::Client::new().post(tiers).bearer_auth(ADMIN_TOKEN).json(&tier).send().await.unwrap();
    let path = format!("/teams/{team}/tier");
    let own = put(&world, &ann, &path, json!({"tier": "starter"})).await;
    assert_eq!(own.code, 403, "an owner does not give themselves a tier: {own:?}");
    let unknown = put(&world, ADMIN_TOKEN, &path, json!({"tier": "made-up"})).await;
    assert_eq!(unknown.faults(), ["tier unknown-tier"]);
    let set = put(&world, ADMIN_TOKEN, &path, json!({"tier": "starter"})).await;
    assert_eq!((set.code, &set.body["tier"]), (200, &json!("starter")), "{set:?}");
    let request = reqwest::Client::new().post(environments(&world, &team)).bearer_auth(&ann);
    let made = request.json(&object).send().await.unwrap();
    assert_eq!(made.status().as_u16(), 201);
    let gone = delete(&world, &ann, &format!("/teams/{team}")).await;
    assert_eq!(gone.code, 409, "not while it has an environment: {gone:?}");
}

#[tokio::test]
async fn members_see_each_other_and_owners_change_them() {
    let world = World::new().await;
    let (ann, bob, eve) = (
        world.person("ann").await.access,
        world.person("bob").await.access,
        world.person("eve").await.access,
    );
    let team = team(&world, &ann).await;
    bring(&world, &ann, &team, &bob, "viewer").await;
    let members = format!("/teams/{team}/members");
    let seen = world.get(&bob, &members).await;
    let names: Vec<&str> =
        seen.body.as_array().unwrap().iter().map(|m| m["username"].as_str().unwrap()).collect();
    assert_eq!(names, ["ann", "bob"], "owners first");
    // To whoever does not belong, the team is as little there as one that is not.
    for path in [members.clone(), format!("/teams/{team}"), format!("/teams/{team}/invitations")] {
        let foreign = world.get(&eve, &path).await;
        let missing = world.get(&eve, &path.replace(&team, "t-000000000000")).await;
        assert_eq!((foreign.code, missing.code), (404, 404), "{path}");
        assert_eq!(foreign.detail().replace(&team, "t-000000000000"), missing.detail());
    }
    for (code, answer) in [
        (403, put(&world, &bob, &format!("{members}/ann"), json!({"role": "viewer"})).await),
        (403, delete(&world, &bob, &format!("{members}/ann")).await),
        (
            403,
            world
                .post_as(&bob, &format!("/teams/{team}/invitations"), json!({"role": "owner"}))
                .await,
        ),
        (
            404,
            world
                .post_as(&eve, &format!("/teams/{team}/invitations"), json!({"role": "owner"}))
                .await,
        ),
        (422, put(&world, &ann, &format!("{members}/bob"), json!({"role": "king"})).await),
        (404, put(&world, &ann, &format!("{members}/eve"), json!({"role": "viewer"})).await),
    ] {
        assert_eq!(answer.code, code, "{answer:?}");
    }
    let made = put(&world, &ann, &format!("{members}/bob"), json!({"role": "editor"})).await;
    assert_eq!((made.code, &made.body["role"]), (200, &json!("editor")));
    assert!(world.trail().await.contains(&"set-role member bob ann".to_owned()));
}

#[tokio::test]
async fn a_team_keeps_an_owner_also_in_a_race() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await.access, world.person("bob").await.access);
    let team = team(&world, &ann).await;
    bring(&world, &ann, &team, &bob, "owner").await;
    let leave = format!("/teams/{team}/leave");
    let (one, other) = tokio::join!(
        world.post_as(&ann, &leave, json!({})),
        world.post_as(&bob, &leave, json!({}))
    );
    let mut codes = [one.code, other.code];
    codes.sort_unstable();
    assert_eq!(codes, [200, 409], "{one:?} {other:?}");
    let (left,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM members WHERE namespace = $1 AND role = 'owner'")
            .bind(&team)
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!(left, 1);
}

#[tokio::test]
async fn an_invitation_registers_and_joins_in_one_step_where_nobody_may_register() {
    let world = World::with(|settings| settings.registration = Registration::Open).await;
    let ann = world.person("ann").await.access;
    let closed = world.restarted(|settings| settings.registration = Registration::Invite).await;
    let team = team(&world, &ann).await;
    let refused = closed.register("bob").await;
    assert_eq!(refused.code, 403, "{refused:?}");
    let form = json!({"role": "editor", "email": "bob@example.com"});
    let code = invited(&world, &ann, &team, form).await;
    let shown = closed.post("/invitations/look", json!({"code": code})).await;
    assert_eq!(
        (&shown.body["team"], &shown.body["role"], &shown.body["inviter"]),
        (&json!("Platform"), &json!("editor"), &json!("ann"))
    );
    let other = json!({
        "code": code, "username": "bob", "email": "eve@example.com", "password": PASSWORD,
    });
    assert_eq!(closed.post("/invitations/accept", other).await.faults(), ["email not_invited"]);
    let own = json!({"code": code, "username": "bob", "password": PASSWORD});
    let joined = closed.post("/invitations/accept", own.clone()).await;
    assert_eq!((joined.code, &joined.body["user"]["email"]), (201, &json!("bob@example.com")));
    let bob = closed.login("bob", PASSWORD).await.signed().access;
    assert_eq!(listed(&closed, &bob, &team).await, 200);
    let again = closed.post("/invitations/accept", own).await;
    assert_eq!(again.code, 400, "it is good once: {again:?}");
}

#[tokio::test]
async fn a_link_ends_by_being_used_withdrawn_sent_again_or_late() {
    let world = World::new().await;
    let (ann, bob) = (world.person("ann").await.access, world.person("bob").await.access);
    let team = team(&world, &ann).await;
    let accept = async |code: &str| {
        world.post_as(&bob, "/invitations/accept", json!({"code": code})).await.code
    };
    let path = format!("/teams/{team}/invitations");
    let code = invited(&world, &ann, &team, json!({"role": "viewer"})).await;
    let listed = world.get(&ann, &path).await.body;
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    assert_eq!((&listed[0]["state"], &listed[0]["sent"]), (&json!("pending"), &json!(1)));
    assert!(!listed.to_string().contains(&code), "the code is shown once");
    let soon = world.post_as(&ann, &format!("{path}/{id}/resend"), json!({})).await;
    assert_eq!(soon.code, 503, "not every second: {soon:?}");
    world.sql("UPDATE invitations SET sent_at = sent_at - interval '2 minutes'").await;
    let sent = world.post_as(&ann, &format!("{path}/{id}/resend"), json!({})).await;
    assert_eq!(sent.code, 200, "{sent:?}");
    assert_eq!(accept(&code).await, 400, "the old link is void");
    let code = sent.body["link"].as_str().unwrap().split_once('#').unwrap().1.to_owned();
    assert_eq!(delete(&world, &ann, &format!("{path}/{id}")).await.code, 200);
    assert_eq!(accept(&code).await, 400, "withdrawn");
    let late = invited(&world, &ann, &team, json!({"role": "viewer", "days": 1})).await;
    world.sql("UPDATE invitations SET expires_at = now() - interval '1 second'").await;
    assert_eq!(accept(&late).await, 400, "late");
    for wrong in ["", "dpi_", "dpi_AAAA", "dpk_x", "\u{0}"] {
        assert_eq!(accept(wrong).await, 400, "{wrong:?}");
    }
    let states: Vec<Value> = world.get(&ann, &path).await.body.as_array().unwrap().clone();
    let states: Vec<&str> = states.iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["expired", "revoked"]);
}

#[tokio::test]
async fn a_removed_member_is_out_on_every_server_within_five_seconds() {
    let world = World::new().await;
    let other = world.replica(Duration::ZERO).await;
    let (ann, bob) = (world.person("ann").await.access, world.person("bob").await.access);
    let team = team(&world, &ann).await;
    bring(&world, &ann, &team, &bob, "editor").await;
    eventually("bob is in on the other server", async || {
        (listed(&other, &bob, &team).await == 200).then_some(())
    })
    .await;
    let watch = |replica: &Replica| {
        let path = format!("{}?watch=true", environments(replica, &team));
        reqwest::Client::new().get(path).bearer_auth(&bob).send()
    };
    let streams = [watch(&world).await.unwrap(), watch(&other).await.unwrap()];
    assert!(streams.iter().all(|stream| stream.status().as_u16() == 200));
    // Warm on both: what is known of bob is as old as it may be.
    assert_eq!(listed(&other, &bob, &team).await, 200);
    let out = delete(&world, &ann, &format!("/teams/{team}/members/bob")).await;
    assert_eq!(out.code, 200, "{out:?}");
    let at = Instant::now();
    assert_eq!(listed(&world, &bob, &team).await, 404, "here at once");
    for response in streams {
        let mut text = Vec::new();
        let mut stream = response.bytes_stream();
        let read = async {
            while let Some(chunk) = stream.next().await {
                text.extend_from_slice(&chunk.unwrap());
            }
        };
        timeout(PATIENCE, read).await.expect("the watch ends");
        let text = String::from_utf8(text).unwrap();
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(
            (&last["type"], &last["object"]["code"]),
            (&json!("ERROR"), &json!(410)),
            "{last}"
        );
    }
    eventually("bob is out on the other server", async || {
        (listed(&other, &bob, &team).await == 404).then_some(())
    })
    .await;
    assert!(at.elapsed() < PROMISE, "it took {:?}", at.elapsed());
}

/// How many namespaces of teams there are, as the store has them.
async fn namespaces(world: &World) -> usize {
    let all = world.store.list(Kind::Namespace, None).await.unwrap().items;
    all.iter().filter(|found| found.metadata.name.starts_with("t-")).count()
}

#[tokio::test]
async fn nobody_owns_more_than_twenty_teams_and_no_half_of_one_is_left() {
    let world = World::new().await;
    let ann = world.person("ann").await.access;
    let owned = usize::try_from(TEAMS_OWNED).unwrap();
    for _ in 1..owned {
        team(&world, &ann).await;
    }
    let form = || json!({"name": "Platform"});
    let make = || world.post_as(&ann, "/teams", form());
    let (a, b, c, d) = tokio::join!(make(), make(), make(), make());
    let mut codes = [a.code, b.code, c.code, d.code];
    codes.sort_unstable();
    assert_eq!(codes, [201, 409, 409, 409], "one place was left");
    let full = make().await;
    let said = "You own 20 teams, which is as many as one may own";
    assert_eq!((full.code, full.detail()), (409, said));
    assert_eq!(namespaces(&world).await, owned);
    // Where one is given up there is room again; somebody else has their own twenty.
    let first = world.get(&ann, "/teams").await.body[0]["namespace"].clone();
    assert_eq!(
        delete(&world, &ann, &format!("/teams/{}", first.as_str().unwrap())).await.code,
        200
    );
    assert_eq!(make().await.code, 201);
    let bob = world.person("bob").await.access;
    team(&world, &bob).await;
}

#[tokio::test]
async fn who_is_suspended_makes_no_team_also_where_that_is_not_known_yet() {
    let world = World::new().await;
    let other = world.replica(Duration::ZERO).await;
    let ann = world.person("ann").await.access;
    assert_eq!(listed(&other, &ann, "nothing").await, 404, "known there from now on");
    let suspend = json!({"suspended": true});
    let done = world.post_as(ADMIN_TOKEN, "/admin/accounts/ann/suspend", suspend).await;
    assert_eq!(done.code, 200, "{done:?}");
    for replica in [&other, &world.first] {
        let made = replica.post_as(&ann, "/teams", json!({"name": "Platform"})).await;
        assert_eq!(made.code, 401, "{made:?}");
    }
    assert_eq!(namespaces(&world).await, 0, "nothing half made is left");
    let (teams,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM teams").fetch_one(&world.pool).await.unwrap();
    assert_eq!(teams, 0);
}
