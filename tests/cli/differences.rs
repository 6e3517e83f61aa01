//! `devpocket diff`, and the plan as Markdown.

use pulldown_cmark::{Event, Options, Parser, Tag};
use serde_json::Value;

use crate::world::World;

const WEB: &str = "apiVersion: devpocket.dev/v1alpha1\nkind: Environment\nmetadata:\n  name: web\n\
                   spec:\n  size: vps-10-nvme\n  region: EU\n";

#[tokio::test]
async fn only_fields_that_the_file_changes_differ() {
    let world = World::new().await;
    world.declare("web").await;
    world.file("web.yaml", WEB);
    let same = world.run(&["diff", "-f", "web.yaml", "--exit-code"]).await.done();
    assert_eq!((same.out.as_str(), same.err.as_str()), ("", "Nothing differs.\n"));
    // What the server fills in is on neither side.
    let labelled = WEB.replace("name: web\n", "name: web\n  labels: {team: a}\n");
    world.file("web.yaml", &format!("{labelled}  power: Stopped\n"));
    let ended = world.run(&["diff", "-f", "web.yaml", "--exit-code"]).await;
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert_eq!(
        ended.out,
        "~ env/web\n  + labels.team: a\n  - spec.power: Running\n  + spec.power: Stopped\n"
    );
    let plain = world.run(&["diff", "-f", "web.yaml"]).await.done();
    assert_eq!(plain.out, ended.out, "without --exit-code it is only shown");
    let colour = world.run(&["diff", "-f", "web.yaml", "--color", "always"]).await.done();
    assert!(colour.out.contains("\x1b[31m  - spec.power: Running\x1b[0m"), "{:?}", colour.out);
    let document = world.run(&["diff", "-f", "web.yaml", "-o", "json"]).await.done();
    let document: Value = serde_json::from_str(&document.out).unwrap();
    let fields = document["items"][0]["fields"].as_array().unwrap();
    let power = fields.iter().find(|field| field["path"] == "spec.power").unwrap();
    assert_eq!((&power["before"], &power["after"]), (&"Running".into(), &"Stopped".into()));
    assert!(world.environment("web").await.unwrap().metadata.labels.is_empty(), "only shown");
}

#[tokio::test]
async fn a_file_that_says_what_others_declared_already_differs_in_nothing() {
    let world = World::new().await;
    world.declare("web").await;
    world.run(&["stop", "web"]).await.done();
    world.file("web.yaml", &format!("{WEB}  power: Stopped\n"));
    let same = world.run(&["diff", "-f", "web.yaml", "--exit-code"]).await.done();
    assert_eq!((same.out.as_str(), same.err.as_str()), ("", "Nothing differs.\n"));
    let plan = ["plan", "-f", "web.yaml"];
    let ended = world.run(&plan).await;
    let said = "= env/web  is declared so by others; apply declares it too";
    assert!(!ended.out.contains("~ env/web") && ended.out.contains(said), "{}", ended.out);
    world.run(&["apply", "-f", "web.yaml", "--yes"]).await;
    let owners = world.environment("web").await.unwrap().metadata.managed_fields.entries();
    let ours = owners.iter().find(|entry| entry["manager"] == "devpocket-cli").unwrap();
    assert!(!ours["fieldsV1"]["f:spec"]["f:power"].is_null(), "{ours}");
    let ended = world.run(&plan).await;
    assert!(!ended.out.contains("by others"), "{}", ended.out);
}

#[tokio::test]
async fn what_is_new_is_shown_whole_and_a_fault_is_a_fault() {
    let world = World::new().await;
    world.file("web.yaml", WEB);
    let ended = world.run(&["diff", "-f", "web.yaml", "--exit-code"]).await;
    assert_eq!(ended.code, 3);
    let declared = "+ env/web  is new\n  + spec.region: EU\n  + spec.size: vps-10-nvme\n";
    assert_eq!(ended.out, declared, "what the server fills in is not the file's");
    world.file("web.yaml", &format!("{WEB}  sise: x\n"));
    let ended = world.run(&["diff", "-f", "web.yaml", "--exit-code"]).await;
    ended.refused(2, "error[unknown-field]: \"sise\" is not a field of spec");
}

#[tokio::test]
async fn the_value_of_a_secret_differs_without_being_shown() {
    let world = World::new().await;
    let secret = |value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: db}}\nstringData: {{password: {value}}}\n"
        )
    };
    world.file("secret.yaml", &secret("first-hidden"));
    world.run(&["apply", "-f", "secret.yaml"]).await.done();
    let same = world.run(&["diff", "-f", "secret.yaml", "--exit-code"]).await.done();
    assert_eq!(same.out, "");
    world.file("secret.yaml", &secret("second-hidden"));
    let ended = world.run(&["diff", "-f", "secret.yaml", "--exit-code"]).await;
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert_eq!(ended.out, "~ secret/db\n  - data.password: ***\n  + data.password: ***\n");
    let document = world.run(&["diff", "-f", "secret.yaml", "-o", "json"]).await.done();
    let seen = format!("{}{}", ended.out, document.out);
    // first-hidden and second-hidden, plain and in Base64
    for value in ["hidden", "Zmlyc3Q", "c2Vjb25k"] {
        assert!(!seen.contains(value), "{seen}");
    }
}

#[tokio::test]
async fn a_set_shows_what_its_files_no_longer_hold() {
    let world = World::new().await;
    world.file("envs/web.yaml", WEB);
    world.file("envs/db.yaml", &WEB.replace("web", "db"));
    world.run(&["apply", "-f", "envs", "--prune", "ci", "--yes"]).await.done();
    std::fs::remove_file(world.home.path().join("envs/db.yaml")).unwrap();
    let ended = world.run(&["diff", "-f", "envs", "--prune", "ci", "--exit-code"]).await;
    assert_eq!(ended.code, 3);
    assert_eq!(ended.out, "- env/db  is deleted: its file is gone\n= 1 unchanged\n");
}

/// The texts that are not code, and the texts that are.
fn read(markdown: &str) -> (String, Vec<String>) {
    let mut plain = String::new();
    let mut code = Vec::new();
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        match event {
            Event::Text(text) => plain.push_str(&text),
            Event::Code(text) => code.push(text.to_string()),
            Event::InlineHtml(html) if html.as_ref() != "<br>" => panic!("{html} in {markdown}"),
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                panic!("{dest_url} in {markdown}")
            }
            _ => {}
        }
    }
    (plain, code)
}

#[tokio::test]
async fn the_plan_for_a_pull_request_says_steps_money_and_the_command() {
    let world = World::bare().await;
    world.account(false).await;
    world.declare("db").await;
    world.file("envs/web.yaml", WEB);
    world.file("envs/db.yaml", &format!("{}  power: Stopped\n", WEB.replace("web", "db")));
    let call = ["plan", "-f", "envs", "-o", "markdown", "--exit-code"];
    let ended = world.run(&call).await;
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert_eq!(ended.err, "", "all of it is in the answer");
    let text = ended.out;
    let first = text.lines().next().unwrap();
    let hash = first.strip_prefix("<!-- devpocket-plan ").and_then(|l| l.strip_suffix(" -->"));
    let hash = hash.unwrap_or_else(|| panic!("{first}"));
    let (plain, code) = read(&text);
    assert!(plain.contains("REAL MONEY, Contabo") && code.contains(&"DE-54321".to_owned()));
    assert!(text.contains("| `+` | `env/web` |"), "{text}");
    assert!(text.contains("| `~` | `env/db` | `power Running → Stopped` |"), "{text}");
    assert!(
        text.contains(
            "| 1. `buy 1 × vps-10-nvme in EU, 1 month` | **money** | +5.50 EUR | 5.50 EUR |"
        ) || text.contains(
            "1. `buy 1 × vps-10-nvme in EU, 1 month` | **money** | +5.50 EUR | 5.50 EUR |"
        ),
        "{text}"
    );
    assert!(plain.contains("Due now "), "{text}");
    let command = format!("devpocket apply -f envs --plan {}", &hash[..6]);
    assert!(plain.contains(&command), "{text}");
    world.run(&["apply", "-f", "envs", "--plan", hash]).await.done();
    let ended = world.run(&["plan", "-f", "envs", "-o", "markdown", "--exit-code"]).await;
    let idle = ended.out.contains("Nothing to do");
    assert_eq!(ended.code == 0, idle, "{}", ended.out);
}

#[tokio::test]
async fn names_cannot_break_out_of_the_comment() {
    let world = World::new().await;
    world.declare("web").await;
    let hostile = "x|`@everyone [a](http://evil) <img> ```";
    world.file("web.yaml", &format!("{WEB}  displayName: '{hostile}'\n"));
    let name = "`a` ``` @b | [c](http:..d) <i>.yaml";
    world.file(name, &format!("{WEB}  displayName: '{hostile}'\n"));
    let ended = world.run(&["plan", "-f", name, "-o", "markdown"]).await.done();
    let (plain, code) = read(&ended.out);
    let outside = plain.split("Run exactly this").next().unwrap();
    assert!(!outside.contains("everyone") && !outside.contains("evil"), "{}", ended.out);
    assert!(code.iter().any(|text| text.contains("@everyone")), "{}", ended.out);
}

#[tokio::test]
async fn markdown_is_of_plans_only() {
    let world = World::new().await;
    let ended = world.run(&["get", "env", "-o", "markdown"]).await;
    ended.refused(2, "error[usage]: -o markdown is for devpocket plan only");
}
