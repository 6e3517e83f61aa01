//! One session channel: what leads up to a shell, a command or SFTP, and then that.

use std::sync::Arc;

use russh::server::{Handle, Msg};
use russh::{Channel, ChannelId, ChannelMsg, Sig};

use super::terminal::Size;
use super::{Isolation, Machine, builtin, files, process};

/// Variables a client may set; as Debian's sshd: locale only.
const ACCEPTED_VARIABLES: [&str; 2] = ["LANG", "LC_"];
/// Variables of a session, and bytes of each.
const VARIABLES_MAX: usize = 32;
const VARIABLE_BYTES_MAX: usize = 1024;

/// What was asked for before the program.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    pub terminal: Option<(String, Size)>,
    pub variables: Vec<(String, String)>,
    /// `None`: a login shell.
    pub command: Option<String>,
}

/// How a program ended.
#[derive(Clone, Debug)]
pub(super) enum End {
    Code(u32),
    Killed(Sig),
}

/// Serves the channel until it closes.
pub(super) async fn serve(mut channel: Channel<Msg>, handle: Handle, machine: Arc<Machine>) {
    let id = channel.id();
    let mut request = Request::default();
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::RequestPty { term, col_width, row_height, want_reply, .. } => {
                request.terminal = Some((term, Size::new(col_width, row_height)));
                answer(&handle, id, want_reply, true).await;
            }
            ChannelMsg::WindowChange { col_width, row_height, .. } => {
                if let Some((_, size)) = &mut request.terminal {
                    *size = Size::new(col_width, row_height);
                }
            }
            ChannelMsg::SetEnv { variable_name, variable_value, want_reply } => {
                let taken = accept_variable(&mut request, variable_name, variable_value);
                answer(&handle, id, want_reply, taken).await;
            }
            ChannelMsg::RequestShell { want_reply } => {
                answer(&handle, id, want_reply, true).await;
                return run(channel, handle, &machine, request).await;
            }
            ChannelMsg::Exec { want_reply, command } => {
                request.command = Some(String::from_utf8_lossy(&command).into_owned());
                answer(&handle, id, want_reply, true).await;
                return run(channel, handle, &machine, request).await;
            }
            ChannelMsg::RequestSubsystem { want_reply, name } => {
                let known =
                    name == "sftp" && !matches!(machine.boot.isolation, Isolation::BuiltIn(_));
                answer(&handle, id, want_reply, known).await;
                if known {
                    return files::serve(channel, &machine).await;
                }
            }
            ChannelMsg::AgentForward { want_reply } | ChannelMsg::RequestX11 { want_reply, .. } => {
                answer(&handle, id, want_reply, false).await;
            }
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}

async fn answer(handle: &Handle, id: ChannelId, wanted: bool, yes: bool) {
    if wanted {
        let _ = match yes {
            true => handle.channel_success(id).await,
            false => handle.channel_failure(id).await,
        };
    }
}

fn accept_variable(request: &mut Request, name: String, value: String) -> bool {
    let accepted = ACCEPTED_VARIABLES.iter().any(|start| name.starts_with(start))
        && request.variables.len() < VARIABLES_MAX
        && value.len() <= VARIABLE_BYTES_MAX;
    if accepted {
        request.variables.push((name, value));
    }
    accepted
}

async fn run(channel: Channel<Msg>, handle: Handle, machine: &Machine, request: Request) {
    let id = channel.id();
    let end = match machine.boot.isolation {
        Isolation::BuiltIn(_) => builtin::run(channel, machine, request).await,
        _ => process::run(channel, machine, request).await,
    };
    let _ = match end {
        Some(End::Code(code)) => handle.exit_status_request(id, code).await,
        Some(End::Killed(signal)) => {
            handle.exit_signal_request(id, signal, false, String::new(), String::new()).await
        }
        None => Ok(()),
    };
    let _ = handle.eof(id).await;
    let _ = handle.close(id).await;
}
