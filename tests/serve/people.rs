//! People at the command line: an administrator makes an account, its owner signs in, and goes on
//! after the token has run out.

use std::fs;

use crate::process::{Ended, Variables, call, eventually};
use crate::world::{Serve, TOKEN, World};

const PASSWORD: &str = "Correct1";

struct Person<'a> {
    world: &'a World,
    variables: Variables,
}

impl Person<'_> {
    fn config(&self) -> &str {
        &self.variables["DEVPOCKET_CONFIG"]
    }

    async fn types(&self, arguments: &[&str]) -> Ended {
        call(self.world.path(), &self.variables, arguments).await
    }

    async fn done(&self, arguments: &[&str]) -> String {
        let ended = self.types(arguments).await;
        assert_eq!(ended.code, 0, "{arguments:?}\n{}{}", ended.out, ended.err);
        ended.out
    }
}

fn person<'a>(world: &'a World, name: &str) -> Person<'a> {
    let config = world.path().join(format!("{name}.yaml")).display().to_string();
    Person { world, variables: [("DEVPOCKET_CONFIG".to_owned(), config)].into() }
}

async fn served() -> (World, crate::support::postgres::TestDatabase, Serve) {
    let (world, database) = World::empty().await;
    let serve = world.serve().await;
    fs::write(world.path().join("password"), format!("{PASSWORD}\n")).unwrap();
    fs::write(world.path().join("admin-token"), TOKEN).unwrap();
    (world, database, serve)
}

#[tokio::test]
async fn an_account_is_made_and_used_from_the_command_line() {
    let (world, _database, serve) = served().await;
    let (admin, ann) = (person(&world, "admin"), person(&world, "ann"));
    admin.done(&["login", &serve.url, "--token-file", "admin-token"]).await;
    let create = ["admin", "create", "ann", "ann@example.com", "--password-file", "password"];
    assert!(admin.done(&create).await.contains("nothing may be spent until a tier is set"));
    assert!(admin.done(&["admin", "list"]).await.contains("ann@example.com"));
    let again = admin.types(&create).await;
    assert_eq!(
        (again.code, again.err.contains("Username already taken")),
        (2, true),
        "{}",
        again.err
    );
    let unknown = admin.types(&["admin", "set-tier", "ann", "gold"]).await;
    assert_eq!((unknown.code, unknown.err.contains("gold")), (2, true), "{}", unknown.err);

    let sign_in = ["login", &serve.url, "--username", "ann", "--password-file", "password"];
    assert!(ann.done(&sign_in).await.contains("as ann"));
    let kept = fs::read_to_string(ann.config()).unwrap();
    assert!(kept.contains("refreshToken") && kept.contains("namespace: u-"), "{kept}");
    let token =
        ann.done(&["token", "create", "ci", "--verbs", "get,list", "--expires", "90d"]).await;
    assert!(token.trim().starts_with("dpk_"), "{token}");
    let list = ann.done(&["token", "list"]).await;
    assert!(list.contains("ci") && list.contains("get,list"), "{list}");
    assert!(!list.contains(token.trim()), "shown once");
    ann.done(&["token", "revoke", "ci"]).await;
    let gone = ann.types(&["token", "revoke", "ci"]).await;
    assert_eq!(gone.code, 1, "{}", gone.err);
    let refused = ann.types(&["admin", "list"]).await;
    assert_eq!((refused.code, refused.err.contains("not an administrator")), (4, true));

    admin.done(&["admin", "suspend", "ann"]).await;
    let out = ann.types(&["token", "list"]).await;
    assert_eq!((out.code, out.err.contains("signed-out")), (6, true), "{}", out.err);
    admin.done(&["admin", "suspend", "ann", "--lift"]).await;
    let link = admin.done(&["admin", "reset-link", "ann@example.com"]).await;
    assert!(link.contains("/reset#dpc_"), "{link}");
    assert!(!serve.process.log().join("\n").contains(PASSWORD));
}

#[tokio::test]
async fn a_token_that_has_run_out_is_renewed_by_itself_and_by_many_at_once() {
    let (world, _database, serve) = served().await;
    let (admin, ann) = (person(&world, "admin"), person(&world, "ann"));
    admin.done(&["login", &serve.url, "--token-file", "admin-token"]).await;
    admin.done(&["admin", "create", "ann", "ann@example.com", "--password-file", "password"]).await;
    ann.done(&["login", &serve.url, "--username", "ann", "--password-file", "password"]).await;
    for _ in 0..2 {
        // As good as run out: the server does not take it.
        let kept = fs::read_to_string(ann.config()).unwrap();
        let token = kept.lines().find(|line| line.trim().starts_with("token:")).unwrap();
        let spoiled = kept.replace(token.trim(), "token: eyJ.run.out");
        assert_ne!(kept, spoiled);
        fs::write(ann.config(), &spoiled).unwrap();
        let calls = (0..4).map(|_| ann.types(&["token", "list"]));
        for ended in futures::future::join_all(calls).await {
            assert_eq!(ended.code, 0, "{}", ended.err);
        }
        let renewed = fs::read_to_string(ann.config()).unwrap();
        assert!(!renewed.contains("eyJ.run.out"), "{renewed}");
    }
    let wrong = ["login", &serve.url, "--username", "ann", "--password-file", "admin-token"];
    let wrong = ann.types(&wrong).await;
    assert_eq!(wrong.code, 6, "{}", wrong.err);
    assert!(wrong.err.contains("Incorrect username/email or password"), "{}", wrong.err);
    ann.done(&["token", "list"]).await;
    let nobody = ann.types(&["login", &serve.url]).await;
    assert_eq!((nobody.code, nobody.err.contains("--device")), (2, true), "{}", nobody.err);
}

/// What stdout of a call says, in one line.
fn said(ended: &Ended) -> String {
    ended.out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_team_is_made_and_ended_from_the_command_line_and_rehearsed_before() {
    let (world, _database, serve) = served().await;
    let admin = person(&world, "admin");
    admin.done(&["login", &serve.url, "--token-file", "admin-token"]).await;
    for name in ["ann", "bob"] {
        let email = format!("{name}@example.com");
        admin.done(&["admin", "create", name, &email, "--password-file", "password"]).await;
        let sign_in = ["login", &serve.url, "--username", name, "--password-file", "password"];
        person(&world, name).done(&sign_in).await;
    }
    let (ann, bob) = (person(&world, "ann"), person(&world, "bob"));
    let yours = said(&ann.types(&["status"]).await);
    assert!(
        yours.contains("ann, no tier: nothing may be spent until an admin gives one"),
        "{yours}"
    );
    assert!(yours.contains("simulated") && yours.contains("0 environments"), "{yours}");

    let dry = ann.types(&["team", "create", "platform", "--dry-run"]).await;
    assert_eq!(said(&dry), "would make team platform, with you as its owner", "{}", dry.err);
    assert!(dry.err.contains("Nothing was changed"), "{}", dry.err);
    assert!(ann.types(&["team", "list"]).await.err.contains("You belong to no team"));
    ann.done(&["team", "create", "platform"]).await;
    let link = ann.done(&["team", "invite", "--role", "viewer", "-n", "platform"]).await;
    let dry = bob.types(&["team", "join", link.trim(), "--dry-run"]).await;
    assert_eq!(said(&dry), "would join platform as viewer, invited by ann", "{}", dry.err);
    assert!(bob.done(&["team", "join", link.trim()]).await.contains("you belong to platform"));
    let yours = said(&bob.types(&["status"]).await);
    assert!(yours.contains("platform: viewer, no tier (t-"), "{yours}");

    for (call, expected) in [
        (["role", "bob", "editor"].as_slice(), "would make bob editor of platform; now: viewer"),
        (&["remove", "bob"], "would take bob, viewer, out of platform"),
        (&["leave"], "would leave platform"),
        (&["delete"], "would end team platform; its secrets go with it, for good"),
    ] {
        let all = [&["team"], call, &["-n", "platform", "--dry-run"]].concat();
        let dry = ann.types(&all).await;
        assert_eq!((dry.code, said(&dry).as_str()), (0, expected), "{}", dry.err);
    }
    let nobody = ann.types(&["team", "remove", "eve", "-n", "platform", "--dry-run"]).await;
    assert_eq!((nobody.code, nobody.err.contains("eve")), (1, true), "{}", nobody.err);
    let members = ann.done(&["team", "members", "-n", "platform"]).await;
    assert!(members.contains("ann") && members.contains("bob"), "nobody left: {members}");

    for (call, expected) in [
        (
            ["suspend", "bob"].as_slice(),
            "would end every session and token of bob and keep them out",
        ),
        (
            &["set-tier", "bob", "none"],
            "would let bob spend nothing more; now: nothing may be spent",
        ),
        (&["reset-link", "bob"], "would make a link that sets a new password of bob"),
        (&["create", "eve", "eve@example.com"], "would make an account eve for eve@example.com"),
    ] {
        let all = [&["admin"], call, &["--dry-run"]].concat();
        let dry = admin.types(&all).await;
        assert!(dry.code == 0 && said(&dry).starts_with(expected), "{} {}", dry.out, dry.err);
    }
    let unknown = admin.types(&["admin", "set-tier", "bob", "gold", "--dry-run"]).await;
    assert_eq!((unknown.code, unknown.err.contains("gold")), (2, true), "{}", unknown.err);
    let token = ann.types(&["token", "create", "ci", "--expires", "90d", "--dry-run"]).await;
    assert_eq!(said(&token), "would make token ci for everything, for 90 d", "{}", token.err);
    assert!(ann.types(&["token", "list"]).await.err.contains("There is no token"));
}

#[tokio::test]
async fn a_default_tier_that_is_not_there_stops_the_start_and_names_those_there_are() {
    let (mut world, _database, mut serve) = served().await;
    let admin = person(&world, "admin");
    admin.done(&["login", &serve.url, "--token-file", "admin-token"]).await;
    let tier =
        "apiVersion: devpocket.dev/v1alpha1\nkind: Tier\nmetadata: {name: starter}\nspec: {}\n";
    fs::write(world.path().join("tier.yaml"), tier).unwrap();
    admin.done(&["apply", "-f", "tier.yaml", "--yes"]).await;
    serve.process.terminate().await;
    drop(admin);
    world.set("DEFAULT_TIER", "starer");
    let refused = world.call(&["serve"]).await;
    assert_eq!(refused.code, 2, "{}", refused.err);
    for part in [
        "error[unknown-tier]: DEFAULT_TIER is \"starer\"; there are starter",
        "nothing was started",
    ] {
        assert!(refused.err.contains(part), "{part} is not in {}", refused.err);
    }
    world.set("DEFAULT_TIER", "starter");
    world.serve().await;
}

#[tokio::test]
async fn a_command_line_is_let_in_by_who_is_signed_in_elsewhere_and_the_audit_says_so() {
    let (world, database, serve) = served().await;
    let admin = person(&world, "admin");
    admin.done(&["login", &serve.url, "--token-file", "admin-token"]).await;
    admin.done(&["admin", "create", "ann", "ann@example.com", "--password-file", "password"]).await;
    let phone = person(&world, "phone");
    phone.done(&["login", &serve.url, "--username", "ann", "--password-file", "password"]).await;
    let kept: devpocket::context::Contexts =
        devpocket::context::Contexts::load(std::path::Path::new(phone.config())).unwrap();
    let token = kept.contexts.values().next().unwrap().token.reveal().to_owned();
    let pool = database.pool().await;
    let answering = async {
        let code = eventually("a code is shown", async || {
            let sql = "SELECT user_code FROM device_codes WHERE answered_at IS NULL";
            let found: Option<(String,)> = sqlx::query_as(sql).fetch_optional(&pool).await.unwrap();
            found.map(|(code,)| code)
        })
        .await;
        let form = serde_json::json!({"user_code": code, "allow": true});
        let url = format!("{}/api/v1/auth/device/answer", serve.url);
        let answer = reqwest::Client::new().post(url).bearer_auth(&token).json(&form).send();
        assert_eq!(answer.await.unwrap().status().as_u16(), 200);
    };
    let laptop = person(&world, "laptop");
    let arguments = ["login", &serve.url, "--device"];
    let (ended, ()) = tokio::join!(laptop.types(&arguments), answering);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("as ann"), "{}", ended.out);
    assert!(ended.err.contains("/device"), "it says where: {}", ended.err);
    let audit = laptop.done(&["audit", "--mine"]).await;
    assert!(audit.contains("login") && !audit.contains(PASSWORD), "{audit}");
}
