//! What it costs to ask who somebody is and what they may do: a GET of an environment by somebody
//! who is signed in, beside the same GET where neither is asked.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Method;
use devpocket::access::seal::Sealer;
use devpocket::access::{
    Attributes, AuthError, Authenticator, Authorizer, ByRole, Decision, Tokens, User,
};
use devpocket::accounts::{Origin, SignedIn};
use devpocket::clock::{RandomIds, SystemClock};
use devpocket::kube;
use devpocket::server::{AllowedHosts, AppState, Build};
use devpocket_controllers::sim::store::MemoryStore;
use devpocket_controllers::store::Store;
use devpocket_specs::catalogue::Catalogue;
use serde_json::json;

use super::cpu::own_seconds;
use super::login;
use super::postgres::{Server, runtime};
use super::stats::median;
use super::table::{Row, Scale};

/// Teams the asker belongs to beside their own namespace.
const TEAMS: usize = 20;

/// Everybody, without being asked who they are.
struct Anybody(User);

#[async_trait]
impl Authenticator for Anybody {
    async fn authenticate(&self, _: &str) -> Result<User, AuthError> {
        Ok(self.0.clone())
    }

    async fn renew(&self, user: &User) -> Result<User, AuthError> {
        Ok(user.clone())
    }
}

/// May do anything, without being asked what it is.
struct Anything;

impl Authorizer for Anything {
    fn authorize(&self, _: &User, _: &Attributes) -> Decision {
        Decision::Allow
    }
}

pub fn measure(scale: Scale) -> Vec<Row> {
    let (rounds, gets) = scale.pick((3, 50), (31, 4_000));
    runtime().block_on(async {
        let server = Server::start().await;
        let accounts = login::accounts(&server).await;
        let origin = Origin::anonymous();
        let signed = accounts.login("ann", login::PASSWORD, &origin).await.expect("a sign-in");
        let token = signed.tokens.access_token.clone();
        let namespace = signed.account.namespace.clone();
        for team in 0..TEAMS {
            let joined = sqlx::query(
                "INSERT INTO members (namespace, account, role, added_by, added_at) \
                 VALUES ($1, $2, 'editor', 'bench', now())",
            );
            let joined = joined.bind(format!("t-{team:012}")).bind(signed.account.id);
            joined.execute(&accounts.pool).await.expect("a member");
        }
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let signed_in = Arc::new(SignedIn::new(Tokens::default(), accounts));
        let asked = state(store.clone(), signed_in, Arc::new(ByRole));
        let anybody = Arc::new(Anybody(User::admin("bench")));
        let unasked = state(store, anybody, Arc::new(Anything));
        let path = declare(&unasked, &namespace).await;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            ours.push(each(&asked, &path, &token, gets).await);
            theirs.push(each(&unasked, &path, &token, gets).await);
        }
        server.stop().await;
        let more: Vec<f64> = ours.iter().zip(&theirs).map(|(one, other)| one - other).collect();
        let (ours, theirs) = (median(&ours), median(&theirs));
        vec![
            Row::new(
                format!("a GET by a member of {TEAMS} teams, CPU"),
                format!("{ours:.1} µs, {:.1} µs more", median(&more)),
                "<= 50 µs more",
            )
            .against(format!("nobody asked who it is: {theirs:.1} µs"), ours / theirs),
        ]
    })
}

fn state(
    store: Arc<dyn Store>,
    authenticator: Arc<dyn Authenticator>,
    authorizer: Arc<dyn Authorizer>,
) -> Arc<AppState> {
    Arc::new(AppState {
        store,
        clock: Arc::new(SystemClock::new()),
        ids: Arc::new(RandomIds),
        catalogue: Arc::new(Catalogue::builtin().clone()),
        sealer: Arc::new(Sealer::new([7; 32])),
        authorizer,
        authenticator,
        accounts: None,
        bridge: None,
        lines: None,
        history: None,
        sockets: Default::default(),
        hosts: AllowedHosts::new(&[] as &[String]),
        edge: Default::default(),
        keys: None,
        outbox: Default::default(),
        plans: Default::default(),
        metrics: None,
        probes: Vec::new(),
        shutdown: Default::default(),
        build: Build::default(),
    })
}

/// An environment in the asker's namespace; its path.
async fn declare(state: &Arc<AppState>, namespace: &str) -> String {
    let environments =
        format!("/kube/apis/devpocket.dev/v1alpha1/namespaces/{namespace}/environments");
    let made = [
        ("/kube/api/v1/namespaces", json!({"metadata": {"name": namespace}})),
        (
            environments.as_str(),
            json!({"metadata": {"name": "web"}, "spec": {"size": "vps-10-nvme", "region": "EU"}}),
        ),
    ];
    for (path, object) in made {
        let code = send(state, Method::POST, path, "any", object.to_string()).await;
        assert_eq!(code, 201, "{path}");
    }
    format!("{environments}/web")
}

/// Microseconds of CPU of one GET.
async fn each(state: &Arc<AppState>, path: &str, token: &str, gets: usize) -> f64 {
    let before = own_seconds();
    for _ in 0..gets {
        let code = send(state, Method::GET, path, token, String::new()).await;
        assert_eq!(code, 200, "{path}");
    }
    (own_seconds() - before) * 1e6 / gets as f64
}

async fn send(state: &Arc<AppState>, method: Method, path: &str, token: &str, body: String) -> u16 {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Body::from(body))
        .expect("a request");
    kube::handle(state.clone(), "/kube", request).await.status().as_u16()
}
