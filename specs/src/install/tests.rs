use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn running() -> Value {
    json!({
        "version": 1, "plan": "3f6c", "state": "running", "step": "docker", "index": 3, "steps": 12,
        "attempt": 1, "percent": 27, "boots": 1, "startedAt": "2026-11-25T10:00:00Z",
        "updatedAt": "2026-11-25T10:02:10Z", "endedAt": null, "error": null, "warnings": [],
        "done": [{"name": "tools", "seconds": 41}], "lines": ["Setting up docker-ce ..."],
    })
}

fn read(file: &Value) -> Result<Progress, ProgressFault> {
    read_progress(file.to_string().as_bytes())
}

#[test]
fn a_progress_file_is_read_as_documented() {
    let progress = read(&running()).unwrap();
    assert_eq!((progress.step.as_str(), progress.percent, progress.index), ("docker", 27, 3));
    assert_eq!(progress.started_at, "2026-11-25T10:00:00Z".parse().ok());
    assert_eq!(progress.done, [FinishedStep { name: "tools".into(), seconds: 41 }]);
    assert_eq!(progress.error, None);
}

#[test]
fn a_failure_is_read_with_its_step_and_an_unknown_code_is_a_failed_step() {
    let mut file = running();
    file["state"] = "failed".into();
    file["error"] =
        json!({"step": "docker", "code": "disk-full", "exit": 100, "message": "no space"});
    let error = read(&file).unwrap().error.unwrap();
    assert_eq!((error.code.as_str(), error.exit), (codes::DISK_FULL, Some(100)));
    file["error"] = json!({"code": "<b>"});
    let error = read(&file).unwrap().error.unwrap();
    assert_eq!((error.step.as_str(), error.code.as_str()), ("docker", codes::STEP_FAILED));
    assert_eq!(error.message, "docker failed");
}

#[test]
fn half_a_file_is_told_apart_from_a_whole_one_at_every_byte() {
    let whole = running().to_string();
    assert!(read_progress(whole.as_bytes()).is_ok());
    for end in 1..whole.len() {
        let half = read_progress(&whole.as_bytes()[..end]);
        assert_eq!(half, Err(ProgressFault::NotJson), "{}", &whole[..end]);
    }
    assert_eq!(read_progress(b""), Err(ProgressFault::Empty));
    assert_eq!(read_progress(&[0; 4096]), Err(ProgressFault::Empty), "what a power cut can leave");
}

#[test]
fn hostile_values_are_brought_into_bounds() {
    let mut file = running();
    file["percent"] = json!(1e300);
    file["index"] = json!(-4);
    file["steps"] = json!(u64::MAX);
    file["lines"] = json!(vec!["x".repeat(2000); 25]);
    file["step"] = json!("do\u{1b}]0;owned\u{7}c\u{1b}[31mker\n\u{202e}x");
    let progress = read(&file).unwrap();
    assert_eq!((progress.percent, progress.index, progress.steps), (99, 0, u32::MAX));
    assert_eq!(progress.step, "dockerx");
    assert_eq!(progress.lines.len(), LAST_LINES);
    assert!(progress.lines.iter().all(|line| line.chars().count() == MAX_LINE + 1));
    file["state"] = "done".into();
    assert_eq!(read(&file).unwrap().percent, 100, "done is done");
    for (name, value) in [("state", json!("maybe")), ("step", json!(3)), ("version", json!("1"))] {
        let mut file = running();
        file[name] = value;
        assert_eq!(read(&file), Err(ProgressFault::NotProgress), "{name}");
    }
    file["version"] = 2.into();
    assert_eq!(read(&file), Err(ProgressFault::OtherVersion { version: 2 }));
    let large = vec![b' '; MAX_PROGRESS_BYTES + 1];
    assert!(matches!(read_progress(&large), Err(ProgressFault::TooLarge { .. })));
}

proptest! {
    #[test]
    fn any_bytes_give_bounded_printable_values(
        bytes in prop::collection::vec(any::<u8>(), 0..200), place in 0usize..300, text in any::<String>(),
    ) {
        let _ = read_progress(&bytes);
        let _ = read_cloud_init(0, &bytes);
        let _ = read_checks(&bytes);
        let mut damaged = running().to_string().into_bytes();
        let place = place % damaged.len();
        damaged.splice(place..place, bytes);
        if let Ok(progress) = read_progress(&damaged) {
            prop_assert!(progress.percent <= 100 && progress.lines.len() <= LAST_LINES);
            let texts = progress.lines.iter().chain([&progress.step, &progress.plan]);
            for text in texts {
                prop_assert!(!text.chars().any(char::is_control) && text.chars().count() <= MAX_LINE + 1);
            }
        }
        prop_assert!(!printable(&text, 10).chars().any(char::is_control));
    }
}

#[test]
fn cloud_init_of_every_version_is_understood() {
    let state = |exit: i32, answer: Value| {
        read_cloud_init(exit, answer.to_string().as_bytes()).map(|answer| answer.state)
    };
    let of = |status: &str, extended: &str| json!({"status": status, "extended_status": extended});
    assert_eq!(state(0, of("done", "done")), Ok(CloudInitState::Done));
    assert_eq!(state(2, of("done", "degraded done")), Ok(CloudInitState::Done));
    assert_eq!(state(2, of("running", "degraded running")), Ok(CloudInitState::Running));
    assert_eq!(state(1, of("error", "error - running")), Ok(CloudInitState::Running));
    assert_eq!(state(1, of("error", "error - done")), Ok(CloudInitState::Failed));
    assert_eq!(state(0, of("not started", "not started")), Ok(CloudInitState::NotStarted));
    // Version 22.4, as Debian 12 has it.
    assert_eq!(state(0, json!({"status": "not run"})), Ok(CloudInitState::NotStarted));
    assert_eq!(state(0, json!({"status": "done", "errors": []})), Ok(CloudInitState::Done));
    assert_eq!(state(1, json!({"status": "error"})), Ok(CloudInitState::Failed));
    assert_eq!(state(0, json!({"status": "disabled"})), Ok(CloudInitState::Disabled));
    assert!(state(0, json!({"status": "dreaming"})).is_err());
    assert_eq!(read_cloud_init(1, b"...\nTraceback"), Err(CloudInitFault::NotJson));
}

#[test]
fn cloud_inits_errors_and_warnings_are_kept_apart() {
    let answer = json!({
        "status": "error", "extended_status": "error - done", "errors": ["('users_groups', x)"],
        "recoverable_errors": {"WARNING": ["Failed at merging"], "DEPRECATED": ["old key"]},
    });
    let text = format!("....\n{answer}\n");
    let read = read_cloud_init(1, text.as_bytes()).unwrap();
    assert_eq!(read.errors, ["('users_groups', x)"]);
    assert_eq!(read.warnings, ["Failed at merging"]);
}

#[test]
fn a_check_tells_versions_and_what_is_missing() {
    let text = "Welcome!\n{\"version\":1,\"tools\":{\"node\":{\"ok\":true,\"version\":\"22.1.0\"},\
        \"docker\":{\"ok\":false,\"error\":\"not found\"},\"odd\":7}}\n";
    let checked = read_checks(text.as_bytes()).unwrap();
    assert_eq!(checked.installed(), BTreeMap::from([("node".to_owned(), "22.1.0".to_owned())]));
    let missing: Vec<_> = checked.missing().collect();
    assert_eq!(missing, [("docker", "not found"), ("odd", "it does not answer")]);
    assert_eq!(read_checks(b"bash: python3: not found"), Err(CheckFault::NotJson));
}
