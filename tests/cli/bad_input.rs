//! Everything that can be wrong with what somebody typed or wrote: each has a message a person
//! can act on, and none loses or half-does anything.

use serde_json::Value;

use crate::world::{TOKEN, World};

fn environment(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: devpocket.dev/v1alpha1\nkind: Environment\nmetadata:\n  name: {name}\nspec:\n{spec}"
    )
}

const GOOD: &str = "  size: vps-10-nvme\n  region: EU\n";

#[tokio::test]
async fn a_password_in_an_address_is_not_said_back() {
    let world = World::new().await;
    for server in ["http://ann:secret-word@127.0.0.1:1", "ftp://ann:secret-word@x"] {
        let ended = world.run(&["status", "--server", server]).await;
        let first = "error[usage]: an address has no user and no password in it";
        assert!(!ended.err.contains("secret-word"), "{}", ended.err);
        ended.refused(2, first);
    }
}

#[tokio::test]
async fn malformed_yaml_is_shown_where_it_breaks() {
    let world = World::new().await;
    world.file("envs/a.yaml", &environment("a", GOOD));
    world.file("envs/b.yaml", "apiVersion: devpocket.dev/v1alpha1\nspec:\n\tsize: x\n");
    let ended = world.run(&["apply", "-f", "envs", "--yes"]).await;
    ended
        .refused(2, "error[bad-yaml]: this line is indented with a tab; YAML indents with spaces")
        .says(&["  at       envs/b.yaml:3:1"])
        .says(&["1 error in 1 of 2 files; nothing was sent."]);
    assert!(world.environment("a").await.is_none(), "one bad document and nothing is written");
}

#[tokio::test]
async fn an_unknown_field_names_the_nearest_under_its_line() {
    let world = World::new().await;
    world.file("api.yaml", &environment("api", "  size: vps-10-nvme\n  templete: python\n"));
    let ended = world.run(&["apply", "-f", "api.yaml", "--yes"]).await;
    ended.refused(2, "error[unknown-field]: \"templete\" is not a field of spec").says(&[
        "  at       api.yaml:7:3  env/api",
        "       7 |   templete: python",
        "         |   ^^^^^^^^ did you mean \"template\"?",
        "1 error; nothing was sent.   devpocket explain environment.spec",
    ]);
}

#[tokio::test]
async fn all_faults_of_all_files_come_at_once_sorted_by_place() {
    let world = World::new().await;
    world.file("envs/b.yaml", &environment("b", "  size: 12\n  power: on\n"));
    world.file("envs/a.yaml", &environment("a", "  size: vps-10-nvme\n  region: Mars\n"));
    world.file("envs/c.yaml", &environment("c", GOOD));
    let ended = world.run(&["plan", "-f", "envs"]).await;
    assert_eq!(ended.code, 2, "{}", ended.err);
    let at: Vec<&str> = ended.err.lines().filter(|line| line.starts_with("  at  ")).collect();
    assert_eq!(at.len(), 3, "{}", ended.err);
    assert!(at[0].contains("envs/a.yaml:7:11"), "{at:?}");
    assert!(at[1].contains("envs/b.yaml:6:9"), "{at:?}");
    assert!(at[2].contains("envs/b.yaml:7:10"), "{at:?}");
    assert!(ended.err.contains("spec.power is \"on\"; it is Running or Stopped"), "{}", ended.err);
    assert!(
        ended.err.contains("3 errors in 2 of 3 files; none of the 3 was sent."),
        "{}",
        ended.err
    );
}

#[tokio::test]
async fn an_unknown_size_names_a_real_one_with_its_price() {
    let world = World::new().await;
    world.file("api.yaml", &environment("api", "  size: VPS-S-1vcpu-2gb\n  region: EU\n"));
    let ended = world.run(&["apply", "-f", "api.yaml", "--yes"]).await;
    ended.refused(2, "error[unknown-size]: \"VPS-S-1vcpu-2gb\" is not a size Contabo sells").says(
        &[
            "  at       api.yaml:6:9  spec.size of env/api",
            "  because  it is a name from another catalogue. The smallest here is vps-10-nvme: 4",
            "           vCPU, 8 GB, 75 GB NVMe, 5.50 EUR a month in EU",
            "  try      size: vps-10-nvme    all sizes and prices: devpocket sizes",
        ],
    );
}

#[tokio::test]
async fn an_unknown_region_and_an_unknown_template_are_named() {
    let world = World::new().await;
    world.file("a.yaml", &environment("a", "  size: vps-10-nvme\n  region: Mars\n"));
    let ended = world.run(&["apply", "-f", "a.yaml", "--yes"]).await;
    assert_eq!(ended.code, 2);
    assert!(ended.err.starts_with("error[unknown-region]: "), "{}", ended.err);
    world.file("b.yaml", &environment("b", &format!("{GOOD}  template: nothing\n")));
    let ended = world.run(&["apply", "-f", "b.yaml", "--yes"]).await;
    assert_eq!(ended.code, 2);
    assert!(ended.err.starts_with("error[unknown-template]: "), "{}", ended.err);
    assert!(ended.err.contains("b.yaml:8:13"), "{}", ended.err);
}

#[tokio::test]
async fn an_immutable_change_names_the_field_and_changes_nothing() {
    let world = World::new().await;
    world.declare("api").await;
    world.file("api.yaml", &environment("api", "  size: vps-20-nvme\n  region: EU\n"));
    let ended = world.run(&["apply", "-f", "api.yaml", "--yes"]).await;
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(ended.err.contains("spec.size"), "{}", ended.err);
    assert!(ended.err.contains("api.yaml:6:9"), "{}", ended.err);
    assert_eq!(world.environment("api").await.unwrap().spec.size, "vps-10-nvme");
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused() {
    let world = World::new().await;
    world.declare("api").await;
    let again = ["create", "api", "--size", "vps-20-nvme", "--yes"];
    let ended = world.run(&again).await;
    ended
        .refused(4, "error[already-exists]: env/api is there already, in main")
        .says(&["  so far   nothing was changed, nothing was bought"]);
    let named = ["create", "other", "--size", "vps-10-nvme", "--display-name", "api", "--yes"];
    let ended = world.run(&named).await;
    assert!(ended.err.starts_with("error[name-taken]: "), "{}", ended.err);
}

#[tokio::test]
async fn a_stale_resource_version_is_a_conflict() {
    let world = World::new().await;
    world.declare("api").await;
    let text = environment("api", GOOD).replace("name: api", "name: api\n  resourceVersion: \"1\"");
    world.file("api.yaml", &format!("{text}  power: Stopped\n"));
    let ended = world.run(&["apply", "-f", "api.yaml", "--yes"]).await;
    assert_eq!(ended.code, 4, "{}", ended.err);
    let first = ended.err.lines().next().unwrap();
    assert_eq!(first, "error[conflict]: env/api was changed by somebody else meanwhile");
}

#[tokio::test]
async fn an_oversized_document_is_refused_by_name() {
    let world = World::new().await;
    let long = format!("{GOOD}  displayName: {}\n", "x".repeat(2 * 1024 * 1024));
    world.file("api.yaml", &environment("api", &long));
    let ended = world.run(&["apply", "-f", "api.yaml", "--yes"]).await;
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(ended.err.starts_with("error[too-large]: "), "{}", ended.err);
    assert!(ended.err.contains("env/api"), "{}", ended.err);
    assert!(ended.err.len() < 2_000, "the value itself is not repeated");
}

#[tokio::test]
async fn what_is_no_text_is_named_with_its_first_byte_that_is_none() {
    let world = World::new().await;
    std::fs::write(world.home.path().join("a.yaml"), b"apiVersion: v1\nkind: \xff\xfe\x00")
        .unwrap();
    let ended = world.run(&["apply", "-f", "a.yaml", "--yes"]).await;
    ended
        .refused(2, "error[bad-yaml]: a.yaml is not text in UTF-8")
        .says(&["  at       a.yaml:2:7", "  so far   nothing was sent"]);
}

#[tokio::test]
async fn what_holds_nothing_or_is_not_there_is_named() {
    let world = World::new().await;
    for (name, text) in [("empty.yaml", ""), ("remark.yaml", "# nothing\n---\n")] {
        world.file(name, text);
        let ended = world.run(&["apply", "-f", name, "--yes"]).await;
        ended
            .refused(2, "error[no-document]: there is no document in what was read")
            .says(&[&format!("  at       -f {name}")]);
    }
    let ended = world.run(&["plan", "-f", "missing"]).await;
    ended.refused(2, "error[no-file]: there is no file or folder missing");
    std::fs::create_dir(world.home.path().join("folder")).unwrap();
    let ended = world.run(&["plan", "-f", "folder"]).await;
    ended.refused(2, "error[no-file]: folder holds no file that ends in .yaml, .yml or .json");
    let address = "https://example.com/web.yaml";
    let ended = world.run(&["plan", "-f", address]).await;
    let sentence = "is an address; files are read from this computer only";
    ended.refused(2, &format!("error[no-file]: {address} {sentence}"));
}

#[tokio::test]
async fn aliases_that_unfold_without_end_are_refused() {
    let world = World::new().await;
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    world.file("bomb.yaml", &bomb);
    let ended = world.run(&["plan", "-f", "bomb.yaml"]).await;
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("larger than 50000 values"), "{}", ended.err);
}

#[tokio::test]
async fn numbers_without_measure_are_values_of_no_field() {
    let world = World::new().await;
    let huge = "  size: 99999999999999999999999999\n  region: EU\n  contractMonths: 1e400\n";
    world.file("api.yaml", &environment("api", huge));
    let ended = world.run(&["apply", "-f", "api.yaml", "--yes"]).await;
    assert_eq!(ended.code, 2);
    for place in ["api.yaml:6:9", "api.yaml:8:19"] {
        assert!(ended.err.contains(place), "{}", ended.err);
    }
}

#[tokio::test]
async fn an_edit_of_several_changes_none_when_one_is_refused() {
    let world = World::new().await;
    world.declare("web").await;
    let ended = world.run(&["stop", "web", "nothing"]).await;
    ended
        .refused(1, "error[not-found]: there is no env/nothing in main")
        .says(&["  so far   nothing was changed"]);
    let power = world.environment("web").await.unwrap().spec.power;
    assert_eq!(power, devpocket_specs::environment::Power::Running);
}

#[tokio::test]
async fn a_wrong_address_is_a_wrong_call() {
    let world = World::new().await;
    let ended = world.run(&["get", "env", "--server", "dev.example.com"]).await;
    let sentence = "is not an address; one is https://dev.example.com";
    ended.refused(2, &format!("error[usage]: \"dev.example.com\" {sentence}"));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_told_apart_from_a_refusal() {
    let world = World::new().await;
    let ended = world.run(&["get", "env", "--server", "http://127.0.0.1:1"]).await;
    ended.refused(6, "error[server-unreachable]: no answer from http://127.0.0.1:1").says(&[
        "  at       --server, DEVPOCKET_SERVER",
        "  because  connection refused",
        "  so far   nothing was sent. What was declared before stays in force",
    ]);
}

#[tokio::test]
async fn faults_in_files_are_found_without_a_server() {
    let world = World::new().await;
    world.file("api.yaml", &environment("api", "  size: vps-10-nvme\n  templete: python\n"));
    let call = ["apply", "-f", "api.yaml", "--server", "http://127.0.0.1:1"];
    world.run(&call).await.refused(2, "error[unknown-field]: \"templete\" is not a field of spec");
}

#[tokio::test]
async fn a_wrong_token_is_signed_out_and_never_shown() {
    let world = World::new().await;
    let wrong = "wrong-token-0123456789";
    let ended = world.run(&["get", "env", "--token", wrong]).await;
    assert_eq!(ended.code, 6);
    assert!(ended.err.starts_with("error[signed-out]: "), "{}", ended.err);
    assert!(!ended.err.contains(wrong) && !ended.err.contains(TOKEN));
}

#[tokio::test]
async fn with_json_the_error_is_one_line_on_stderr() {
    let world = World::new().await;
    let ended = world.run(&["get", "env", "nothing", "-o", "json"]).await;
    assert_eq!((ended.code, ended.out.as_str(), ended.err.lines().count()), (1, "", 1));
    let error: Value = serde_json::from_str(&ended.err).unwrap();
    assert_eq!(error["error"]["code"], "not-found");
    assert_eq!(error["error"]["retry"], "after_change");
    let ended = world.run(&["get", "env", "--colour", "-o", "json"]).await;
    assert_eq!(ended.code, 2);
    let error: Value = serde_json::from_str(&ended.err).unwrap();
    assert_eq!(error["error"]["code"], "usage");
}

#[tokio::test]
async fn a_wrong_call_says_what_would_be_right() {
    let world = World::new().await;
    let ended = world.run(&["gte", "env"]).await;
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("did you mean \"get\"?"), "{}", ended.err);
    let ended = world.run(&["get", "enviroment"]).await;
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("did you mean \"environment\"?"), "{}", ended.err);
    let ended = world.run(&["apply", "-f", "missing.yaml"]).await;
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("missing.yaml"), "{}", ended.err);
}
