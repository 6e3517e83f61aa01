//! The doctor on Contabo's bad days: it ends, says what it could not see, and changes nothing.

use devpocket::simulator::control::{Failure, Fault, FaultKind, OperationName, Target};
use devpocket_controllers::sim::contabo::Status;
use futures::StreamExt as _;
use jiff::SignedDuration;
use serde_json::Value;

use crate::doctor::{account, codes, machine, world};
use crate::world::World;

/// Doctors that run at the same time.
const AT_ONCE: usize = 8;

async fn usual() -> World {
    let machines = [
        machine("V91", Status::Running, "a"),
        machine("V94", Status::Stopped, "b"),
        machine("V97", Status::Running, "c"),
    ];
    let mut world = world(&account(&machines)).await;
    // A second of waiting for what never comes.
    world.set("CONTABO_TIMEOUT_SECONDS", "2");
    world
}

async fn arm(world: &World, on: Target, kind: FaultKind) {
    world.control.arm(&Fault::always(on, kind)).await.unwrap();
}

fn fail(how: &str) -> FaultKind {
    FaultKind::Fail { how: how.parse().unwrap() }
}

fn lose(how: &str) -> FaultKind {
    FaultKind::Lose { how: how.parse().unwrap() }
}

/// What of the account could not be read.
fn unread(document: &Value) -> Vec<String> {
    let parts = document["account"].as_object().into_iter().flatten();
    let failed = parts.filter(|(_, part)| part.get("error").is_some());
    failed.map(|(name, _)| name.clone()).collect()
}

#[tokio::test]
async fn a_call_too_many_is_waited_for_and_no_end_of_them_is_told() {
    let world = usual().await;
    let once = Fault::once(Target::Reads, fail("429:1"));
    world.control.arm(&once).await.unwrap();
    // The limiter stays closed for a second, and half of the time-out is for waiting.
    let mut patient = usual().await;
    patient.set("CONTABO_TIMEOUT_SECONDS", "30");
    patient.control.arm(&once).await.unwrap();
    let (code, document) = patient.doctor_document().await;
    assert_eq!((code, unread(&document)), (0, vec![]), "{document}");

    arm(&world, Target::Reads, fail("429")).await;
    let (code, document) = world.doctor_document().await;
    assert_eq!(code, 1);
    assert!(unread(&document).contains(&"list".to_owned()), "{document}");
    assert_eq!(codes(&document, "to-do"), ["contabo-silent"], "one silence is told once");
}

#[tokio::test]
async fn a_contabo_that_is_away_ends_the_look_soon() {
    let each = ["503", "reset", "hang"].map(async |how| {
        let world = usual().await;
        arm(&world, Target::Any, fail(how)).await;
        let (code, document) = world.doctor_document().await;
        assert_eq!((code, codes(&document, "to-do")), (1, vec!["contabo-silent".into()]), "{how}");
        assert_eq!(document["signIn"]["accepted"], false);
        let verdicts: Vec<&Value> = document["signIn"]["values"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| &v["verdict"])
            .collect();
        assert_eq!(verdicts, ["not-judged"; 4], "{how}: nobody said they are wrong");
        // Away after the sign-in: what was not answered is not asked for again, thing by thing.
        world.control.disarm_all().await.unwrap();
        arm(&world, Target::Reads, fail(how)).await;
        let (code, document) = world.doctor_document().await;
        assert_eq!((code, codes(&document, "to-do")), (1, vec!["contabo-silent".into()]), "{how}");
        assert_eq!(unread(&document).len(), 5, "{how}: {document}");
        let calls = world.control.calls(0).await.unwrap().counts;
        assert_eq!(calls.get(&OperationName::ListInstances), Some(&2), "{how}: {calls:?}");
        assert_eq!(calls.get(&OperationName::ListImages), None, "{how}");
    });
    futures::future::join_all(each).await;
}

#[tokio::test]
async fn slow_answers_are_answers() {
    let world = usual().await;
    arm(&world, Target::Reads, FaultKind::Slow { over: SignedDuration::from_millis(200) }).await;
    let (code, document) = world.doctor_document().await;
    assert_eq!((code, unread(&document)), (0, vec![]), "{document}");
}

#[tokio::test]
async fn a_list_that_does_not_add_up_is_not_believed() {
    for kind in [FaultKind::ShortPage { drop: 1 }, FaultKind::MissingPage { page: 1 }] {
        let world = usual().await;
        arm(&world, Target::One(OperationName::ListInstances), kind.clone()).await;
        let (code, document) = world.doctor_document().await;
        let todo = codes(&document, "to-do");
        assert_eq!((code, todo), (1, vec!["inventory-untrusted".to_owned()]), "{kind:?}");
        let told = world.doctor(&["--save", "twin.yaml"]).await;
        assert_eq!(told.code, 1);
        assert!(told.err.contains("error[picture]: no picture"), "{}", told.err);
        assert!(!world.path().join("twin.yaml").exists());
    }
}

#[tokio::test]
async fn images_that_are_gone_are_missed() {
    let world = usual().await;
    arm(&world, Target::One(OperationName::ListImages), FaultKind::EmptyList).await;
    let (code, document) = world.doctor_document().await;
    assert_eq!((code, codes(&document, "to-do")), (1, vec!["unknown-image".to_owned()]));
    assert!(codes(&document, "note").contains(&"unknown-image".to_owned()));
}

#[tokio::test]
async fn what_the_api_user_may_not_read_matters_only_where_it_is_needed() {
    let world = usual().await;
    arm(&world, Target::One(OperationName::ListSecrets), fail("403")).await;
    let (code, document) = world.doctor_document().await;
    assert_eq!((code, codes(&document, "note").contains(&"contabo-refuses".into())), (0, true));
    arm(&world, Target::One(OperationName::ListTags), fail("403")).await;
    let (code, document) = world.doctor_document().await;
    assert_eq!((code, codes(&document, "to-do")), (1, vec!["contabo-refuses".to_owned()]));
}

#[tokio::test]
async fn a_picture_of_half_an_account_is_not_written() {
    for call in [OperationName::ListImages, OperationName::ListTags, OperationName::ListSnapshots] {
        let world = usual().await;
        arm(&world, Target::One(call), fail("500")).await;
        let told = world.doctor(&["--save", "twin.yaml"]).await;
        assert_eq!(told.code, 1, "{call}");
        assert!(told.err.contains("could not be read"), "{call}: {}", told.err);
        assert!(!world.path().join("twin.yaml").exists(), "{call}");
    }
    let world = usual().await;
    let told = world.doctor(&["--save", "twin.yaml"]).await;
    assert_eq!(told.code, 0, "{}", told.err);
    let again = world.doctor(&["--save", "twin.yaml"]).await;
    assert_eq!(again.code, 2);
    assert!(again.err.contains("is there already"), "{}", again.err);
}

/// Every kind of fault on everything: the runs themselves assert that nothing was changed.
#[tokio::test]
async fn no_fault_makes_the_doctor_change_anything_or_fall_over() {
    let mut kinds: Vec<FaultKind> = Vec::new();
    for how in ["reset", "hang", "truncated", "mistyped", "429", "429:1", "500", "502", "504"] {
        kinds.extend([fail(how), lose(how)]);
    }
    kinds.extend(["401", "403"].map(fail));
    kinds.extend([
        FaultKind::EmptyList,
        FaultKind::PartialList { keep: 1 },
        FaultKind::ShortPage { drop: 2 },
        FaultKind::MissingPage { page: 1 },
        FaultKind::ShiftedPages { by: 1 },
        FaultKind::Delay { by: SignedDuration::from_millis(50) },
        FaultKind::Slow { over: SignedDuration::from_millis(50) },
        FaultKind::Ignore,
        FaultKind::NoAudit,
    ]);
    assert!("teapot".parse::<Failure>().is_err());
    let targets = [Target::Any, Target::Reads, Target::One(OperationName::ListSnapshots)];
    let all = targets.iter().flat_map(|on| kinds.iter().map(move |kind| (*on, kind.clone())));
    // Each has a world of its own, and most of it is waiting for an answer that does not come.
    let runs = futures::stream::iter(all).map(async |(on, kind)| {
        let world = usual().await;
        arm(&world, on, kind.clone()).await;
        let (code, document) = world.doctor_document().await;
        assert!(matches!(code, 0 | 1), "{on} {kind:?}: {document}");
        let needs = document["needsSomebody"] == true;
        assert_eq!(code == 1, needs, "{on} {kind:?}: {document}");
    });
    runs.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}
