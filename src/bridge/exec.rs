//! A command on a machine, to its end.

use std::time::Duration;

use devpocket_controllers::guest::{GuestError, Output};
use russh::ChannelMsg;

use super::client::{Connection, lost};

/// How long a command may take that only looks or writes.
pub(super) const COMMAND_LIMIT: Duration = Duration::from_secs(60);
/// Bytes kept of what a command prints, and of what it complains. More ends it.
const STDOUT_MAX: usize = 1024 * 1024;
const STDERR_MAX: usize = 16 * 1024;

/// How long one may take that may install a package: a shell.
pub(super) const PACKAGE_LIMIT: Duration = Duration::from_secs(300);

/// Runs it with this input.
pub(super) async fn run(
    connection: &Connection,
    command: &str,
    input: &[u8],
    limit: Duration,
) -> Result<Output, GuestError> {
    let ran = tokio::time::timeout(limit, finish(connection, command, input)).await;
    let took_too_long = || GuestError::Broken(format!("a command did not end within {limit:?}"));
    ran.map_err(|_| took_too_long())?
}

async fn finish(
    connection: &Connection,
    command: &str,
    input: &[u8],
) -> Result<Output, GuestError> {
    let channel = connection.session().await?;
    channel.exec(true, command).await.map_err(|error| lost(&error))?;
    let mut output = Output::default();
    let (mut read, write) = channel.split();
    let send = async {
        // A command may end without reading; what it left is judged by its code.
        let _ = write.data_bytes(input.to_vec()).await;
        let _ = write.eof().await;
        std::future::pending().await
    };
    let receive = async {
        let mut ended = false;
        while let Some(message) = read.wait().await {
            match message {
                ChannelMsg::Data { data } => output.stdout.extend_from_slice(&data),
                ChannelMsg::ExtendedData { data, .. } => {
                    let room = STDERR_MAX.saturating_sub(output.stderr.len());
                    output.stderr.extend_from_slice(&data[..data.len().min(room)]);
                }
                ChannelMsg::ExitStatus { exit_status } => {
                    (output.code, ended) = (Some(exit_status), true);
                }
                ChannelMsg::ExitSignal { .. } => ended = true,
                ChannelMsg::Failure => {
                    return Err(GuestError::Broken("the machine runs no commands".into()));
                }
                _ => {}
            }
            if output.stdout.len() > STDOUT_MAX {
                let why = format!("a command printed more than {STDOUT_MAX} bytes");
                return Err(GuestError::Broken(why));
            }
        }
        match ended {
            true => Ok(()),
            false => Err(GuestError::NotYet("the connection was lost while a command ran".into())),
        }
    };
    tokio::select! {
        never = send => never,
        done = receive => done?,
    }
    Ok(output)
}
