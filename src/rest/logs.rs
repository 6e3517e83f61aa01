//! `WS /ws/logs/{id}`: how an installation goes, in the app's messages.
//!
//! It is opened with a ticket (`?ticket=`, see `POST /ws-tickets`), with a bearer token in the header,
//! or as older clients do with an access token (`?token=`). A ticket or header that is wrong is refused
//! as HTTP; an older client is told over the socket, closed with 1008.
//!
//! # Guarantees
//! - History, then what comes, each line once and in order. A reader that is slow is waited for, not
//!   buffered for; one that stops reading is let go.
//! - `progress` does not fall within an installation.
//! - Who may not read it any more is disconnected ([`Standing::ends`]).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts as _, Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use devpocket_controllers::install::Line;
use devpocket_specs::environment::{Environment, Phase};
use devpocket_specs::install::{InstallState, InstallStatus};
use devpocket_specs::object::Resource;
use futures::stream::SplitSink;
use futures::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{interval, timeout};

use super::environments::{attributes, found};
use super::problem::Problem;
use super::sockets::Socket;
use crate::access::{AuthError, Standing, User};
use crate::lines::{InstallLines, Stands, Telling, Told};
use crate::server::AppState;

/// Largest message that is read.
const MESSAGE_MAX: usize = 64 * 1024;
/// A ping keeps proxies from cutting an idle socket.
const PING: Duration = Duration::from_secs(20);
/// A reader that takes nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new().route("/ws/logs/{id}", get(open))
}

#[derive(Default, Deserialize)]
struct Asked {
    ticket: Option<String>,
    token: Option<String>,
    follow: Option<bool>,
    /// Begin after the line of this number.
    after: Option<i64>,
}

async fn open(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    query: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let asked = query.map(|Query(asked)| asked).unwrap_or_default();
    let (mut parts, _) = request.into_parts();
    let has_header = parts.headers.contains_key(header::AUTHORIZATION);
    let old = asked.ticket.is_none() && !has_header && asked.token.is_some();
    let admitted = async {
        let user = match (&asked.ticket, &asked.token) {
            (Some(ticket), _) => {
                state.authenticator.redeem(ticket).await.map_err(|e| refused(&e, true))?
            }
            (None, Some(token)) if !has_header => {
                state.authenticator.authenticate(token).await.map_err(|e| refused(&e, false))?
            }
            _ => crate::kube::authenticate(&state, &parts.headers).await?,
        };
        let environment = found(&state, &user, &id, "get", "log").await?;
        let lines = state.lines.clone().ok_or_else(|| {
            Problem::new(StatusCode::NOT_IMPLEMENTED, "this server keeps no logs")
        })?;
        let socket = state.sockets.open(&user.name).ok_or_else(|| Problem {
            retry_after: Some(5),
            ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "Too many connections")
        })?;
        Ok::<_, Problem>(Admitted { user, environment, lines, socket })
    };
    let admitted = admitted.await;
    if let (Err(problem), false) = (&admitted, old) {
        return Err(problem.clone());
    }
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let upgrade = upgrade.map_err(|_| {
        Problem::new(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket; the request is none")
    })?;
    let upgrade = upgrade.max_message_size(MESSAGE_MAX).max_frame_size(MESSAGE_MAX);
    Ok(upgrade.on_upgrade(move |socket| async move {
        match admitted {
            Ok(admitted) => serve(&state, socket, admitted, &asked).await,
            Err(problem) => turned_away(socket, &problem).await,
        }
    }))
}

struct Admitted {
    user: User,
    environment: Environment,
    lines: InstallLines,
    socket: Socket,
}

fn refused(error: &AuthError, ticket: bool) -> Problem {
    match error {
        AuthError::Invalid(why) if ticket => Problem::new(StatusCode::FORBIDDEN, why.clone()),
        AuthError::Invalid(why) => Problem::unauthorized(why.clone()),
        AuthError::Unavailable(_) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        }
    }
}

/// An older client reads why on the socket.
async fn turned_away(mut socket: WebSocket, problem: &Problem) {
    let reason = match problem.code {
        StatusCode::UNAUTHORIZED => "Authentication failed",
        StatusCode::NOT_FOUND => "Environment not found",
        StatusCode::TOO_MANY_REQUESTS => "Too many connections",
        StatusCode::FORBIDDEN => "Forbidden",
        _ => "Internal server error",
    };
    let code = if problem.code.is_server_error() { 1011 } else { 1008 };
    let error = json!({"type": "error", "message": reason}).to_string();
    let _ = socket.send(Message::Text(error.into())).await;
    let frame = CloseFrame { code, reason: reason.into() };
    let _ = socket.send(Message::Close(Some(frame))).await;
}

async fn serve(state: &AppState, socket: WebSocket, admitted: Admitted, asked: &Asked) {
    let Admitted { user, environment, lines, socket: _counted } = admitted;
    let follow = asked.follow.unwrap_or(true);
    let (to, mut from) = socket.split();
    let uid = environment.uid();
    let telling = Telling::new(
        &lines,
        state.store.clone(),
        environment.key(),
        uid,
        asked.after.unwrap_or(0).max(0),
    );
    let name = environment.spec.display_name.as_ref().unwrap_or(&environment.metadata.name);
    let mut view = View { to, id: uid.to_string(), of: (String::new(), 0), said: None };
    let rests_on = vec![attributes(&environment, "get", "log")];
    let (authenticator, authorizer) = (state.authenticator.clone(), state.authorizer.clone());
    let revoked = Standing::new(user, rests_on, authenticator, authorizer).ends();
    let welcome = json!({"type": "welcome", "message": format!("Connected to {name} logs")});
    if view.send(&welcome).await.is_none() {
        return;
    }
    let (pongs, mut wanted) = tokio::sync::mpsc::channel(1);
    let (code, reason) = tokio::select! {
        ended = view.tell(telling, follow, &mut wanted) => match ended {
            Some(ended) => ended,
            None => return,
        },
        () = hear(&mut from, pongs) => return,
        _ = revoked => (4403, "you may not read this any more"),
        () = state.shutdown.cancelled() => (1012, "the server restarts"),
    };
    let frame = CloseFrame { code, reason: reason.into() };
    let _ = timeout(PATIENCE, view.to.send(Message::Close(Some(frame)))).await;
}

/// What the client says, until it is gone. Each `ping` is answered; a flood of them is one.
async fn hear(
    from: &mut futures::stream::SplitStream<WebSocket>,
    pongs: tokio::sync::mpsc::Sender<()>,
) {
    while let Some(Ok(message)) = from.next().await {
        match message {
            Message::Text(text) => {
                let said: Value = serde_json::from_str(&text).unwrap_or_default();
                if said["type"] == "ping" {
                    let _ = pongs.try_send(());
                }
            }
            Message::Close(_) => return,
            _ => {}
        }
    }
}

/// One client's view of the stream.
struct View {
    to: SplitSink<WebSocket, Message>,
    /// The environment's.
    id: String,
    /// Highest progress told, and of which installation.
    of: (String, u8),
    /// State and message told last.
    said: Option<(InstallState, Phase, String)>,
}

impl View {
    /// Tells until there is nothing more to tell; nothing if the client is gone.
    async fn tell(
        &mut self,
        mut telling: Telling,
        follow: bool,
        pongs: &mut tokio::sync::mpsc::Receiver<()>,
    ) -> Option<(u16, &'static str)> {
        let mut pings = interval(PING);
        loop {
            let told = if follow {
                tokio::select! {
                    told = telling.next() => Some(told),
                    Some(()) = pongs.recv() => {
                        self.send(&json!({"type": "pong"})).await?;
                        continue;
                    }
                    _ = pings.tick() => {
                        let ping = self.to.send(Message::Ping(Vec::new().into()));
                        timeout(PATIENCE, ping).await.ok()?.ok()?;
                        continue;
                    }
                }
            } else {
                telling.at_hand().await
            };
            match told {
                Some(Told::Lines(lines)) => {
                    for line in &lines {
                        self.line(line).await?;
                    }
                }
                Some(Told::Stands(stands)) => self.stands(&stands).await?,
                Some(Told::Gone) => return Some((4404, "the environment is gone")),
                None => return Some((1000, "Log stream complete")),
            }
        }
    }

    async fn send(&mut self, message: &Value) -> Option<()> {
        let sent = self.to.send(Message::Text(message.to_string().into()));
        timeout(PATIENCE, sent).await.ok()?.ok()
    }

    async fn line(&mut self, line: &Line) -> Option<()> {
        if line.installation != self.of.0 {
            self.of = (line.installation.clone(), 0);
        }
        self.of.1 = self.of.1.max(line.percent);
        let message = json!({
            "type": "installation_log", "environment_id": self.id, "phase": phase(self.of.1),
            "data": format!("{}\n", line.text), "source": line.source, "progress": self.of.1,
            "timestamp": line.at.to_string(), "number": line.number,
        });
        self.send(&message).await
    }

    async fn stands(&mut self, stands: &Stands) -> Option<()> {
        let Some(install) = &stands.install else { return Some(()) };
        let generation = format!("/{}", install.generation);
        if !self.of.0.ends_with(&generation) {
            self.of = (generation, 0);
        }
        self.of.1 = self.of.1.max(install.percent);
        let said = (install.state, stands.phase, text(install, stands));
        if self.said.as_ref() == Some(&said) {
            return Some(());
        }
        let before = self.said.replace(said).map(|(state, _, _)| state);
        let status = json!({
            "type": "installation_status", "environment_id": self.id,
            "status": stands.phase, "message": text(install, stands), "progress": self.of.1,
        });
        self.send(&status).await?;
        let news = before != Some(install.state);
        match install.state {
            InstallState::Succeeded if news => {
                let complete = json!({
                    "type": "installation_complete", "environment_id": self.id,
                    "status": "running", "warnings": install.warnings,
                });
                self.send(&complete).await
            }
            InstallState::Failed if news => {
                let error = install.error.clone().unwrap_or_default();
                let failed = json!({
                    "type": "installation_error", "environment_id": self.id,
                    "error": error.message, "code": error.code, "step": error.step,
                    "lines": error.lines,
                });
                self.send(&failed).await
            }
            _ => Some(()),
        }
    }
}

fn text(install: &InstallStatus, stands: &Stands) -> String {
    match install.state {
        InstallState::Running if !install.step.is_empty() => format!("Installing {}", install.step),
        _ => stands.message.clone(),
    }
}

/// The app's word for how far an installation is.
fn phase(percent: u8) -> &'static str {
    match percent {
        0..20 => "system_setup",
        20..30 => "user_setup",
        30..60 => "core_tools",
        60..80 => "development_tools",
        80..95 => "configuration",
        _ => "completion",
    }
}
