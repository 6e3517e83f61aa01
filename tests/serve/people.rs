//! People at the command line: an administrator makes an account, its owner signs in, and goes on
//! after the token has run out.

use std::fs;

use crate::process::{Ended, Variables, call};
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
