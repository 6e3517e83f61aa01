//! The HTTP server: one listener, one router, and what every request passes before a handler.
//!
//! # A request's way
//! [`listen`] accepts it (bounded connections, bounded headers, a deadline for sending them), gives
//! it a request id and finds out whose it is ([`ClientAddress`]), [`gate`] refuses foreign `Host` and
//! `Origin` headers and answers preflights, [`counted`] refuses addresses that ask too often, and the
//! router hands it to [`health`], the metrics, the Kubernetes-style API ([`crate::kube`]) under
//! [`KUBE_PREFIX`], the mobile app's ([`crate::rest`]) under [`REST_PREFIX`], or the served pages
//! ([`crate::pages`]). Both APIs authenticate, count ([`count_user`]) and authorize by themselves;
//! without a token answer only `/health*`, the pages, and what leads to a token.
//!
//! # Guarantees
//! - Every refusal is a Kubernetes `Status` in JSON and carries the request id.
//! - After [`AppState::shutdown`] is cancelled no connection is accepted, watches end, requests
//!   under way finish within [`limits::DRAIN`].
//!
//! # Caveats
//! [`LocalTls`] speaks TLS and plain HTTP on one port, for loopback only. Beyond loopback
//! [`Server::bind`] wants a certificate ([`FileTls`], then TLS only) or a proxy in front. A browser on
//! the same machine could reach a loopback listener through a name it resolves there (DNS
//! rebinding), which is what the `Host` check is for.

pub mod limits;

pub mod limiter;

mod address;
mod certificate;
mod cors;
mod counted;
mod depth;
mod edge;
mod gate;
mod guard;
mod headers;
mod health;
mod listen;
mod reply;
mod request;
mod state;
mod tls;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{any, get};
use devpocket_specs::status::{Reason, Status};

pub use address::{ClientAddress, Proxies};
pub use certificate::{CertificateError, FileTls, LOOK_EVERY, TlsFiles};
pub use counted::{Api, count_user, too_many, too_many_rest};
pub use depth::Depth;
pub use edge::Edge;
pub use gate::AllowedHosts;
pub use listen::{Exposure, Server, ServerError};
pub use reply::{json, refuse};
pub use request::{Peer, RequestId};
pub use state::{AppState, Build, MetricsText, Probe, StoreProbe};
pub use tls::{LocalTls, TlsError};

/// Where the Kubernetes-style API lives: the path of a kubeconfig's `server:`.
pub const KUBE_PREFIX: &str = "/kube";

/// Where the API of the mobile app lives.
pub const REST_PREFIX: &str = "/api/v1";

/// Everything the server answers.
pub fn router(state: Arc<AppState>) -> Router {
    Router::new()
        .route("/health", get(health::health))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/kube", any(kube))
        .route("/kube/", any(kube))
        .route("/kube/{*path}", any(kube))
        .nest(
            REST_PREFIX,
            crate::rest::router(state.clone())
                .layer(from_fn_with_state(state.clone(), guard::bound)),
        )
        .merge(crate::pages::router())
        .fallback(nothing_here)
        .layer(from_fn_with_state(state.clone(), counted::count))
        .layer(from_fn_with_state(state.clone(), gate::check))
        .layer(from_fn_with_state(state.clone(), request::identify))
        .with_state(state)
}

async fn kube(State(state): State<Arc<AppState>>, request: Request) -> Response {
    crate::kube::handle(state, KUBE_PREFIX, request).await
}

async fn nothing_here() -> Response {
    let message =
        format!("nothing is served here; the APIs are under {KUBE_PREFIX} and {REST_PREFIX}");
    refuse(&Status::new(Reason::NotFound, message))
}
