//! The pipelines in `examples/ci/`, run as their services run them: each step is a script for bash
//! with the environment that the file gives it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::world::{Ended, TOKEN, World};

const WEB: &str = "apiVersion: devpocket.dev/v1alpha1\nkind: Environment\nmetadata:\n  name: web\n\
                   spec:\n  size: vps-10-nvme\n  region: EU\n";
/// GitHub's program, as far as the pipeline uses it: one comment of the bot, in a file.
const GH: &str = r#"#!/bin/bash
echo "gh $*" >>calls
[[ $* == *"--jq"* && $* != *'github-actions[bot]'* ]] && exit 9   # anybody's comment would do
for word; do [[ $word == body=@* ]] && { cp "${word#body=@}" the-comment; exit; }; done
[ -e the-comment ] || exit 0
case "$*" in *'| .id') echo 7 ;; *'| .body') cat the-comment ;; esac
"#;
/// `curl`, as far as it is used: it keeps what is sent as a note.
const CURL: &str = r#"#!/bin/bash
for word; do [[ $word == 'body=<'* ]] && cp "${word#body=<}" the-note; done
echo "curl $*" >>calls
"#;

fn pipeline(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci").join(name);
    serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The script of a step of a job.
fn step<'a>(pipeline: &'a Value, job: &str, name: &str) -> &'a str {
    let steps = pipeline["jobs"][job]["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["name"] == name);
    step.and_then(|step| step["run"].as_str()).unwrap_or_else(|| panic!("{job} {name}"))
}

/// A folder with the programs the scripts call.
fn programs(world: &World) {
    for (name, text) in [("gh", GH), ("curl", CURL)] {
        world.file(&format!("bin/{name}"), text);
        let path = world.home.path().join("bin").join(name);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path, mode).unwrap();
    }
    std::fs::create_dir_all(world.home.path().join("envs")).unwrap();
    // The pipeline has its server from its variables.
    std::fs::remove_file(world.config()).unwrap();
}

async fn script(world: &World, script: &str, more: &[(&str, &str)]) -> Ended {
    let program = Path::new(env!("CARGO_BIN_EXE_devpocket")).parent().unwrap();
    let bin = world.home.path().join("bin");
    let path = format!("{}:{}:/usr/bin:/bin", bin.display(), program.display());
    let server = format!("http://{}", world.address);
    let mut variables: BTreeMap<&str, &str> = [
        ("PATH", path.as_str()),
        ("LANG", "C.UTF-8"),
        ("DEVPOCKET_SERVER", &server),
        ("DEVPOCKET_TOKEN", TOKEN),
        ("REPOSITORY", "team/envs"),
        ("NUMBER", "12"),
        ("GITHUB_OUTPUT", "output"),
    ]
    .into();
    variables.extend(more.iter().copied());
    let home = world.home.path().to_str().unwrap();
    variables.insert("HOME", home);
    let mut command = tokio::process::Command::new("bash");
    command.args(["-e", "-o", "pipefail", "-c", script]).env_clear().envs(variables);
    command.current_dir(world.home.path()).stdin(std::process::Stdio::null()).kill_on_drop(true);
    Ended::of(command.output().await.unwrap())
}

/// Plans as on a pull request, and returns the comment.
async fn planned(world: &World, pipeline: &Value) -> (String, i32) {
    script(world, step(pipeline, "plan", "plan"), &[]).await.done();
    script(world, step(pipeline, "plan", "comment"), &[]).await.done();
    let output = std::fs::read_to_string(world.home.path().join("output")).unwrap();
    let code = output.lines().last().unwrap().strip_prefix("code=").unwrap().to_owned();
    let result = script(world, step(pipeline, "plan", "result"), &[("CODE", &code)]).await;
    let comment = std::fs::read_to_string(world.home.path().join("the-comment")).unwrap();
    (comment, result.code)
}

/// Applies as on merge, without waiting for machines that nobody drives here.
async fn merged(world: &World, pipeline: &Value) -> Ended {
    let apply = step(pipeline, "apply", "apply").replace(" --wait --timeout 1h", "");
    script(world, &apply, &[]).await
}

#[tokio::test]
async fn what_was_planned_under_the_pull_request_is_applied_on_merge() {
    let world = World::new().await;
    let github = pipeline("github-actions.yml");
    programs(&world);
    world.file("envs/web.yaml", WEB);
    let (comment, code) = planned(&world, &github).await;
    assert_eq!(code, 0, "{comment}");
    assert!(comment.starts_with("<!-- devpocket-plan "), "{comment}");
    assert!(world.environment("web").await.is_none(), "a pull request changes nothing");
    // A second push changes the same comment.
    planned(&world, &github).await;
    let calls = std::fs::read_to_string(world.home.path().join("calls")).unwrap();
    assert_eq!(calls.matches("-X POST repos/team/envs/issues/12/comments ").count(), 1, "{calls}");
    assert_eq!(calls.matches("-X PATCH repos/team/envs/issues/comments/7 ").count(), 1, "{calls}");
    let ended = merged(&world, &github).await.done();
    assert!(ended.out.contains("✓ env/web  declared"), "{}", ended.out);
    // A file that went with a later pull request.
    std::fs::remove_file(world.home.path().join("envs/web.yaml")).unwrap();
    world.file("envs/db.yaml", &WEB.replace("web", "db"));
    let (comment, _) = planned(&world, &github).await;
    assert!(comment.contains("| `-` | `env/web` |"), "{comment}");
    merged(&world, &github).await.done();
    let gone = world.environment("web").await;
    assert!(gone.is_none_or(|environment| environment.metadata.is_deleting()));
}

#[tokio::test]
async fn a_merge_that_fits_its_plan_no_more_does_nothing() {
    let world = World::new().await;
    let github = pipeline("github-actions.yml");
    programs(&world);
    world.file("envs/web.yaml", WEB);
    planned(&world, &github).await;
    world.file("envs/web.yaml", &WEB.replace("vps-10", "vps-20"));
    let ended = merged(&world, &github).await;
    assert_eq!(ended.code, 4, "{}", ended.err);
    assert!(ended.err.starts_with("error[plan-stale]: "), "{}", ended.err);
    assert!(world.environment("web").await.is_none());
    std::fs::remove_file(world.home.path().join("the-comment")).unwrap();
    let ended = merged(&world, &github).await;
    assert_eq!((ended.code, ended.out.as_str()), (1, ""), "without a plan nothing is applied");
}

#[tokio::test]
async fn a_faulty_file_fails_the_pull_request() {
    let world = World::new().await;
    let github = pipeline("github-actions.yml");
    programs(&world);
    world.file("envs/web.yaml", &WEB.replace("vps-10-nvme", "nonsense"));
    let (comment, code) = planned(&world, &github).await;
    assert_eq!(code, 2, "{comment}");
    assert!(comment.starts_with("There is no plan: "), "{comment}");
    let ended = merged(&world, &github).await;
    assert_eq!(ended.code, 1);
}

#[tokio::test]
async fn gitlab_plans_with_a_note_and_applies_that_plan() {
    let world = World::new().await;
    let gitlab = pipeline("gitlab-ci.yml");
    programs(&world);
    world.file("envs/web.yaml", WEB);
    let plan = gitlab["plan"]["script"][0].as_str().unwrap();
    let variables = [
        ("NOTES_TOKEN", "secret-of-notes"),
        ("CI_MERGE_REQUEST_IID", "3"),
        ("CI_PROJECT_ID", "9"),
        ("CI_API_V4_URL", "https://gitlab.example.com/api/v4"),
    ];
    script(&world, plan, &variables).await.done();
    let note = std::fs::read_to_string(world.home.path().join("the-note")).unwrap();
    assert!(note.contains("buy 1 × vps-10-nvme"), "{note}");
    let variable = std::fs::read_to_string(world.home.path().join("plan.env")).unwrap();
    let hash = variable.trim().strip_prefix("PLAN=").unwrap().to_owned();
    let apply = gitlab["apply"]["script"][0].as_str().unwrap();
    let apply = apply.replace(" --wait --timeout 1h", "");
    script(&world, &apply, &[("PLAN", "123456")])
        .await
        .refused(4, "error[plan-stale]: plan 123456 no longer fits the world");
    script(&world, &apply, &[("PLAN", &hash)]).await.done();
    assert!(world.environment("web").await.is_some());
}

/// All scripts of a pipeline.
fn scripts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, inner) in members {
                match inner.as_str() {
                    Some(text) if name == "run" => found.push(text.to_owned()),
                    _ => scripts(inner, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| scripts(item, found)),
        Value::String(text) if text.contains('\n') => found.push(text.clone()),
        _ => {}
    }
}

#[test]
fn scripts_take_what_others_name_from_variables_and_call_what_there_is() {
    let mut commands = 0;
    for name in ["github-actions.yml", "gitlab-ci.yml"] {
        let mut found = Vec::new();
        scripts(&pipeline(name), &mut found);
        assert!(found.len() >= 2, "{name}");
        for script in found {
            // `${{ }}` would paste a branch's name into the script.
            assert!(!script.contains("${{"), "{name}: {script}");
            for line in script.lines().filter(|line| line.trim().starts_with("devpocket ")) {
                let call = line.trim().split(['>', '|']).next().unwrap();
                let words: Vec<std::ffi::OsString> =
                    call.split_whitespace().map(|word| word.trim_matches('"').into()).collect();
                let read = devpocket::cli::args::Cli::read(&words);
                assert!(read.is_ok(), "{name}: {call}: {}", read.unwrap_err());
                commands += 1;
            }
        }
    }
    assert_eq!(commands, 4);
}
