//! The shell of a machine that has no sandbox: a few commands, and nothing that a client sends is
//! run. It says so.

use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};

use super::session::{End, Request};
use super::{Isolation, Machine, answers};

/// Longest line that is typed, and most input that is kept for a command.
const LINE_MAX: usize = 4096;
const INPUT_MAX: usize = 256 * 1024;
const COMMANDS: &str = "cat cloud-init date echo exit false help hostname id ls pwd true uname \
                        whoami";

pub(super) async fn run(channel: Channel<Msg>, machine: &Machine, request: Request) -> Option<End> {
    let (mut from, to) = channel.split();
    match &request.command {
        Some(command) => {
            // Only what reads its input waits for it.
            let input = match command.contains("/bin/sh -s") {
                true => input(&mut from).await?,
                false => String::new(),
            };
            let (text, code) = once(machine, command, &input);
            let sent = match code {
                0 => to.data_bytes(text.into_bytes()).await,
                _ => to.extended_data_bytes(1, text.into_bytes()).await,
            };
            sent.ok().map(|()| End::Code(code))
        }
        None => shell(&mut from, &to, machine, request.terminal.is_some()).await,
    }
}

/// Everything up to the end of the input.
async fn input(from: &mut ChannelReadHalf) -> Option<String> {
    let mut all = Vec::new();
    loop {
        match from.wait().await? {
            ChannelMsg::Data { data } if all.len() + data.len() <= INPUT_MAX => {
                all.extend_from_slice(&data);
            }
            ChannelMsg::Eof => return Some(String::from_utf8_lossy(&all).into_owned()),
            ChannelMsg::Close | ChannelMsg::Data { .. } => return None,
            _ => {}
        }
    }
}

/// A command's answer and code.
fn once(machine: &Machine, command: &str, input: &str) -> (String, u32) {
    let stands_in = answers::stands_in(machine, command);
    if let Some(answer) = stands_in.or_else(|| answers::answer(machine, command, input)) {
        return answer;
    }
    let words: Vec<&str> = command.split_whitespace().collect();
    let boot = &machine.boot;
    let home = format!("/home/{}", boot.user);
    let text = match words.as_slice() {
        [] | ["true"] => String::new(),
        ["false"] => return (String::new(), 1),
        ["help"] => format!("There are: {COMMANDS}\n"),
        ["pwd"] => format!("{home}\n"),
        ["whoami"] => format!("{}\n", boot.user),
        ["hostname"] => format!("{}\n", boot.hostname),
        ["uname", ..] => "Linux\n".to_owned(),
        ["id"] => format!("uid=1000({0}) gid=1000({0})\n", boot.user),
        ["date"] => format!("{}\n", super::install::now()),
        ["echo", rest @ ..] => format!("{}\n", rest.join(" ")),
        ["exit"] => String::new(),
        ["exit", code] => return (String::new(), code.parse().unwrap_or(2)),
        ["ls"] => machine.disk.list(&home).join("\n") + "\n",
        ["ls", folder] => machine.disk.list(&absolute(&home, folder)).join("\n") + "\n",
        ["cat", file] => match machine.disk.read(&absolute(&home, file)) {
            Ok(text) => text,
            Err(error) => return (format!("cat: {file}: {error}\n"), 1),
        },
        [name, ..] => {
            let text = format!("{name}: not known to the built-in shell; there are: {COMMANDS}\n");
            return (text, 127);
        }
    };
    (text, 0)
}

fn absolute(home: &str, path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{home}/{path}") }
}

fn greeting(machine: &Machine) -> String {
    let why = match &machine.boot.isolation {
        Isolation::BuiltIn(why) => why.as_str(),
        _ => "",
    };
    format!(
        "Simulated machine {}. {why}, so nothing is run here: this is a built-in shell of a few \
         commands (help).\n",
        machine.boot.name
    )
}

async fn shell(
    from: &mut ChannelReadHalf,
    to: &ChannelWriteHalf<Msg>,
    machine: &Machine,
    terminal: bool,
) -> Option<End> {
    let prompt = match terminal {
        true => format!("{}@{}:~$ ", machine.boot.user, machine.boot.hostname),
        false => String::new(),
    };
    let shown = |text: &str| match terminal {
        true => text.replace('\n', "\r\n").into_bytes(),
        false => text.to_owned().into_bytes(),
    };
    to.data_bytes(shown(&(greeting(machine) + &prompt))).await.ok()?;
    let mut line = String::new();
    loop {
        let data = match from.wait().await? {
            ChannelMsg::Data { data } => data,
            ChannelMsg::Eof => return Some(End::Code(0)),
            ChannelMsg::Signal { signal } if !matches!(signal, Sig::INT) => {
                return Some(End::Killed(signal));
            }
            ChannelMsg::Close => return None,
            _ => continue,
        };
        for character in String::from_utf8_lossy(&data).chars() {
            let echo = match character {
                '\r' | '\n' => {
                    let command = std::mem::take(&mut line);
                    let (text, code) = once(machine, &command, "");
                    let newline = if terminal { "\n" } else { "" };
                    to.data_bytes(shown(&format!("{newline}{text}{prompt}"))).await.ok()?;
                    if command.split_whitespace().next() == Some("exit") {
                        return Some(End::Code(code));
                    }
                    continue;
                }
                '\u{3}' => {
                    line.clear();
                    format!("^C\n{prompt}")
                }
                '\u{4}' if line.is_empty() => return Some(End::Code(0)),
                '\u{8}' | '\u{7f}' if line.pop().is_some() => "\u{8} \u{8}".to_owned(),
                c if c.is_control() || line.len() >= LINE_MAX => continue,
                c => {
                    line.push(c);
                    c.to_string()
                }
            };
            if terminal {
                to.data_bytes(shown(&echo)).await.ok()?;
            }
        }
    }
}
