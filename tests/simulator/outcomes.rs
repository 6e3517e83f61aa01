//! What DevPocket's client reports for each operation under each fault: the class of the outcome
//! decides what the operator does next, and a wrong one costs money or a disk.
//!
//! | class | the operator then |
//! |---|---|
//! | done | goes on |
//! | rejected | says so; nothing happened, nothing is tried again by itself |
//! | unknown | looks: audits by request id, lists, the machine; repeats only what may be repeated |
//! | throttled, unavailable | waits; of a mutation only when nothing was sent |
//! | bad reply | takes the read for no evidence at all |

use std::time::Duration;

use devpocket::contabo::{ContaboClient, SecretKind, Sensitive};
use devpocket::simulator::control::{Failure, Fault, FaultKind, OperationName, Target};
use devpocket_controllers::cloud::{
    Action, AuditLog, AuditQuery, Call, Cloud, CloudError, Priority, Reinstall,
};

use super::client::{Pair, UBUNTU, wanted};
use super::contract::judge_requests;
use super::*;

/// Bounds the wait for what hangs.
const PATIENCE: Duration = Duration::from_millis(600);

/// The class of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Done,
    Rejected,
    Unknown,
    Throttled,
    Unavailable,
    BadReply,
}

fn class(outcome: &Result<(), CloudError>) -> Class {
    match outcome {
        Ok(()) => Class::Done,
        Err(CloudError::Rejected { .. } | CloudError::SignIn { .. }) => Class::Rejected,
        Err(CloudError::Unknown { .. }) => Class::Unknown,
        Err(CloudError::Throttled { .. }) => Class::Throttled,
        Err(CloudError::Unavailable { .. }) => Class::Unavailable,
        Err(CloudError::BadReply { .. }) => Class::BadReply,
    }
}

/// What the calls are about.
struct Stage {
    instance: i64,
    snapshot: String,
    secret: i64,
    tag: i64,
    free_tag: i64,
}

fn call() -> Call {
    Call {
        request_id: Uuid::new_v4(),
        trace_id: "devpocket-test".to_owned(),
        priority: Priority::Person,
        timeout: PATIENCE,
    }
}

/// Everything the client can change.
const CHANGES: [OperationName; 16] = [
    OperationName::CreateInstance,
    OperationName::PatchInstance,
    OperationName::ReinstallInstance,
    OperationName::CancelInstance,
    OperationName::Start,
    OperationName::Stop,
    OperationName::Restart,
    OperationName::Shutdown,
    OperationName::CreateSnapshot,
    OperationName::DeleteSnapshot,
    OperationName::RollbackSnapshot,
    OperationName::CreateSecret,
    OperationName::DeleteSecret,
    OperationName::CreateTag,
    OperationName::UpdateTag,
    OperationName::CreateAssignment,
];

/// Those whose reply says something that is needed; of the others the status is enough.
const TOLD: [OperationName; 4] = [
    OperationName::CreateInstance,
    OperationName::CreateSnapshot,
    OperationName::CreateSecret,
    OperationName::CreateTag,
];

const READS: [OperationName; 9] = [
    OperationName::ListInstances,
    OperationName::GetInstance,
    OperationName::ListImages,
    OperationName::ListInstanceAudits,
    OperationName::ListActionAudits,
    OperationName::ListTags,
    OperationName::ListSnapshots,
    OperationName::ListSecrets,
    OperationName::ListDataCenters,
];

async fn change(
    client: &ContaboClient,
    what: OperationName,
    stage: &Stage,
) -> Result<(), CloudError> {
    use OperationName as N;
    let (id, call) = (stage.instance, call());
    let act = |action| client.act(id, action, &call);
    match what {
        N::CreateInstance => client.order(&wanted("new"), &call).await.map(drop),
        N::PatchInstance => client.rename(id, "renamed", &call).await,
        N::ReinstallInstance => {
            let how = Reinstall { image_id: UBUNTU.to_owned(), user_data: None };
            client.reinstall(id, &how, &call).await
        }
        N::CancelInstance => client.cancel(id, &call).await.map(drop),
        N::Start => act(Action::Start).await,
        N::Stop => act(Action::Stop).await,
        N::Restart => act(Action::Restart).await,
        N::Shutdown => act(Action::Shutdown).await,
        N::CreateSnapshot => client.take_snapshot(id, "s2", Some("d"), &call).await.map(drop),
        N::UpdateSnapshot => client.rename_snapshot(id, &stage.snapshot, "s3", &call).await,
        N::DeleteSnapshot => client.delete_snapshot(id, &stage.snapshot, &call).await,
        N::RollbackSnapshot => client.roll_back(id, &stage.snapshot, &call).await,
        N::CreateSecret => {
            let value = Sensitive::new("Three123digits!");
            client.keep_secret("p", SecretKind::Password, &value, &call).await.map(drop)
        }
        N::DeleteSecret => client.delete_secret(stage.secret, &call).await,
        N::CreateTag => client.create_tag("new", &call).await.map(drop),
        N::UpdateTag => client.rename_tag(stage.tag, "other", &call).await,
        N::DeleteTag => client.delete_tag(stage.free_tag, &call).await,
        N::CreateAssignment => client.assign_tag(stage.free_tag, id, &call).await,
        N::DeleteAssignment => client.unassign_tag(stage.tag, id, &call).await,
        other => panic!("{other} is no change the client makes"),
    }
}

async fn look(
    client: &ContaboClient,
    what: OperationName,
    stage: &Stage,
) -> Result<(), CloudError> {
    use OperationName as N;
    let id = stage.instance;
    let query = AuditQuery { instance_id: Some(id), page: 1, ..AuditQuery::default() };
    match what {
        N::ListInstances => client.instances(1).await.map(drop),
        N::GetInstance => client.instance(id).await.map(drop),
        N::ListImages => client.images(1).await.map(drop),
        N::ListInstanceAudits => client.audits(AuditLog::Instances, &query).await.map(drop),
        N::ListActionAudits => client.audits(AuditLog::Actions, &query).await.map(drop),
        N::ListTags => client.tags(1).await.map(drop),
        N::ListSnapshots => client.snapshots(id, 1).await.map(drop),
        N::ListSecrets => client.secrets(1).await.map(drop),
        N::ListDataCenters => client.data_centers(1).await.map(drop),
        other => panic!("{other} is no read the client makes"),
    }
}

/// An account with one of everything.
async fn stage(pair: &Pair) -> Stage {
    let client = &pair.client;
    let order =
        devpocket_controllers::cloud::Order { product_id: "V94".to_owned(), ..wanted("stage") };
    let instance = client.order(&order, &call()).await.unwrap().instance_id;
    pair.clock.advance(Duration::from_secs(600));
    client.act(instance, Action::Restart, &call()).await.unwrap();
    let snapshot = client.take_snapshot(instance, "s", None, &call()).await.unwrap().id;
    let key = Sensitive::new("ssh-ed25519 AAAA me\n");
    let secret = client.keep_secret("key", SecretKind::Ssh, &key, &call()).await.unwrap().id;
    let tag = client.create_tag("used", &call()).await.unwrap().id;
    let free_tag = client.create_tag("free", &call()).await.unwrap().id;
    client.assign_tag(tag, instance, &call()).await.unwrap();
    Stage { instance, snapshot, secret, tag, free_tag }
}

/// The account as it was, and a limiter that has forgotten the last 429.
async fn again(pair: &Pair, state: &Value) {
    pair.clock.advance(Duration::from_secs(61));
    pair.control.load(state).await.unwrap();
}

/// What a fault of this kind must be reported as, of a change.
fn expected(what: OperationName, kind: &FaultKind) -> Class {
    match kind {
        FaultKind::Fail { how: Failure::Status(401 | 403) } => Class::Rejected,
        // There is no body that could be mistyped, so the connection is closed.
        FaultKind::Lose { how: Failure::Mistyped } if what.as_str().starts_with("delete") => {
            Class::Unknown
        }
        FaultKind::Lose { how: Failure::Mistyped } if !TOLD.contains(&what) => Class::Done,
        _ => Class::Unknown,
    }
}

#[tokio::test]
async fn a_change_is_unknown_unless_contabo_said_what_became_of_it() {
    let pair = Pair::start().await;
    let stage = stage(&pair).await;
    let state = pair.control.state().await.unwrap();
    let flavours = [
        "reset",
        "hang",
        "stalled",
        "half",
        "500",
        "502",
        "504",
        "truncated",
        "mistyped",
        "429",
        "429:5",
    ];
    for what in CHANGES {
        let mut kinds: Vec<FaultKind> = Vec::new();
        for how in flavours.iter().map(|flavour| flavour.parse().unwrap()) {
            kinds.push(FaultKind::Lose { how });
            kinds.push(FaultKind::Fail { how });
        }
        for status in [401, 403] {
            kinds.push(FaultKind::Fail { how: Failure::Status(status) });
        }
        again(&pair, &state).await;
        let plain = change(&pair.client, what, &stage).await;
        assert_eq!(class(&plain), Class::Done, "{what}: {plain:?}");
        for kind in kinds {
            again(&pair, &state).await;
            pair.control.arm(&Fault::once(Target::One(what), kind.clone())).await.unwrap();
            let outcome = change(&pair.client, what, &stage).await;
            assert_eq!(class(&outcome), expected(what, &kind), "{what} {kind:?}: {outcome:?}");
            let calls = pair.control.calls(1000).await.unwrap();
            let sent = calls.calls.iter().filter(|call| call.operation == what);
            let before = state["journal"]["counts"][what.as_str()].as_u64().unwrap_or(0);
            assert_eq!(calls.counts[&what], before + 1, "{what} {kind:?}: on the wire once");
            assert!(sent.count() > 0);
            assert!(pair.control.faults().await.unwrap().is_empty(), "{what} {kind:?} was hit");
        }
    }
    judge_requests(&pair.tap.requests());
}

#[tokio::test]
async fn a_read_that_is_not_answered_is_no_evidence() {
    let pair = Pair::start().await;
    let stage = stage(&pair).await;
    let state = pair.control.state().await.unwrap();
    for what in READS {
        for (flavour, wanted) in [
            ("reset", Class::Unavailable),
            ("truncated", Class::Unavailable),
            ("500", Class::Unavailable),
            ("502", Class::Unavailable),
            ("429", Class::Throttled),
            ("429:7", Class::Throttled),
            ("403", Class::Rejected),
            // A read is asked once more with a fresh token.
            ("401", Class::Done),
        ] {
            let how: Failure = flavour.parse().unwrap();
            again(&pair, &state).await;
            let fault = Fault::once(Target::One(what), FaultKind::Fail { how });
            pair.control.arm(&fault).await.unwrap();
            let outcome = look(&pair.client, what, &stage).await;
            assert_eq!(class(&outcome), wanted, "{what} {flavour}: {outcome:?}");
        }
        // Carried out, and spoiled on the way.
        for (how, wanted) in
            [(Failure::Truncated, Class::Unavailable), (Failure::Mistyped, Class::BadReply)]
        {
            again(&pair, &state).await;
            let fault = Fault::once(Target::One(what), FaultKind::Lose { how });
            pair.control.arm(&fault).await.unwrap();
            let outcome = look(&pair.client, what, &stage).await;
            let harmless = what == OperationName::ListDataCenters && how == Failure::Mistyped;
            if !harmless {
                assert_eq!(class(&outcome), wanted, "{what} {how}: {outcome:?}");
            }
        }
        again(&pair, &state).await;
        let over = SignedDuration::from_millis(300);
        let fault = Fault::once(Target::One(what), FaultKind::Slow { over });
        pair.control.arm(&fault).await.unwrap();
        let outcome = look(&pair.client, what, &stage).await;
        assert_eq!(class(&outcome), Class::Done, "{what}: slow and whole: {outcome:?}");
    }
    judge_requests(&pair.tap.requests());
}

/// No byte; headers and no more; half a body and no more. With an effect or without, since a read has
/// none: nothing is known, and the wait has an end.
#[tokio::test]
async fn a_read_whose_answer_never_ends_is_given_up_in_time() {
    let pair = Pair::waiting(Settings::prompt(), PATIENCE).await;
    let stage = stage(&pair).await;
    let state = pair.control.state().await.unwrap();
    for what in READS {
        for how in [Failure::Hang, Failure::Stalled, Failure::Half] {
            for kind in [FaultKind::Lose { how }, FaultKind::Fail { how }] {
                again(&pair, &state).await;
                pair.control.arm(&Fault::once(Target::One(what), kind.clone())).await.unwrap();
                let outcome = look(&pair.client, what, &stage).await;
                assert_eq!(class(&outcome), Class::Unavailable, "{what} {kind:?}: {outcome:?}");
                let told = outcome.unwrap_err().to_string();
                assert!(told.contains("no answer in time"), "{what} {kind:?}: {told}");
                let after = look(&pair.client, what, &stage).await;
                assert_eq!(class(&after), Class::Done, "{what}: the next one is answered");
            }
        }
    }
}

#[tokio::test]
async fn snapshots_secrets_tags_and_data_centres_are_covered() {
    let pair = Pair::start().await;
    let stage = stage(&pair).await;
    let client = &pair.client;
    let id = stage.instance;
    let found = client.snapshots(id, 1).await.unwrap();
    assert_eq!((found.items.len(), found.items[0].id.as_str()), (1, stage.snapshot.as_str()));
    let one = client.snapshot(id, &stage.snapshot).await.unwrap().unwrap();
    assert_eq!(one.expires.unwrap().duration_since(one.created), SignedDuration::from_hours(720));
    client.rename_snapshot(id, &stage.snapshot, "other", &call()).await.unwrap();
    assert_eq!(client.snapshot(id, &stage.snapshot).await.unwrap().unwrap().name, "other");
    client.take_snapshot(id, "second", None, &call()).await.unwrap();
    let full = client.take_snapshot(id, "third", None, &call()).await;
    assert!(matches!(full, Err(CloudError::Rejected { code: 402, .. })), "{full:?}");
    client.roll_back(id, &stage.snapshot, &call()).await.unwrap();
    assert_eq!(client.snapshots(id, 1).await.unwrap().items.len(), 1, "the newer one is gone");
    client.delete_snapshot(id, &stage.snapshot, &call()).await.unwrap();
    assert_eq!(client.snapshot(id, &stage.snapshot).await.unwrap(), None);
    let odd = client.delete_snapshot(id, "../../tags/1", &call()).await;
    assert!(matches!(odd, Err(CloudError::Unavailable { .. })), "{odd:?}");

    let listed = client.secrets(1).await.unwrap();
    assert_eq!(listed.items[0].value, None);
    let secret = client.secret(stage.secret).await.unwrap().unwrap();
    assert_eq!(secret.value.unwrap().reveal(), "ssh-ed25519 AAAA me", "without the newline");
    client.delete_secret(stage.secret, &call()).await.unwrap();
    assert_eq!(client.secret(stage.secret).await.unwrap(), None);

    let kept = client.delete_tag(stage.tag, &call()).await;
    assert!(matches!(kept, Err(CloudError::Unknown { code: Some(409), .. })), "{kept:?}");
    client.unassign_tag(stage.tag, id, &call()).await.unwrap();
    client.delete_tag(stage.tag, &call()).await.unwrap();
    let centres = client.data_centers(1).await.unwrap();
    assert!(centres.items.iter().any(|centre| centre.slug == "EU1" && centre.region == "EU"));
    judge_requests(&pair.tap.requests());
}
