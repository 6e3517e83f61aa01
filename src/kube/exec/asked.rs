//! What is asked to be run: the query.

use devpocket_specs::render::shell_quote;
use devpocket_specs::status::{Reason, Status};
use russh::ChannelWriteHalf;
use russh::client::Msg;

/// Words of a command.
const WORDS_MAX: usize = 256;
/// The largest terminal, in columns or rows.
pub(super) const CELLS_MAX: u32 = 500;
/// Bytes of a terminal's name.
const TERM_MAX: usize = 64;

/// What is run.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub command: Option<String>,
    pub terminal: Option<(String, u32, u32)>,
    pub subsystem: Option<String>,
}

/// Reads the query. What a word cannot hold is refused.
pub(super) fn asked(query: &str) -> Result<Asked, Status> {
    let pairs: Vec<(String, String)> = query_pairs(query);
    let all = |name: &str| -> Vec<String> {
        let named = pairs.iter().filter(|(key, _)| key == name);
        named.map(|(_, value)| value.clone()).collect()
    };
    let one = |name: &str| all(name).into_iter().next();
    let words: Vec<String> = all("command").into_iter().take(WORDS_MAX).collect();
    let quoted: Option<Vec<String>> = match words.as_slice() {
        // One word is a line for the shell, as with ssh.
        [line] => (!line.contains('\0')).then(|| vec![line.clone()]),
        words => words.iter().map(|word| shell_quote(word)).collect(),
    };
    let quoted = quoted
        .ok_or_else(|| Status::new(Reason::BadRequest, "a word of the command contains a NUL"))?;
    let size = |name: &str, usual: u32| {
        one(name).and_then(|text| text.parse().ok()).unwrap_or(usual).clamp(1, CELLS_MAX)
    };
    let is_true = |name: &str| one(name).as_deref() == Some("true");
    Ok(Asked {
        command: (!quoted.is_empty()).then(|| quoted.join(" ")),
        terminal: is_true("tty").then(|| {
            let kind = one("term").filter(|term| !term.is_empty() && term.len() <= TERM_MAX);
            (kind.unwrap_or_else(|| "xterm-256color".into()), size("cols", 80), size("rows", 24))
        }),
        subsystem: one("subsystem"),
    })
}

fn query_pairs(query: &str) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("http://localhost/?{query}"));
    url.map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default()
}

impl Asked {
    /// What it is, without what it says: a command line may hold a password.
    pub(super) fn form(&self) -> &'static str {
        match self {
            Asked { subsystem: Some(_), .. } => "files",
            Asked { command: Some(_), .. } => "command",
            _ => "shell",
        }
    }
}

pub(super) async fn start(
    write: &ChannelWriteHalf<Msg>,
    asked: &Asked,
) -> Result<(), russh::Error> {
    if let Some((kind, columns, rows)) = &asked.terminal {
        write.request_pty(false, kind, *columns, *rows, 0, 0, &[]).await?;
    }
    match (&asked.subsystem, &asked.command) {
        (Some(name), _) => write.request_subsystem(true, name.as_str()).await,
        (None, Some(command)) => write.exec(true, command.as_str()).await,
        (None, None) => write.request_shell(true).await,
    }
}
