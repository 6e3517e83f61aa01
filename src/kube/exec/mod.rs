//! `GET .../environments/NAME/exec`: a session on the environment's machine, over a WebSocket.
//!
//! The frames are those of Kubernetes' `v5.channel.k8s.io`: the first byte is the channel (0 input,
//! 1 output, 2 errors, 3 how it ended, 4 size of the terminal, 5 a signal by its name, 255 the end
//! of the channel named by the next byte). The query says what is run: `command` once per word,
//! `tty`, `cols`, `rows`, `term`, or `subsystem=sftp`; nothing means a login shell.
//!
//! # Guarantees
//! - The machine is connected to, and has proved who it is, before the upgrade is answered: a
//!   failure is an HTTP status with a code. To a machine that is another one nothing is sent.
//! - Bytes go through as they are, both ways at once, with the backpressure of both ends.
//! - Each session is in the audit before a byte of it is carried: who, where, in which form and under
//!   which id, which is also the one in the certificate. What is typed or run is not.
//! - Who may not exec any more is disconnected as [`crate::access::Standing`] says.

mod asked;
mod carry;
mod place;

use std::sync::Arc;

use axum::extract::FromRequestParts as _;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::request::Parts;
use axum::response::Response;
use devpocket_controllers::guest::GuestError;
use devpocket_specs::status::{Reason, Status};
use serde_json::json;

use super::path::ResourcePath;
use crate::access::trail::{self, Entry};
use crate::access::{Attributes, Standing, User};
use crate::bridge::SignIn;
use crate::server::{AppState, ClientAddress, RequestId};

/// The frames' protocol.
pub const EXEC_PROTOCOL: &str = "v5.channel.k8s.io";
/// Largest frame that is read.
const FRAME_MAX: usize = 256 * 1024;
/// What is read of a socket at once; the usual 128 KiB are taken for each session, used or not.
const READ_BUFFER: usize = 8 * 1024;

/// A session as the audit knows it.
struct Noted {
    user: User,
    address: Option<String>,
    request_id: String,
    resource: ResourcePath,
}

pub(super) async fn serve(
    state: Arc<AppState>,
    user: User,
    attributes: Attributes,
    mut parts: Parts,
    resource: ResourcePath,
) -> Result<Response, Status> {
    let key = resource.key();
    let asked = asked::asked(parts.uri.query().unwrap_or_default())?;
    let place = place::of(&state, &key).await?;
    let noted = Noted {
        address: parts.extensions.get::<ClientAddress>().map(ToString::to_string),
        request_id: parts.extensions.get::<RequestId>().map_or(String::new(), |id| id.0.clone()),
        user: user.clone(),
        resource,
    };
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let upgrade = upgrade.map_err(|_| {
        Status::new(Reason::BadRequest, "a session is a WebSocket; this request is none")
    })?;
    let failed = |error: GuestError| place.refused(&error);
    let unavailable = || failed(GuestError::Own("no bridge runs here".into()));
    let bridge = state.bridge.clone().ok_or_else(unavailable)?;
    let session = state.ids.uid().to_string();
    let who = SignIn { person: user.name.clone(), session: session.clone() };
    let target = &place.target;
    let connection = bridge.connect(target, &who).await.map_err(failed)?;
    let channel = connection.session().await.map_err(failed)?;
    note(&state, &noted, asked.form(), &target.machine, &session).await?;
    let (read, write) = channel.split();
    let started = asked::start(&write, &asked).await;
    started.map_err(|error| failed(GuestError::NotYet(error.to_string())))?;
    tracing::info!(
        user = user.name, environment = %key, machine = target.machine, session,
        "a session on a machine begins"
    );
    let (authenticator, authorizer) = (state.authenticator.clone(), state.authorizer.clone());
    let standing = Standing::new(user, vec![attributes], authenticator, authorizer);
    Ok(upgrade
        .protocols([EXEC_PROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .max_message_size(FRAME_MAX)
        .max_frame_size(FRAME_MAX)
        .on_upgrade(move |socket| async move {
            carry::carry(socket, read, write, &state, standing).await;
            connection.close().await;
            tracing::info!(session, "a session on a machine ended");
        }))
}

/// Writes it down; what is not written down is not done.
async fn note(
    state: &AppState,
    noted: &Noted,
    form: &str,
    machine: &str,
    session: &str,
) -> Result<(), Status> {
    // Over a store that is not Postgres there is no audit either.
    let Some(keys) = &state.keys else { return Ok(()) };
    let entry = Entry {
        actor: noted.user.name.clone(),
        account: noted.user.account,
        address: noted.address.clone(),
        request_id: noted.request_id.clone(),
        verb: "exec".into(),
        subject: "guest-session".into(),
        name: noted.resource.name.clone(),
        namespace: noted.resource.namespace.clone(),
        after: Some(json!({"machine": machine, "session": session, "form": form})),
        ..Entry::default()
    };
    let written = async {
        let mut connection = keys.postgres.pool().acquire().await?;
        trail::record(&mut connection, state.ids.uid(), state.clock.now(), &entry).await
    };
    written.await.map_err(|error: sqlx::Error| {
        Status::new(Reason::ServiceUnavailable, format!("the database: {error}"))
            .with_code("unavailable")
    })
}
