//! The frames of a session, both ways.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use serde_json::{Value, json};
use tokio::time::{Instant, interval_at, timeout};

use super::asked::CELLS_MAX;
use crate::access::{Ended, Standing};
use crate::server::AppState;

/// A ping keeps proxies from cutting an idle session.
const PING: Duration = Duration::from_secs(20);

/// How long a client may take to answer the end.
const CLOSING: Duration = Duration::from_secs(2);

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
const RESIZE: u8 = 4;
const SIGNAL: u8 = 5;
const END: u8 = 255;

/// Carries both ways until one of them ends.
pub(super) async fn carry(
    socket: WebSocket,
    read: ChannelReadHalf,
    write: ChannelWriteHalf<Msg>,
    state: &AppState,
    standing: Standing,
) {
    let (mut to, mut from) = socket.split();
    let (close, reason) = tokio::select! {
        ended = outwards(read, &mut to) => match ended {
            Some(status) => {
                let frame = [vec![STATUS], status.to_string().into_bytes()].concat();
                let _ = to.send(Message::Binary(frame.into())).await;
                (1000, "ended")
            }
            None => (1011, "the connection to the machine was lost"),
        },
        () = inwards(&mut from, &write) => return,
        _ = revoked(standing) => (4403, "you may not do this any more"),
        () = state.shutdown.cancelled() => (1012, "the server restarts"),
    };
    let frame = CloseFrame { code: close, reason: reason.into() };
    let _ = to.send(Message::Close(Some(frame))).await;
    // Whoever is cut off while it still writes may not read what was sent before.
    let rest = async { while let Some(Ok(_)) = from.next().await {} };
    let _ = timeout(CLOSING, rest).await;
}

/// From the machine; how it ended, or nothing if the connection was lost.
async fn outwards(
    mut read: ChannelReadHalf,
    to: &mut SplitSink<WebSocket, Message>,
) -> Option<Value> {
    let mut pings = interval_at(Instant::now() + PING, PING);
    let mut ended = None;
    loop {
        let message = tokio::select! {
            message = read.wait() => message,
            _ = pings.tick() => {
                to.send(Message::Ping(Vec::new().into())).await.ok()?;
                continue;
            }
        };
        match message {
            Some(ChannelMsg::Data { data }) => frame(to, STDOUT, &data).await?,
            Some(ChannelMsg::ExtendedData { data, .. }) => frame(to, STDERR, &data).await?,
            Some(ChannelMsg::ExitStatus { exit_status }) => ended = Some(exited(exit_status)),
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                ended = Some(killed(&signal_name));
            }
            Some(ChannelMsg::Failure) => {
                ended = Some(json!({
                    "status": "Failure", "reason": "InternalError",
                    "message": "the machine does not do this",
                }));
                return ended;
            }
            Some(_) => {}
            // Closed: what was printed before the end has arrived before it.
            None => return ended,
        }
    }
}

async fn frame(to: &mut SplitSink<WebSocket, Message>, channel: u8, data: &[u8]) -> Option<()> {
    let mut bytes = Vec::with_capacity(data.len() + 1);
    bytes.push(channel);
    bytes.extend_from_slice(data);
    to.send(Message::Binary(bytes.into())).await.ok()
}

fn exited(code: u32) -> Value {
    match code {
        0 => json!({"status": "Success"}),
        code => json!({
            "status": "Failure", "reason": "NonZeroExitCode",
            "message": format!("command terminated with exit code {code}"),
            "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
        }),
    }
}

fn killed(signal: &Sig) -> Value {
    let name = format!("{signal:?}");
    json!({
        "status": "Failure", "reason": "InternalError",
        "message": format!("command terminated by signal {name}"),
        "details": {"causes": [{"reason": "Signal", "message": name}]},
    })
}

/// To the machine, until the client is gone.
async fn inwards(from: &mut SplitStream<WebSocket>, write: &ChannelWriteHalf<Msg>) {
    while let Some(Ok(message)) = from.next().await {
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Close(_) => return,
            _ => continue,
        };
        let Some((channel, data)) = bytes.split_first() else { continue };
        let done = match *channel {
            STDIN => write.data_bytes(data.to_vec()).await,
            RESIZE => match size(data) {
                Some((columns, rows)) => write.window_change(columns, rows, 0, 0).await,
                None => Ok(()),
            },
            SIGNAL => match signal(data) {
                Some(signal) => write.signal(signal).await,
                None => Ok(()),
            },
            END if data == [STDIN] => write.eof().await,
            _ => Ok(()),
        };
        if done.is_err() {
            // The other direction tells how it ended.
            std::future::pending::<()>().await;
        }
    }
}

/// `{"Width":80,"Height":24}`
fn size(data: &[u8]) -> Option<(u32, u32)> {
    let size: Value = serde_json::from_slice(data).ok()?;
    let cells = |name: &str| Some(u32::try_from(size[name].as_u64()?).ok()?.clamp(1, CELLS_MAX));
    Some((cells("Width")?, cells("Height")?))
}

fn signal(data: &[u8]) -> Option<Sig> {
    Some(match data {
        b"HUP" => Sig::HUP,
        b"INT" => Sig::INT,
        b"QUIT" => Sig::QUIT,
        b"TERM" => Sig::TERM,
        b"KILL" => Sig::KILL,
        b"USR1" => Sig::USR1,
        _ => return None,
    })
}

/// Returns when the user may not do this any more. While that cannot be found out a session goes on:
/// whoever is removed is removed in the database that is asked.
async fn revoked(mut standing: Standing) -> Ended {
    loop {
        match standing.due() {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
        standing = match standing.asked_again().await {
            Ok(standing) => standing,
            Err(ended) => return ended,
        };
    }
}
