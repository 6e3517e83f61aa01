//! A program in a session: a shell on a terminal, or a command on pipes.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::session::{End, Request};
use super::terminal::{Screen, Size, Terminal};
use super::{Isolation, Machine, answers};

/// Bytes read of a terminal at once.
const CHUNK: usize = 16 * 1024;
/// How long a terminal is still read after its shell ended, while something keeps it open.
const DRAIN: Duration = Duration::from_millis(200);
/// The code of a command that cannot be started, as shells have it.
const NOT_STARTED: u32 = 127;
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs it; nothing is answered where the client left before the end.
pub(super) async fn run(channel: Channel<Msg>, machine: &Machine, request: Request) -> Option<End> {
    let (from, to) = channel.split();
    if let Some((text, code)) =
        request.command.as_deref().and_then(|command| answers::stands_in(machine, command))
    {
        return to.data_bytes(text.into_bytes()).await.ok().map(|()| End::Code(code));
    }
    let ran = match request.terminal.clone() {
        Some((kind, size)) => on_terminal(from, &to, machine, &request, (&kind, size)).await,
        None => on_pipes(from, &to, machine, &request).await,
    };
    match ran {
        Ok(end) => end,
        Err(error) => {
            let text = format!("{}: the program cannot be started: {error}\n", machine.boot.name);
            let _ = to.extended_data_bytes(1, text.into_bytes()).await;
            Some(End::Code(NOT_STARTED))
        }
    }
}

/// The program with the variables of a sign-in and no others.
fn program(machine: &Machine, request: &Request, terminal: Option<&str>) -> Command {
    let boot = &machine.boot;
    let shell = match Path::new(&boot.shell).exists() {
        true => boot.shell.as_str(),
        false => "/bin/sh",
    };
    let mut command = match terminal {
        // The terminal becomes the one that ^C comes from.
        Some(_) => {
            let mut command = Command::new("setsid");
            command.arg("--ctty").arg(shell);
            command
        }
        None => Command::new(shell),
    };
    match &request.command {
        Some(line) => command.arg("-c").arg(line),
        None => command.arg("-l"),
    };
    let home = machine.disk.at(&format!("/home/{}", boot.user));
    command.env_clear().envs(request.variables.iter().map(|(name, value)| (name, value)));
    command
        .env("HOME", &home)
        .env("USER", &boot.user)
        .env("LOGNAME", &boot.user)
        .env("SHELL", shell)
        .env("PATH", PATH)
        .kill_on_drop(true);
    if let Some(kind) = terminal {
        command.env("TERM", kind);
    }
    command.current_dir(if home.is_dir() { home } else { "/".into() });
    command
}

/// What whoever gets a shell is told first.
fn greeting(machine: &Machine) -> String {
    let what = match machine.boot.isolation {
        Isolation::Sandbox => {
            "The shell is real and sandboxed: the disk is this machine's own, your computer's \
             programs are there read-only, and no network is."
        }
        _ => "Nothing keeps this shell from your computer (--unsafe-host-shell).",
    };
    format!("Simulated machine {}. {what}\r\n", machine.boot.name)
}

async fn on_terminal(
    mut from: ChannelReadHalf,
    to: &ChannelWriteHalf<Msg>,
    machine: &Machine,
    request: &Request,
    (kind, size): (&str, Size),
) -> io::Result<Option<End>> {
    if request.command.is_none() {
        let _ = to.data_bytes(greeting(machine).into_bytes()).await;
    }
    let (mut terminal, mut screen, end) = Terminal::open(size)?;
    let mut command = program(machine, request, Some(kind));
    command.stdin(end.try_clone()?).stdout(end.try_clone()?).stderr(end);
    let mut child = command.spawn()?;
    // It holds the program's end of the terminal, which would then never close.
    drop(command);
    let group = group_of(&child);
    let output = shown(&mut screen, to, &mut child);
    let input = typed(&mut from, &mut terminal, group);
    let end = tokio::select! {
        end = output => Some(end?),
        () = input => None,
    };
    if end.is_none() {
        hang_up(group);
    }
    Ok(end)
}

/// Sends what the terminal shows until its shell has ended.
async fn shown(
    screen: &mut Screen,
    to: &ChannelWriteHalf<Msg>,
    child: &mut Child,
) -> io::Result<End> {
    let mut buffer = vec![0; CHUNK];
    let mut ended = None;
    loop {
        let read = match ended {
            None => tokio::select! {
                read = screen.read(&mut buffer) => read?,
                status = child.wait() => {
                    ended = Some(status?);
                    continue;
                }
            },
            Some(_) => match tokio::time::timeout(DRAIN, screen.read(&mut buffer)).await {
                Ok(read) => read?,
                Err(_elapsed) => 0,
            },
        };
        if read == 0 {
            let status = match ended {
                Some(status) => status,
                None => child.wait().await?,
            };
            return Ok(end_of(status));
        }
        let bytes = Bytes::copy_from_slice(&buffer[..read]);
        if to.data_bytes(bytes).await.is_err() {
            return Ok(End::Killed(Sig::HUP));
        }
    }
}

/// Takes what is typed; returns when the client has closed the channel.
async fn typed(from: &mut ChannelReadHalf, terminal: &mut Terminal, group: Option<Pid>) {
    while let Some(message) = from.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                let written = terminal.write_all(&data).await;
                if written.is_err() {
                    return std::future::pending().await;
                }
            }
            ChannelMsg::WindowChange { col_width, row_height, .. } => {
                terminal.resize(Size::new(col_width, row_height));
            }
            ChannelMsg::Signal { signal } => send(&signal, terminal.foreground().or(group)),
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}

async fn on_pipes(
    mut from: ChannelReadHalf,
    to: &ChannelWriteHalf<Msg>,
    machine: &Machine,
    request: &Request,
) -> io::Result<Option<End>> {
    let mut command = program(machine, request, None);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let group = group_of(&child);
    let missing = || io::Error::other("a pipe is missing");
    let mut stdin = Some(child.stdin.take().ok_or_else(missing)?);
    let mut stdout = child.stdout.take().ok_or_else(missing)?;
    let mut stderr = child.stderr.take().ok_or_else(missing)?;
    let (mut out, mut err) = (to.make_writer(), to.make_writer_ext(Some(1)));
    let output = async {
        let copied = tokio::join!(
            tokio::io::copy(&mut stdout, &mut out),
            tokio::io::copy(&mut stderr, &mut err),
            child.wait()
        );
        copied.2
    };
    let input = async {
        while let Some(message) = from.wait().await {
            match message {
                ChannelMsg::Data { data } => {
                    if let Some(pipe) = &mut stdin
                        && pipe.write_all(&data).await.is_err()
                    {
                        stdin = None;
                    }
                }
                ChannelMsg::Eof => stdin = None,
                ChannelMsg::Signal { signal } => send(&signal, group),
                ChannelMsg::Close => return,
                _ => {}
            }
        }
    };
    tokio::select! {
        status = output => return Ok(Some(end_of(status?))),
        () = input => {}
    }
    hang_up(group);
    Ok(None)
}

fn group_of(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
}

fn hang_up(group: Option<Pid>) {
    send(&Sig::HUP, group);
}

/// The signals of the protocol, with those of this system.
const SIGNALS: [(Sig, Signal); 12] = [
    (Sig::ABRT, Signal::ABORT),
    (Sig::ALRM, Signal::ALARM),
    (Sig::FPE, Signal::FPE),
    (Sig::HUP, Signal::HUP),
    (Sig::ILL, Signal::ILL),
    (Sig::INT, Signal::INT),
    (Sig::KILL, Signal::KILL),
    (Sig::PIPE, Signal::PIPE),
    (Sig::QUIT, Signal::QUIT),
    (Sig::SEGV, Signal::SEGV),
    (Sig::TERM, Signal::TERM),
    (Sig::USR1, Signal::USR1),
];

fn send(signal: &Sig, group: Option<Pid>) {
    let same = |name: &Sig| std::mem::discriminant(name) == std::mem::discriminant(signal);
    let known = SIGNALS.iter().find(|(name, _)| same(name));
    if let (Some((_, signal)), Some(group)) = (known, group) {
        let _ = kill_process_group(group, *signal);
    }
}

fn end_of(status: ExitStatus) -> End {
    if let Some(number) = status.signal() {
        let known = SIGNALS.iter().find(|(_, signal)| signal.as_raw() == number);
        let custom = || Sig::Custom(format!("{number}@devpocket"));
        return End::Killed(known.map_or_else(custom, |(name, _)| name.clone()));
    }
    End::Code(status.code().and_then(|code| u32::try_from(code).ok()).unwrap_or(NOT_STARTED))
}
