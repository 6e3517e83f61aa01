//! A session on a machine, from this end: frames over a WebSocket, to and from streams.

mod keyboard;

use std::time::Duration;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

pub use keyboard::{Escape, Keyboard};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
const RESIZE: u8 = 4;
const END: u8 = 255;
/// Bytes of input in a frame, and the largest frame that is read.
const CHUNK: usize = 32 * 1024;
const FRAME_MAX: usize = 1024 * 1024;
/// How long the end may take once everything is said.
const CLOSING: Duration = Duration::from_secs(2);

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    Code(u8),
    /// A signal ended the program.
    Signal(String),
    /// Without a word: the connection is gone, for this reason.
    Lost(String),
    /// The person left it with the escape.
    Left,
}

type Socket = WebSocketStream<reqwest::Upgraded>;

/// An open session.
pub struct Attached {
    socket: Socket,
}

impl Attached {
    pub async fn over(upgraded: reqwest::Upgraded) -> Attached {
        let config = WebSocketConfig::default()
            .max_message_size(Some(FRAME_MAX))
            .max_frame_size(Some(FRAME_MAX));
        let socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await;
        Attached { socket }
    }

    /// Runs it to its end. `input` is read to its end, if there is any; `sizes` are terminal sizes
    /// to tell.
    pub async fn run(
        self,
        input: Option<impl AsyncRead + Unpin>,
        mut out: impl AsyncWrite + Unpin,
        mut err: impl AsyncWrite + Unpin,
        sizes: impl futures::Stream<Item = (u16, u16)> + Unpin,
        escape: Option<Escape>,
    ) -> Ended {
        let (to, from) = self.socket.split();
        tokio::select! {
            ended = receive(from, &mut out, &mut err) => ended,
            ended = send(to, input, sizes, escape) => ended,
        }
    }

    /// The session's output and input as one stream, for SFTP.
    pub fn into_stream(self) -> tokio::io::DuplexStream {
        let (ours, theirs) = tokio::io::duplex(CHUNK);
        tokio::spawn(async move {
            let (read, mut write) = tokio::io::split(ours);
            let sizes = futures::stream::pending();
            self.run(Some(read), &mut write, tokio::io::sink(), sizes, None).await;
            let _ = write.shutdown().await;
        });
        theirs
    }
}

async fn receive(
    mut from: SplitStream<Socket>,
    out: &mut (impl AsyncWrite + Unpin),
    err: &mut (impl AsyncWrite + Unpin),
) -> Ended {
    let mut ended = None;
    let lost = |why: &str| Ended::Lost(why.to_owned());
    loop {
        let waited = match ended {
            None => from.next().await,
            Some(_) => tokio::time::timeout(CLOSING, from.next()).await.ok().flatten(),
        };
        let bytes = match waited {
            Some(Ok(Message::Binary(bytes))) => bytes,
            Some(Ok(Message::Close(frame))) => {
                let reason = frame.map(|frame| frame.reason.to_string()).unwrap_or_default();
                return ended.unwrap_or_else(|| lost(&reason));
            }
            Some(Ok(_)) => continue,
            Some(Err(error)) => return ended.unwrap_or_else(|| lost(&error.to_string())),
            None => return ended.unwrap_or_else(|| lost("the server closed it")),
        };
        let Some((channel, data)) = bytes.split_first() else { continue };
        let written = match *channel {
            STDOUT => written(out, data).await,
            STDERR => written(err, data).await,
            STATUS => {
                ended = Some(ending(data));
                Ok(())
            }
            _ => Ok(()),
        };
        // Nobody reads it any more, as in `exec | head`.
        if written.is_err() {
            return ended.unwrap_or(Ended::Signal("PIPE".into()));
        }
    }
}

async fn written(to: &mut (impl AsyncWrite + Unpin), data: &[u8]) -> std::io::Result<()> {
    to.write_all(data).await?;
    to.flush().await
}

fn ending(data: &[u8]) -> Ended {
    let status: Value = serde_json::from_slice(data).unwrap_or_default();
    if status["status"] == "Success" {
        return Ended::Code(0);
    }
    let cause = &status["details"]["causes"][0];
    let said = cause["message"].as_str().unwrap_or_default();
    match cause["reason"].as_str() {
        Some("ExitCode") => Ended::Code(said.parse().unwrap_or(u8::MAX)),
        Some("Signal") => Ended::Signal(said.to_owned()),
        _ => Ended::Lost(status["message"].as_str().unwrap_or("it failed").to_owned()),
    }
}

/// Sends until there is nothing more to send, and then waits: the other direction ends it.
async fn send(
    mut to: SplitSink<Socket, Message>,
    mut input: Option<impl AsyncRead + Unpin>,
    mut sizes: impl futures::Stream<Item = (u16, u16)> + Unpin,
    mut escape: Option<Escape>,
) -> Ended {
    let mut buffer = vec![0; CHUNK];
    if input.is_none() && to.send(frame(END, &[STDIN])).await.is_err() {
        return std::future::pending().await;
    }
    loop {
        let read = async {
            match &mut input {
                Some(input) => input.read(&mut buffer).await.unwrap_or(0),
                None => std::future::pending().await,
            }
        };
        let message = tokio::select! {
            Some((columns, rows)) = sizes.next() => {
                let size = json!({"Width": columns, "Height": rows}).to_string();
                frame(RESIZE, size.as_bytes())
            }
            read = read => match read {
                0 => {
                    input = None;
                    frame(END, &[STDIN])
                }
                read => {
                    let typed = &buffer[..read];
                    if escape.as_mut().is_some_and(|escape| escape.is_in(typed)) {
                        let _ = to.send(Message::Close(None)).await;
                        return Ended::Left;
                    }
                    frame(STDIN, typed)
                }
            },
        };
        if to.send(message).await.is_err() {
            return std::future::pending().await;
        }
    }
}

fn frame(channel: u8, data: &[u8]) -> Message {
    let mut bytes = Vec::with_capacity(data.len() + 1);
    bytes.push(channel);
    bytes.extend_from_slice(data);
    Message::Binary(bytes.into())
}
