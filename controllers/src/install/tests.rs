use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use devpocket_specs::condition::ConditionStatus;
use devpocket_specs::install::{
    Answer, Checked, CloudInit, CloudInitState, InstallError, InstallState, InstallStatus,
    Progress, ProgressState, StepError, codes,
};
use devpocket_specs::template::RUNS_KEPT;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + seconds).unwrap()
}

fn subject() -> Subject<'static> {
    Subject {
        generation: 1,
        software: "python@3",
        since: at(0),
        timeout: SignedDuration::from_mins(15),
    }
}

fn cloud_init(state: CloudInitState) -> CloudInit {
    CloudInit { state, ..CloudInit::default() }
}

fn progress(state: ProgressState, step: &str, percent: u8) -> Progress {
    let index = u32::from(step != "start");
    Progress { state, step: step.to_owned(), percent, index, ..Progress::default() }
}

fn failed(code: &str) -> Progress {
    let error = StepError {
        step: "docker".into(),
        code: code.into(),
        exit: Some(100),
        message: "docker failed with exit code 100: the disk is full".into(),
    };
    let lines = vec!["No space left on device".to_owned()];
    Progress { error: Some(error), lines, ..progress(ProgressState::Failed, "docker", 40) }
}

/// Looks one after the other, a minute apart.
fn follow(looks: &[(Option<CloudInit>, Option<Progress>)]) -> InstallStatus {
    let mut status = None;
    for (minute, (cloud_init, progress)) in (1..).zip(looks) {
        let progress = progress.as_ref().map_or(ProgressSeen::Unknown, ProgressSeen::Read);
        let look = Look { cloud_init: cloud_init.as_ref(), progress };
        status = Some(advance(status.as_ref(), &subject(), &look, at(minute * 60)));
    }
    status.unwrap()
}

use CloudInitState::{Done, Failed, Running};

#[test]
fn an_installation_is_followed_to_its_end() {
    let running = || Some(cloud_init(Running));
    let mut looks = vec![
        (None, None),
        (running(), Some(progress(ProgressState::Running, "docker", 31))),
        (running(), None),
        (running(), Some(progress(ProgressState::Done, "done", 100))),
    ];
    let status = follow(&looks);
    assert_eq!(
        (status.state, status.percent),
        (InstallState::Running, 99),
        "cloud-init still runs"
    );
    let mut warned = cloud_init(Done);
    warned.warnings = vec!["Failed at merging".into()];
    looks.push((Some(warned), Some(progress(ProgressState::Done, "done", 100))));
    let status = follow(&looks);
    assert_eq!((status.state, status.percent), (InstallState::Succeeded, 100));
    assert_eq!(status.warnings, ["Failed at merging"]);
    assert_eq!((status.started_at, status.ended_at), (Some(at(0)), Some(at(300))));
    looks.push((Some(cloud_init(Failed)), None));
    assert_eq!(follow(&looks), status, "what is installed stays installed");
}

#[test]
fn a_failed_step_is_told_with_its_last_lines_and_can_be_resumed() {
    let mut looks = vec![
        (Some(cloud_init(Running)), Some(progress(ProgressState::Running, "docker", 40))),
        (Some(cloud_init(Done)), Some(failed(codes::DISK_FULL))),
    ];
    let status = follow(&looks);
    let error = status.error.clone().unwrap();
    assert_eq!((status.state, error.code.as_str()), (InstallState::Failed, codes::DISK_FULL));
    assert_eq!((error.step.as_str(), error.lines.len()), ("docker", 1));
    looks.push(looks[1].clone());
    assert_eq!(follow(&looks).ended_at, status.ended_at, "seen again is no new end");
    assert_eq!(recovery(Some(&status), true), Recovery::Resume { step: "docker".into() });
    assert!(matches!(recovery(Some(&status), false), Recovery::Wait { .. }));

    let again = resumed(&status, at(1000));
    assert_eq!((again.state, again.percent, again.recoveries), (InstallState::Running, 40, 1));
    let done = progress(ProgressState::Done, "done", 100);
    let look = Look { cloud_init: Some(&cloud_init(Done)), progress: ProgressSeen::Read(&done) };
    let status = advance(Some(&again), &subject(), &look, at(1100));
    assert_eq!((status.state, status.error), (InstallState::Succeeded, None));
}

#[test]
fn an_installation_that_takes_too_long_fails_and_may_still_succeed() {
    let hanging = progress(ProgressState::Running, "node", 60);
    let look =
        Look { cloud_init: Some(&cloud_init(Running)), progress: ProgressSeen::Read(&hanging) };
    let before = advance(None, &subject(), &look, at(899));
    assert_eq!(before.state, InstallState::Running);
    let late = advance(Some(&before), &subject(), &look, at(900));
    let error = late.error.clone().unwrap();
    assert_eq!((error.code.as_str(), error.step.as_str()), (codes::TIMEOUT, "node"));
    assert_eq!(error.message, "not done within 15 min; it is in step node");
    let silent = advance(None, &subject(), &Look::default(), at(900)).error.unwrap();
    assert_eq!(silent.message, "nothing was heard from the machine within 15 min");
    let done = progress(ProgressState::Done, "done", 100);
    let look = Look { cloud_init: Some(&cloud_init(Done)), progress: ProgressSeen::Read(&done) };
    assert_eq!(advance(Some(&late), &subject(), &look, at(960)).state, InstallState::Succeeded);
}

#[test]
fn what_never_began_needs_a_rebuild() {
    let done = cloud_init(Done);
    let look = Look { cloud_init: Some(&done), progress: ProgressSeen::Missing };
    assert_eq!(advance(None, &subject(), &look, at(30)).state, InstallState::Running, "not yet");
    let status = advance(None, &subject(), &look, at(90));
    assert_eq!(status.error.as_ref().unwrap().code, codes::NOT_STARTED);
    assert!(matches!(recovery(Some(&status), true), Recovery::Rebuild { .. }));
    let start = progress(ProgressState::Running, "start", 0);
    let look = Look { cloud_init: Some(&done), progress: ProgressSeen::Read(&start) };
    let status = advance(None, &subject(), &look, at(90));
    assert_eq!(status.error.unwrap().code, codes::NOT_STARTED);

    let broken = CloudInit { errors: vec!["('write_files', x)".into()], ..cloud_init(Failed) };
    let look = Look { cloud_init: Some(&broken), progress: ProgressSeen::Missing };
    let status = advance(None, &subject(), &look, at(90));
    assert_eq!(status.error.as_ref().unwrap().code, codes::CLOUD_INIT);
    assert!(matches!(recovery(Some(&status), true), Recovery::Rebuild { .. }));
    assert!(matches!(recovery(None, true), Recovery::NotNeeded { .. }));
}

#[test]
fn a_reinstall_begins_anew() {
    let old = follow(&[(Some(cloud_init(Done)), Some(progress(ProgressState::Done, "done", 100)))]);
    let subject = Subject { generation: 2, since: at(5000), ..subject() };
    let status = advance(Some(&old), &subject, &Look::default(), at(5010));
    assert_eq!((status.state, status.percent), (InstallState::Waiting, 0));
    assert_eq!(status.started_at, Some(at(5000)));
}

#[test]
fn the_time_left_is_told_once_five_runs_of_the_kind_are_known() {
    let ended = |seconds: i64| InstallStatus {
        state: InstallState::Succeeded,
        started_at: Some(at(0)),
        ended_at: Some(at(seconds)),
        ..InstallStatus::default()
    };
    let of = |generation: i64, size: &str, seconds: i64| {
        run(generation, size, &ended(seconds)).expect("it succeeded")
    };
    let mut runs = Vec::new();
    for seconds in [100, 300, 200, 250] {
        remember(&mut runs, of(3, "vps-10", seconds));
    }
    remember(&mut runs, of(2, "vps-10", 900));
    remember(&mut runs, of(3, "vps-20", 900));
    assert_eq!(usual_seconds(&runs, 3, "vps-10"), None, "four are too few");
    remember(&mut runs, of(3, "vps-10", 220));
    assert_eq!(usual_seconds(&runs, 3, "vps-10"), Some(220), "the median of these");

    let resumed = InstallStatus { recoveries: 1, ..ended(5000) };
    assert_eq!(run(3, "vps-10", &resumed), None, "no usual run");
    let running = InstallStatus {
        state: InstallState::Running,
        started_at: Some(at(0)),
        usual_seconds: Some(220),
        ..InstallStatus::default()
    };
    assert_eq!(run(3, "vps-10", &running), None);
    assert_eq!(running.seconds_left(at(50)), Some(170));
    assert_eq!(running.seconds_left(at(221)), None, "longer than usual");
    assert_eq!(ended(5).seconds_left(at(1)), None);
    for _ in 0..RUNS_KEPT {
        remember(&mut runs, of(4, "vps-10", 10));
    }
    assert_eq!(runs.len(), RUNS_KEPT);
}

#[test]
fn a_guest_is_ready_when_it_is_installed_and_every_tool_answers() {
    let status =
        |state| InstallStatus { state, percent: 40, step: "node".into(), ..Default::default() };
    let reason = |install: Option<&InstallStatus>, checked: Option<&Checked>| {
        let verdict = guest_ready(install, checked);
        (verdict.status, verdict.reason)
    };
    let tools = |node: Answer| Checked {
        tools: BTreeMap::from([
            ("git".into(), Answer::Version("2.43".into())),
            ("node".into(), node),
        ]),
    };
    let good = tools(Answer::Version("22.1.0".into()));
    let bad = tools(Answer::Missing("not found".into()));
    let installed = status(InstallState::Succeeded);
    assert_eq!(reason(None, None), (ConditionStatus::Unknown, "NotObserved"));
    let running = guest_ready(Some(&status(InstallState::Running)), None);
    assert_eq!(running.message, "installing, 40 % (node)");
    let error = InstallError { message: "docker failed".into(), ..InstallError::default() };
    let broken = InstallStatus { error: Some(error), ..status(InstallState::Failed) };
    assert_eq!(guest_ready(Some(&broken), Some(&good)).message, "docker failed");
    assert_eq!(reason(Some(&installed), None), (ConditionStatus::Unknown, "NotChecked"));
    assert_eq!(reason(Some(&installed), Some(&good)), (ConditionStatus::True, "Ready"));
    let verdict = guest_ready(Some(&installed), Some(&bad));
    assert_eq!((verdict.status, verdict.reason), (ConditionStatus::False, "ToolsMissing"));
    assert!(verdict.message.ends_with("do not answer: node (not found)"), "{}", verdict.message);
}

fn looks() -> impl Strategy<Value = (Option<CloudInit>, Option<Option<Progress>>, i64)> {
    use CloudInitState::{Disabled, NotStarted};
    let states = prop::sample::select(vec![NotStarted, Running, Done, Failed, Disabled]);
    let cloud_init = prop::option::of(states.prop_map(cloud_init));
    let states = prop::sample::select(vec![
        ProgressState::Running,
        ProgressState::Failed,
        ProgressState::Done,
    ]);
    let progress = (states, "[a-c]", 0u8..=100).prop_map(|(state, step, percent)| {
        let error = (state == ProgressState::Failed).then(StepError::default);
        Progress { error, ..progress(state, &step, percent) }
    });
    (cloud_init, prop::option::of(prop::option::of(progress)), 0i64..400)
}

proptest! {
    /// Whatever a machine says in whatever order, the record keeps its promises.
    #[test]
    fn percent_never_falls_and_a_state_has_what_belongs_to_it(
        looks in prop::collection::vec(looks(), 1..20),
    ) {
        let (mut status, mut now): (Option<InstallStatus>, i64) = (None, 0);
        for (cloud_init, seen, pause) in &looks {
            now += pause;
            let progress = match seen {
                None => ProgressSeen::Unknown,
                Some(None) => ProgressSeen::Missing,
                Some(Some(progress)) => ProgressSeen::Read(progress),
            };
            let look = Look { cloud_init: cloud_init.as_ref(), progress };
            let next = advance(status.as_ref(), &subject(), &look, at(now));
            let twice = advance(Some(&next), &subject(), &look, at(now));
            prop_assert_eq!(&twice, &next, "the same look again is no news");
            if let Some(before) = &status {
                prop_assert!(next.percent >= before.percent);
                prop_assert!(before.state != InstallState::Succeeded || next == *before);
            }
            prop_assert_eq!(next.error.is_some(), next.state == InstallState::Failed);
            prop_assert_eq!(next.percent == 100, next.state == InstallState::Succeeded);
            let ended = matches!(next.state, InstallState::Failed | InstallState::Succeeded);
            prop_assert_eq!(next.ended_at.is_some(), ended);
            status = Some(next);
        }
    }
}
