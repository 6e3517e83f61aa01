//! DevPocket's own client in front of the simulator: written apart, they must agree on the wire.

use devpocket::clock::{RandomIds, SystemClock};
use devpocket::contabo::{ContaboClient, ContaboConfig, Credentials, READ_TIMEOUT, Sensitive};
use devpocket::simulator::TOKEN_PATH;
use devpocket::simulator::control::{
    Failure, Fault, FaultKind, OperationName, PanelAction, Target,
};
use devpocket_controllers::cloud::{
    Action, AuditLog, AuditQuery, Call, Cloud, CloudError, Order, Priority, Reinstall,
};

use super::contract::judge_requests;
use super::tap::Tap;
use super::*;

pub const UBUNTU: &str = "d64d5c6c-9dda-4e38-8174-0ee282474d8a";

pub struct Pair {
    pub simulator: Simulator,
    pub control: ControlClient,
    pub client: ContaboClient,
    pub clock: SystemClock,
    /// Everything the client says is held against the descriptions at the end.
    pub tap: Tap,
}

impl Pair {
    pub async fn start() -> Pair {
        Pair::with(Settings::prompt()).await
    }

    pub async fn with(settings: Settings) -> Pair {
        Pair::waiting(settings, READ_TIMEOUT).await
    }

    /// With a client that waits so long for the answer to a read.
    pub async fn waiting(settings: Settings, patience: Duration) -> Pair {
        let clock = SystemClock::new();
        let config = SimulatorConfig::in_memory(settings, clock.clone().into());
        let simulator = Simulator::start(config).await.unwrap();
        let tap = Tap::on(simulator.api_address()).await;
        let config = ContaboConfig {
            api_url: format!("http://{}", tap.address),
            auth_url: format!("http://{}{TOKEN_PATH}", tap.address),
            credentials: Credentials {
                client_id: CLIENT_ID.to_owned(),
                client_secret: Sensitive::new(CLIENT_SECRET),
                username: API_USER.to_owned(),
                password: Sensitive::new(API_PASSWORD),
            },
            simulated: true,
            patience,
        };
        let client =
            ContaboClient::new(config, Arc::new(clock.clone()), Arc::new(RandomIds)).unwrap();
        let control = ControlClient::new(&simulator.control_url()).unwrap();
        Pair { simulator, control, client, clock, tap }
    }
}

fn call() -> Call {
    Call {
        request_id: Uuid::new_v4(),
        trace_id: "devpocket-test".to_owned(),
        priority: Priority::Person,
        timeout: Duration::from_secs(20),
    }
}

pub fn wanted(name: &str) -> Order {
    Order {
        product_id: "V91".to_owned(),
        region: "EU".to_owned(),
        image_id: UBUNTU.to_owned(),
        period: 1,
        display_name: name.to_owned(),
        user_data: "#cloud-config\n".to_owned(),
    }
}

#[tokio::test]
async fn only_the_simulated_account_is_called_simulated() {
    let pair = Pair::start().await;
    let account = pair.client.account().await.unwrap();
    assert!(account.simulated && account.api == "simulated", "{account:?}");

    let mut settings = Settings::prompt();
    settings.account.customer_id = "54321".into();
    let proxied = Pair::with(settings).await;
    let account = proxied.client.account().await.unwrap();
    assert_eq!(account.customer, "54321");
    assert!(!account.simulated && account.api != "simulated", "{account:?}");
}

#[tokio::test]
async fn a_machine_goes_through_its_life() {
    let Pair { simulator, control, client, clock, tap } = Pair::start().await;
    let account = client.account().await.unwrap();
    assert_eq!((account.tenant.as_str(), account.customer.as_str()), ("INT", "90000001"));
    let images = client.images(1).await.unwrap();
    assert!(images.items.iter().any(|image| image.id == UBUNTU && image.name == "ubuntu-24.04"));

    let purchase = call();
    let ordered = client.order(&wanted("demo dp-1"), &purchase).await.unwrap();
    let id = ordered.instance_id;
    assert_eq!(ordered.status.as_deref(), Some("provisioning"));
    let early = client.instance(id).await.unwrap().unwrap();
    assert_eq!((early.address, early.ram_mb), (None, None));
    clock.advance(Duration::from_secs(600));
    let listed = client.instances(1).await.unwrap();
    assert_eq!((listed.items.len(), listed.total_pages), (1, 1));
    assert_eq!(listed.items[0].status, "running");
    assert!(listed.items[0].address.as_ref().unwrap().starts_with("198.18."));

    let query = AuditQuery { request_id: Some(purchase.request_id), page: 1, ..Default::default() };
    let found = client.audits(AuditLog::Instances, &query).await.unwrap();
    assert_eq!((found.items.len(), found.items[0].instance_id), (1, id));

    client.rename(id, "renamed", &call()).await.unwrap();
    client.act(id, Action::Stop, &call()).await.unwrap();
    let stopped = client.instance(id).await.unwrap().unwrap();
    assert_eq!((stopped.display_name.as_str(), stopped.status.as_str()), ("renamed", "stopped"));
    let how = Reinstall { image_id: UBUNTU.to_owned(), user_data: None };
    client.reinstall(id, &how, &call()).await.unwrap();
    let refused = client.act(id, Action::Start, &call()).await;
    assert!(matches!(refused, Err(CloudError::Rejected { code: 400, .. })), "{refused:?}");
    assert!(client.cancel(id, &call()).await.unwrap().is_some());

    let tag = client.create_tag("devpocket:mark", &call()).await.unwrap();
    client.rename_tag(tag.id, "devpocket:mark-2", &call()).await.unwrap();
    assert_eq!(client.tags(1).await.unwrap().items[0].name, "devpocket:mark-2");
    control.panel("renamed", PanelAction::Remove).await.unwrap();
    assert_eq!(client.instance(id).await.unwrap(), None);
    judge_requests(&tap.requests());
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_lost_reply_is_unknown_to_the_client_and_a_refusal_is_not() {
    let pair = Pair::start().await;
    let on = Target::One(OperationName::CreateInstance);
    let hows = [
        Failure::Reset,
        Failure::Truncated,
        Failure::Mistyped,
        Failure::Status(500),
        Failure::Status(502),
        Failure::Status(504),
    ];
    for (count, how) in hows.into_iter().enumerate() {
        pair.control.arm(&Fault::once(on, FaultKind::Lose { how })).await.unwrap();
        let lost = pair.client.order(&wanted("lost"), &call()).await;
        assert!(matches!(lost, Err(CloudError::Unknown { .. })), "{how}: {lost:?}");
        assert_eq!(pair.control.ledger().await.unwrap().purchases(), count + 1, "{how}: sent once");
    }
    let unknown = Order { product_id: "V1".to_owned(), ..wanted("refused") };
    let refused = pair.client.order(&unknown, &call()).await;
    assert!(matches!(refused, Err(CloudError::Rejected { code: 400, .. })), "{refused:?}");

    // A revoked token: no mutation is repeated, nothing is bought, the next call has a fresh one.
    pair.control.revoke_tokens().await.unwrap();
    let revoked = pair.client.order(&wanted("revoked"), &call()).await;
    assert!(matches!(revoked, Err(CloudError::Rejected { code: 401, .. })), "{revoked:?}");
    pair.client.order(&wanted("after"), &call()).await.unwrap();
    assert_eq!(pair.control.ledger().await.unwrap().purchases(), hows.len() + 1);
}
