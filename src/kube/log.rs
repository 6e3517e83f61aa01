//! `GET .../environments/NAME/log`: what the installation prints, one JSON document a line, oldest
//! first.
//!
//! `after=N` begins after line number N, `tailLines=N` with the last N. With `follow=true` the answer
//! goes on until the installation has ended, and its last document says how: `{"end": "Succeeded"}`.
//! An answer without an end was cut, and is gone on with by `after`.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::Response;
use devpocket_controllers::install::Line;
use devpocket_specs::kind::Kind;
use devpocket_specs::status::{Reason, Status};
use futures::future::BoxFuture;
use futures::{FutureExt as _, stream};
use serde_json::{Value, json};

use super::call::Call;
use super::path::ResourcePath;
use super::reply;
use crate::access::{Ended, Standing};
use crate::lines::{Stands, Telling, Told};
use crate::server::AppState;

pub(super) async fn read(call: Call, resource: ResourcePath) -> Result<Response, Status> {
    let key = resource.key();
    let stored = call.state.store.get(&key).await?.ok_or_else(|| Status::not_found(&key))?;
    let Some(lines) = call.state.lines.clone() else {
        let message = "this server keeps no lines of installations";
        return Err(Status::new(Reason::ServiceUnavailable, message).about(&key));
    };
    let uid = stored.uid();
    let failed = |error: devpocket_controllers::install::LinesError| {
        tracing::error!("{error}");
        Status::new(Reason::ServiceUnavailable, "the database does not answer").about(&key)
    };
    let after = match (call.params.after, call.params.tail_lines) {
        (Some(after), _) => after,
        (None, Some(count)) => lines.before_last(uid, count).await.map_err(failed)?,
        (None, None) => 0,
    };
    let telling = Telling::new(&lines, call.state.store.clone(), key, uid, after);
    let (authenticator, authorizer) =
        (call.state.authenticator.clone(), call.state.authorizer.clone());
    let rests_on = call.rests_on(Kind::Environment);
    let standing = Standing::new(call.user, rests_on, authenticator, authorizer);
    let reader = Reader {
        telling,
        follow: call.params.follow,
        stands: None,
        state: call.state,
        revoked: standing.ends().boxed(),
        over: false,
    };
    let documents = stream::unfold(reader, |mut reader| async move {
        let bytes = reader.next().await?;
        Some((Ok::<Bytes, std::convert::Infallible>(bytes), reader))
    });
    Ok(reply::document(StatusCode::OK, Body::from_stream(documents)))
}

struct Reader {
    telling: Telling,
    follow: bool,
    /// What was told last.
    stands: Option<Stands>,
    state: Arc<AppState>,
    /// Who may not read it any more is told nothing more.
    revoked: BoxFuture<'static, Ended>,
    over: bool,
}

impl Reader {
    /// The next documents; none when it is over, or must be.
    async fn next(&mut self) -> Option<Bytes> {
        while !self.over {
            let ended = self.stands.as_ref().is_some_and(Stands::ended);
            let told = if self.follow && !ended {
                let Reader { telling, state, revoked, .. } = self;
                tokio::select! {
                    told = telling.next() => Some(told),
                    _ = revoked => return None,
                    () = state.shutdown.cancelled() => return None,
                }
            } else {
                self.telling.at_hand().await
            };
            match told {
                Some(Told::Lines(lines)) => return Some(documents(&lines)),
                Some(Told::Stands(stands)) => self.stands = Some(*stands),
                Some(Told::Gone) => return None,
                None => {
                    self.over = true;
                    return Some(end(self.stands.as_ref(), self.telling.seen()));
                }
            }
        }
        None
    }
}

fn documents(lines: &[Line]) -> Bytes {
    let mut text = String::new();
    for line in lines {
        let document = json!({
            "number": line.number, "source": line.source, "offset": line.offset,
            "at": line.at, "step": line.step, "percent": line.percent, "line": line.text,
        });
        text.push_str(&document.to_string());
        text.push('\n');
    }
    text.into()
}

fn end(stands: Option<&Stands>, number: i64) -> Bytes {
    let install = stands.and_then(|stands| stands.install.as_ref());
    let state = install.map_or(Value::Null, |install| json!(install.state));
    let mut document = json!({ "end": state, "number": number });
    if let Some(error) = install.and_then(|install| install.error.as_ref()) {
        document["error"] = json!(error);
    }
    format!("{document}\n").into()
}
