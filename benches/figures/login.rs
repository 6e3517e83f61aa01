//! Signing in: what it costs beside the hash, and what two hundred a second do to everybody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use devpocket::access::{Authenticator as _, Tokens};
use devpocket::accounts::keys::SigningKeys;
use devpocket::accounts::password::{self, Cost};
use devpocket::accounts::{AccountSettings, Accounts, NewAccount, Origin, Registration, SignedIn};
use devpocket::clock::{RandomIds, SystemClock};
use devpocket::mail::Outbox;
use devpocket_controllers::client::Client;
use devpocket_specs::admit::Actor;
use devpocket_specs::catalogue::Catalogue;

use super::postgres::{Server, cached, runtime};
use super::stats::{firsts, median, median_ratio, millis, percentile, seconds};
use super::table::{Row, Scale};

pub const PASSWORD: &str = "Correct1";
/// Who signs in two hundred times a second.
const CROWD: &str = "crowd";
/// Sign-ins that come in a second, whether or not the ones before are done.
const RATE: u64 = 200;
/// Requests of somebody else, one after the other with this pause.
const PAUSE: Duration = Duration::from_millis(2);

pub fn measure(scale: Scale) -> Vec<Row> {
    let (rounds, length) =
        scale.pick((3, Duration::from_millis(500)), (41, Duration::from_secs(10)));
    runtime().block_on(async {
        let server = Server::start().await;
        let accounts = accounts(&server).await;
        let mut pairs = Vec::new();
        for _ in 0..rounds {
            pairs.push((login(&accounts).await, bare().await));
        }
        let (ours, hash) = (median(&firsts(&pairs)), median(&seconds(&pairs)));
        let signed_in = accounts.login("ann", PASSWORD, &Origin::anonymous()).await;
        let token = signed_in.expect("a sign-in").tokens.access_token;
        let alone = others(&accounts, &token, length).await;
        let (beside, done, refused) = beside(&accounts, &token, length).await;
        server.stop().await;
        vec![
            Row::new("a sign-in, password to tokens", format!("{ours:.1} ms"), "<= 1.1x")
                .against(format!("the bare hash: {hash:.1} ms"), median_ratio(&pairs)),
            Row::new(
                format!("p99 of other requests while {RATE} sign-ins a second come"),
                format!("{beside:.2} ms ({done} signed in, {refused} told to come back)"),
                "<= 2x",
            )
            .against(format!("without: {alone:.2} ms"), beside / alone),
        ]
    })
}

pub async fn accounts(server: &Server) -> Arc<Accounts> {
    let postgres = server.store("login").await;
    let pool = postgres.pool().clone();
    let (clock, ids) = (Arc::new(SystemClock::new()), Arc::new(RandomIds));
    let catalogue = Arc::new(Catalogue::builtin().clone());
    let actor = Actor::system("devpocket-accounts");
    let store = cached(postgres).await;
    let client = Client::new(store, clock.clone(), ids.clone(), catalogue, actor);
    let keys = SigningKeys::from_text("a signing key of this bench", false).expect("a key");
    let mut settings = AccountSettings::new(keys);
    settings.registration = Registration::Open;
    let accounts = Accounts::new(pool, clock, ids, settings, client, Outbox::default());
    let accounts = Arc::new(accounts.expect("accounts"));
    // The crowd is somebody else: an account has so many sessions at most.
    for name in ["ann", CROWD] {
        let account = NewAccount {
            username: name.into(),
            email: format!("{name}@example.com"),
            password: PASSWORD.into(),
            full_name: String::new(),
        };
        accounts.register(&account, &Origin::anonymous()).await.expect("an account");
    }
    accounts
}

/// Milliseconds of a whole sign-in.
async fn login(accounts: &Accounts) -> f64 {
    let started = Instant::now();
    accounts.login("ann", PASSWORD, &Origin::anonymous()).await.expect("a sign-in");
    millis(started.elapsed())
}

/// Milliseconds of the hash alone, on a thread that does nothing else.
async fn bare() -> f64 {
    let hashed = tokio::task::spawn_blocking(|| {
        let started = Instant::now();
        password::hash(Cost::default(), PASSWORD).expect("a hash");
        millis(started.elapsed())
    });
    hashed.await.expect("the thread ends")
}

/// The 99th percentile of what somebody waits who is signed in and reads their account.
async fn others(accounts: &Arc<Accounts>, token: &str, length: Duration) -> f64 {
    let signed_in = SignedIn::new(Tokens::default(), accounts.clone());
    let (begun, mut took) = (Instant::now(), Vec::new());
    while begun.elapsed() < length {
        let started = Instant::now();
        let user = signed_in.authenticate(token).await.expect("the token is good");
        accounts.account(user.account.expect("an account")).await.expect("the account");
        took.push(millis(started.elapsed()));
        tokio::time::sleep(PAUSE).await;
    }
    percentile(&took, 99.0)
}

/// The same while sign-ins come; and how many of those were done and refused.
async fn beside(accounts: &Arc<Accounts>, token: &str, length: Duration) -> (f64, usize, usize) {
    let over = Arc::new(AtomicBool::new(false));
    let (done, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let crowd = {
        let (accounts, over) = (accounts.clone(), over.clone());
        let (done, refused) = (done.clone(), refused.clone());
        tokio::spawn(async move {
            let mut every = tokio::time::interval(Duration::from_micros(1_000_000 / RATE));
            while !over.load(Ordering::Relaxed) {
                every.tick().await;
                let accounts = accounts.clone();
                let (done, refused) = (done.clone(), refused.clone());
                tokio::spawn(async move {
                    let signed = accounts.login(CROWD, PASSWORD, &Origin::anonymous()).await;
                    let counted = if signed.is_ok() { done } else { refused };
                    counted.fetch_add(1, Ordering::Relaxed);
                });
            }
        })
    };
    let p99 = others(accounts, token, length).await;
    over.store(true, Ordering::Relaxed);
    crowd.await.expect("the crowd ends");
    (p99, done.load(Ordering::Relaxed), refused.load(Ordering::Relaxed))
}
