//! The bridge and a machine: first contact, identity, and what happens when either is not as it
//! should be.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use devpocket::access::seal::Sealer;
use devpocket::bridge::{Authority, Bridge, Dialer, Simulated};
use devpocket::simulator::control::{GuestFault, GuestView, PanelAction};
use devpocket::store::{PgOptions, PgStore};
use devpocket_controllers::guest::{Guest as _, GuestError, Question, Target, Wanted};
use devpocket_specs::install::{CloudInitState, ProgressState, read_cloud_init, read_progress};
use devpocket_specs::render::{HostKey, PLAN_PATH, RenderInput, planned_steps, render};
use devpocket_specs::sample::Sample;
use sha2::{Digest as _, Sha256};
use tokio::net::{TcpListener, TcpStream};

use super::support::postgres::TestDatabase;
use super::world::{World, has};

const LIMIT: Duration = Duration::from_secs(60);
const MACHINE: &str = "m-1";

pub struct Bridged {
    pub world: World,
    pub bridge: Bridge,
    pub store: Arc<PgStore>,
    _database: TestDatabase,
}

pub async fn authority(database: &TestDatabase) -> (Authority, Arc<PgStore>) {
    let store = PgStore::connect(PgOptions::new(database.options())).await.unwrap();
    let store = Arc::new(store);
    let sealer = Arc::new(Sealer::new([7; 32]));
    (Authority::open(store.clone(), sealer).await.unwrap(), store)
}

/// Our own user-data, as it is sent.
async fn user_data(bridge: &Bridge) -> String {
    let key = bridge.first_key(MACHINE, 1).await.unwrap();
    let input = RenderInput {
        namespace: "team-a".into(),
        name: "demo".into(),
        image: "debian-13".into(),
        user_ca: bridge.authority().user_line().ok(),
        host_key: Some(HostKey { private: key.private, public: key.public }),
        ..RenderInput::default()
    };
    render(&input).unwrap().user_data
}

impl Bridged {
    pub async fn new(sandbox: &str) -> Bridged {
        let database = TestDatabase::new().await;
        let (authority, store) = authority(&database).await;
        // The control plane is known once the simulator runs, which needs the user-data.
        let maker = Bridge::new(authority, Arc::new(Simulated::new("http://127.0.0.1:1")));
        let data = user_data(&maker).await;
        let world = World::of(tempfile::tempdir().unwrap(), data, sandbox).await;
        let sealer = Arc::new(Sealer::new([7; 32]));
        let authority = Authority::open(store.clone(), sealer).await.unwrap();
        let dialer = Simulated::new(&world.simulator.control_url());
        let bridge = Bridge::new(authority, Arc::new(dialer));
        Bridged { world, bridge, store, _database: database }
    }

    pub async fn target(&self, known: &[&str]) -> Target {
        let guest = self.world.until("an address", |_| true).await;
        Target {
            machine: MACHINE.into(),
            generation: 1,
            address: guest.address,
            known: known.iter().map(|key| (*key).to_owned()).collect(),
            first: known.is_empty(),
        }
    }

    /// The machine's own key, as soon as it answers.
    async fn own_key(&self) -> String {
        let target = self.target(&[]).await;
        let asked = async {
            loop {
                match self.bridge.own_key(&target).await {
                    Ok(key) => return key,
                    Err(GuestError::NotYet(_)) => tokio::time::sleep(PAUSE).await,
                    Err(error) => panic!("{error}"),
                }
            }
        };
        tokio::time::timeout(LIMIT, asked).await.expect("the machine never answers")
    }

    /// A whole first contact; the key by which it is known from then on.
    pub async fn identified(&self) -> String {
        let key = self.own_key().await;
        self.bridge.certify(&self.target(&[]).await, &key).await.unwrap();
        self.bridge.forget_first_key(MACHINE, 1).await.unwrap();
        key
    }
}

const PAUSE: Duration = Duration::from_millis(50);

pub fn ready() -> bool {
    ["ssh-keygen", "bwrap"].into_iter().all(has)
}

#[tokio::test]
async fn a_first_contact_leaves_the_machine_with_a_key_of_its_own_and_no_other() {
    for sandbox in ["bwrap", "/nowhere/bwrap"] {
        if !ready() {
            return;
        }
        let it = Bridged::new(sandbox).await;
        let first = it.bridge.first_key(MACHINE, 1).await.unwrap();
        let key = it.own_key().await;
        assert_eq!(it.own_key().await, key, "asked again, it is the same");
        assert_ne!(key, first.public);
        let before = it.target(&[]).await;
        it.bridge.certify(&before, &key).await.unwrap();
        // From now on it serves its own key, and the first one opens nothing.
        let known = it.target(&[&key]).await;
        it.bridge.look(&known, &Question::state()).await.unwrap();
        let error = it.bridge.look(&before, &Question::state()).await.unwrap_err();
        assert!(matches!(error, GuestError::WrongIdentity { .. }), "{sandbox}: {error}");
        // Whoever was interrupted may do all of it again.
        let both = Target { first: true, ..known.clone() };
        assert_eq!(it.bridge.own_key(&both).await.unwrap(), key);
        it.bridge.certify(&both, &key).await.unwrap();
        it.bridge.forget_first_key(MACHINE, 1).await.unwrap();
        assert_eq!(it.store.system_secret("ssh-first-key/m-1/1").await.unwrap(), None);
        let left = it.bridge.exec(&known, "ls /etc/ssh", b"").await.unwrap();
        let left = String::from_utf8(left.stdout).unwrap();
        assert!(!left.contains("ssh_host_ed25519_key\n"), "{left}");
    }
}

#[tokio::test]
async fn a_look_brings_progress_cloud_init_and_each_line_of_a_log_once() {
    if !ready() {
        return;
    }
    let it = Bridged::new("bwrap").await;
    let key = it.identified().await;
    let target = it.target(&[&key]).await;
    let path = "/var/log/devpocket-install.log";
    let mut log = Vec::new();
    let asked = async {
        loop {
            let wanted =
                Wanted { path: path.into(), from: log.len() as u64, seen: log.len() as u64 };
            let question =
                Question { logs: vec![wanted], wait: Duration::from_secs(5), ..Question::state() };
            let look = it.bridge.look(&target, &question).await.unwrap();
            let part = look.logs.iter().find(|part| part.path == path).unwrap();
            assert_eq!(part.from, log.len() as u64);
            log.extend_from_slice(&part.bytes);
            let progress = read_progress(&look.progress.unwrap()).unwrap();
            if progress.state == ProgressState::Done && part.bytes.is_empty() {
                return (look.cloud_init.unwrap(), progress);
            }
        }
    };
    let (cloud_init, progress) = tokio::time::timeout(LIMIT, asked).await.expect("it is done");
    assert_eq!(read_cloud_init(cloud_init.0, &cloud_init.1).unwrap().state, CloudInitState::Done);
    // It did what the plan in the user-data says, and names it as the real installer does.
    let plan = it.bridge.exec(&target, &format!("cat {PLAN_PATH}"), b"").await.unwrap().stdout;
    let planned = planned_steps(std::str::from_utf8(&plan).unwrap()).unwrap();
    let planned: Vec<&str> = planned.iter().map(|step| step.name.as_str()).collect();
    let done: Vec<&str> = progress.done.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(done, planned);
    assert!(done.contains(&"firewall"), "{done:?}");
    let digest: String = Sha256::digest(&plan).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(progress.plan, digest);
    let whole = it.bridge.exec(&target, &format!("cat {path}"), b"").await.unwrap().stdout;
    assert!(log == whole, "in pieces it is {} bytes, whole {}", log.len(), whole.len());
    // A log that was cut short begins anew.
    it.bridge.exec(&target, &format!("echo new >{path}"), b"").await.unwrap();
    let wanted = Wanted { path: path.into(), from: log.len() as u64, seen: 0 };
    let question = Question { logs: vec![wanted], ..Question::default() };
    let look = it.bridge.look(&target, &question).await.unwrap();
    assert_eq!((look.logs[0].from, look.logs[0].bytes.as_slice()), (0, &b"new\n"[..]));
}

/// Its own size and its own use, not those of the computer it runs on.
#[tokio::test]
async fn a_machine_says_how_it_is_doing_as_the_product_it_is() {
    for sandbox in ["bwrap", "/nowhere/bwrap"] {
        if !ready() {
            return;
        }
        let it = Bridged::new(sandbox).await;
        let key = it.identified().await;
        let target = it.target(&[&key]).await;
        let before = it.bridge.sample(&target).await.unwrap();
        assert_eq!(before.memory.unwrap().total, 8 << 30, "V91 has 8 GB");
        assert_eq!(before.disk.unwrap().total, 75 << 30);
        assert_eq!(before.network.keys().collect::<Vec<_>>(), ["eth0"]);
        assert!(before.uptime_ms < 60_000, "it was just switched on: {before:?}");
        let later = async {
            loop {
                let now = it.bridge.sample(&target).await.unwrap();
                let grown = now.cpu.unwrap().total - before.cpu.unwrap().total;
                if grown >= 400 && now.uptime_ms > before.uptime_ms + 1_000 {
                    return now;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let now = tokio::time::timeout(LIMIT, later).await.expect("its time passes");
        let sample = Sample::of(jiff::Timestamp::UNIX_EPOCH, &now, Some(&before));
        assert!(sample.cpu.is_some(), "{now:?}");
        let network = sample.network.unwrap();
        assert!(network.received > 0 && network.sent > 0, "what it was asked was traffic");
    }
}

#[tokio::test]
async fn another_machine_in_its_place_is_sent_nothing() {
    if !ready() {
        return;
    }
    let it = Bridged::new("bwrap").await;
    let key = it.identified().await;
    let target = it.target(&[&key]).await;
    it.world.control.spoil("demo", None, true).await.unwrap();
    let asked = async {
        loop {
            match it.bridge.look(&target, &Question::state()).await {
                Err(GuestError::NotYet(_)) | Ok(_) => tokio::time::sleep(PAUSE).await,
                Err(error) => return error,
            }
        }
    };
    let error = tokio::time::timeout(LIMIT, asked).await.expect("it answers");
    let GuestError::WrongIdentity { presented, recorded } = &error else { panic!("{error}") };
    assert!(presented.starts_with("SHA256:") && recorded.starts_with("SHA256:"), "{error}");
    assert_ne!(presented, recorded);
}

/// Leads everybody to one listener.
struct Fixed(std::net::SocketAddr);

#[async_trait]
impl Dialer for Fixed {
    async fn dial(&self, _: &str) -> std::io::Result<TcpStream> {
        TcpStream::connect(self.0).await
    }
}

/// A server with a key nobody recorded, which would accept anybody, and counts what it is offered.
#[derive(Clone, Default)]
struct Impostor(Arc<std::sync::atomic::AtomicUsize>);

impl russh::server::Handler for Impostor {
    type Error = russh::Error;

    async fn auth_none(&mut self, _: &str) -> Result<russh::server::Auth, russh::Error> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(russh::server::Auth::Accept)
    }

    async fn auth_openssh_certificate(
        &mut self,
        _: &str,
        _: &russh::keys::Certificate,
    ) -> Result<russh::server::Auth, russh::Error> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(russh::server::Auth::Accept)
    }
}

#[tokio::test]
async fn no_sign_in_is_tried_before_the_machine_has_proved_itself() {
    let database = TestDatabase::new().await;
    let (authority, _store) = authority(&database).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let impostor = Impostor::default();
    let serving = impostor.clone();
    let pair = russh::keys::ssh_key::private::Ed25519Keypair::from_seed(&[9; 32]);
    let config = Arc::new(russh::server::Config {
        keys: vec![russh::keys::PrivateKey::from(pair)],
        ..Default::default()
    });
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let session = russh::server::run_stream(config.clone(), stream, serving.clone()).await;
            if let Ok(session) = session {
                let _ = session.await;
            }
        }
    });
    let bridge = Bridge::new(authority, Arc::new(Fixed(address)));
    let first = bridge.first_key(MACHINE, 1).await.unwrap();
    for (known, first) in [(vec![], true), (vec![first.public.clone()], false), (vec![], false)] {
        let address = "192.0.2.1".to_owned();
        let target = Target { machine: MACHINE.into(), generation: 1, address, known, first };
        let error = bridge.exec(&target, "cat", b"secret").await.unwrap_err();
        assert!(matches!(error, GuestError::WrongIdentity { .. }), "{error}");
    }
    assert_eq!(impostor.0.load(std::sync::atomic::Ordering::SeqCst), 0, "it was offered something");
    server.abort();
}

#[tokio::test]
async fn a_network_that_drops_first_contact_at_any_point_only_delays_it() {
    if !ready() {
        return;
    }
    let it = Bridged::new("bwrap").await;
    it.own_key().await;
    for after_bytes in [0, 20, 700, 1500, 2500] {
        let cut = GuestFault::Cut { after_bytes, times: 1 };
        it.world.control.spoil("demo", Some(cut), false).await.unwrap();
        // A new bridge, so that no connection is left from before.
        let sealer = Arc::new(Sealer::new([7; 32]));
        let authority = Authority::open(it.store.clone(), sealer).await.unwrap();
        let dialer = Simulated::new(&it.world.simulator.control_url());
        let bridge = Bridge::new(authority, Arc::new(dialer));
        let target = it.target(&[]).await;
        match bridge.own_key(&target).await {
            Ok(_) | Err(GuestError::NotYet(_)) => {}
            Err(error) => panic!("cut after {after_bytes} bytes: {error}"),
        }
    }
    it.world.control.spoil("demo", None, false).await.unwrap();
    it.identified().await;
}

#[tokio::test]
async fn a_machine_that_does_not_answer_yet_is_told_from_one_that_refuses() {
    if !ready() {
        return;
    }
    let it = Bridged::new("bwrap").await;
    let key = it.identified().await;
    let target = it.target(&[&key]).await;
    // Another installation's certificates do not open it.
    let other = TestDatabase::new().await;
    let (authority, _store) = authority(&other).await;
    let dialer = Arc::new(Simulated::new(&it.world.simulator.control_url()));
    let stranger = Bridge::new(authority, dialer);
    let error = stranger.look(&target, &Question::state()).await.unwrap_err();
    assert!(matches!(error, GuestError::Refused(_)), "{error}");
    // Off: nobody listens.
    it.world.panel(PanelAction::Stop).await;
    it.world.until("off", |guest: &GuestView| !guest.running).await;
    let asked = async {
        loop {
            match it.bridge.look(&target, &Question::state()).await {
                Ok(_) => tokio::time::sleep(PAUSE).await,
                Err(error) => return error,
            }
        }
    };
    let error = tokio::time::timeout(LIMIT, asked).await.expect("it ends");
    assert!(matches!(error, GuestError::NotYet(_)), "{error}");
}
