//! A mail server of the test's own: speaks SMTP, keeps what it takes, and fails where it is told to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Where in a conversation it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It hangs up at once.
    Connect,
    Greeting,
    Hello,
    From,
    To,
    Data,
    /// After the letter: it was not taken.
    Letter,
    /// After the letter: it was taken, and the answer gets lost.
    Lost,
}

impl Phase {
    pub const ALL: [Phase; 8] = [
        Phase::Connect,
        Phase::Greeting,
        Phase::Hello,
        Phase::From,
        Phase::To,
        Phase::Data,
        Phase::Letter,
        Phase::Lost,
    ];
}

#[derive(Default)]
struct State {
    /// What to fail with, for this many conversations.
    fail: Option<(Phase, &'static str, u32)>,
    letters: Vec<Letter>,
    conversations: u32,
}

/// A letter that was taken.
#[derive(Clone, Debug)]
pub struct Letter {
    pub from: String,
    pub to: String,
    pub text: String,
}

impl Letter {
    pub fn header(&self, name: &str) -> String {
        let (head, _) = self.text.split_once("\r\n\r\n").expect("a letter has headers");
        let unfolded = head.replace("\r\n ", " ");
        let line = unfolded.split("\r\n").find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {head}")).trim_start_matches(": ").to_owned()
    }
}

pub struct MailServer {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl MailServer {
    pub async fn start() -> MailServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = shared.clone();
                tokio::spawn(async move {
                    let _ = converse(stream, state).await;
                });
            }
        });
        MailServer { address, state, task }
    }

    /// The next conversations end in this phase with this answer.
    pub fn fail(&self, phase: Phase, answer: &'static str, conversations: u32) {
        self.state.lock().unwrap().fail = Some((phase, answer, conversations));
    }

    pub fn letters(&self) -> Vec<Letter> {
        self.state.lock().unwrap().letters.clone()
    }

    pub fn conversations(&self) -> u32 {
        self.state.lock().unwrap().conversations
    }
}

/// What this conversation fails with.
fn begin(state: &Mutex<State>) -> Option<(Phase, &'static str)> {
    let mut state = state.lock().unwrap();
    state.conversations += 1;
    let (phase, answer, left) = state.fail?;
    state.fail = (left > 1).then_some((phase, answer, left - 1));
    Some((phase, answer))
}

async fn converse(stream: TcpStream, state: Arc<Mutex<State>>) -> std::io::Result<()> {
    let fails = begin(&state);
    let here = |phase: Phase, fine: &'static str| match fails {
        Some((failing, answer)) if failing == phase => answer,
        _ => fine,
    };
    if fails.is_some_and(|(phase, _)| phase == Phase::Connect) {
        return Ok(());
    }
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let mut say = async |text: &str| writer.write_all(format!("{text}\r\n").as_bytes()).await;
    say(here(Phase::Greeting, "220 mail.example.com ESMTP")).await?;
    let (mut from, mut to) = (String::new(), String::new());
    while let Some(line) = lines.next_line().await? {
        let word = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        match word.as_str() {
            "EHLO" => say(here(Phase::Hello, "250 mail.example.com")).await?,
            "MAIL" => {
                from = line.clone();
                say(here(Phase::From, "250 fine")).await?;
            }
            "RCPT" => {
                to = line.clone();
                say(here(Phase::To, "250 fine")).await?;
            }
            "DATA" => {
                let answer = here(Phase::Data, "354 go on");
                say(answer).await?;
                if !answer.starts_with('3') {
                    continue;
                }
                let mut text = String::new();
                while let Some(line) = lines.next_line().await? {
                    if line == "." {
                        break;
                    }
                    text.push_str(line.strip_prefix('.').unwrap_or(&line));
                    text.push_str("\r\n");
                }
                let answer = here(Phase::Letter, "250 taken");
                if answer.starts_with('2') {
                    let letter = Letter { from: from.clone(), to: to.clone(), text };
                    state.lock().unwrap().letters.push(letter);
                }
                if fails.is_some_and(|(phase, _)| phase == Phase::Lost) {
                    return Ok(());
                }
                say(answer).await?;
            }
            "QUIT" => {
                say("221 bye").await?;
                return Ok(());
            }
            _ => say("250 fine").await?,
        }
    }
    Ok(())
}
