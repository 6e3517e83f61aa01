//! Into the machine, no set-up: `ssh`, `exec` and `cp` as a person meets them.

use std::process::{Command, Stdio};
use std::time::Duration;

use devpocket::simulator::control::GuestFault;
use devpocket_specs::condition;
use devpocket_specs::environment::{Environment, conditions};
use tokio::time::Instant;

use crate::support::{Home, PATIENCE, PROGRAM, Up};

/// Fails under CI, and is told otherwise, when a program is not there.
fn has(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    assert!(found || std::env::var("CI").as_deref() != Ok("true"), "{program} is not installed");
    if !found {
        eprintln!("not tested: {program} is not installed");
    }
    found
}

/// Exit code and output of the program.
fn run(up: &Up, words: &str) -> (i32, String) {
    let (_, text) = up.shell(&format!("'{PROGRAM}' {words}; echo \"code $?\""));
    let (output, code) = text.rsplit_once("code ").expect("a code");
    let code = code.split_whitespace().next().unwrap_or_default().parse().unwrap();
    // What goes to stderr is printed behind.
    let errors = text.split_once(&format!("code {code}\n")).map_or("", |(_, errors)| errors);
    (code, format!("{output}{errors}"))
}

#[tokio::test]
async fn a_command_a_terminal_and_files_need_no_setting_up() {
    if !has("bwrap") {
        return;
    }
    let home = Home::new();
    let mut up = Up::start(&home);
    up.line_with("Ctrl-C stops everything");

    let (code, output) = run(&up, "exec demo -- uname -n");
    assert_eq!((code, output.trim()), (0, "demo"));
    assert_eq!(run(&up, "exec demo -- sh -c 'exit 7'").0, 7);
    assert_eq!(run(&up, "exec demo -- sh -c 'kill -TERM $$'").0, 143);
    let (code, output) = run(&up, "exec demo -- echo 'two  words' '$HOME'");
    assert_eq!((code, output.trim_end()), (0, "two  words $HOME"), "words arrive as they are");
    let (code, output) = run(&up, "ssh demo -- 'echo $HOME'");
    assert_eq!((code, output.trim_end()), (0, "/home/dev"), "one word is a line for the shell");
    let (done, output) = up.shell(&format!("printf 'a\\nb' | '{PROGRAM}' exec -i demo -- wc -c"));
    assert!(done && output.trim() == "3", "{output}");
    let (code, output) = run(&up, "exec nothing -- true");
    assert_eq!(code, 255, "a failure of its own: {output}");
    assert!(output.contains("nothing"), "{output}");

    copies(&home, &up);
    terminal(&home, &up);

    let (code, output) = run(&up, "audit -n main");
    assert!(code == 0 && output.contains("exec"), "{output}");
    up.interrupt();
}

fn copies(home: &Home, up: &Up) {
    let at = |name: &str| home.path().join(name);
    let bytes: Vec<u8> =
        (0..700_001u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    std::fs::create_dir_all(at("tree/deep")).unwrap();
    std::fs::write(at("tree/one"), &bytes).unwrap();
    std::fs::write(at("tree/deep/empty"), "").unwrap();
    let (code, output) = run(up, &format!("cp -r '{}' demo:", at("tree").display()));
    assert_eq!(code, 0, "{output}");
    let (code, output) = run(up, "exec demo -- sha256sum tree/one tree/deep/empty");
    assert_eq!(code, 0, "{output}");
    let (code, output) = run(up, &format!("cp -r demo:tree '{}'", at("back").display()));
    assert_eq!(code, 0, "{output}");
    assert!(std::fs::read(at("back/one")).unwrap() == bytes, "other bytes came back");
    assert_eq!(std::fs::read(at("back/deep/empty")).unwrap(), b"");
    let (code, output) = run(up, &format!("cp demo:missing '{}'", at("x").display()));
    assert_eq!(code, 1, "{output}");
    assert!(output.contains("missing") && !at("x").exists(), "{output}");
    let (code, output) = run(up, &format!("cp '{}' demo:", at("tree").display()));
    assert!(code == 1 && output.contains("-r"), "{output}");
}

/// A screen of a person's, kept by tmux.
struct Screen<'a> {
    home: &'a Home,
}

impl Screen<'_> {
    fn tmux(&self, words: &[&str]) -> String {
        let socket = self.home.path().join("tmux");
        let output = Command::new("tmux")
            .env("DEVPOCKET_CONFIG", self.home.config())
            .arg("-S")
            .arg(socket)
            .args(words)
            .output()
            .unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn until(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let shown = self.tmux(&["capture-pane", "-p"]);
            if shown.contains(text) {
                return;
            }
            assert!(Instant::now() < deadline, "never {text:?}:\n{shown}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn keys(&self, line: &str) {
        self.tmux(&["send-keys", line, "Enter"]);
    }
}

fn terminal(home: &Home, up: &Up) {
    if !has("tmux") {
        return;
    }
    let _ = up;
    let screen = Screen { home };
    let shell = format!("'{PROGRAM}' ssh demo; echo ended $?; cat");
    screen.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "91", "-y", "27", &shell]);
    screen.until("sandboxed");
    // The line is put together there, so that what is typed is not taken for the answer.
    screen.keys("echo size $(stty size) $((40 + 2))");
    screen.until("size 27 91 42");
    screen.tmux(&["resize-window", "-x", "103", "-y", "31"]);
    // The change is on its way while the next line is: asked until it arrived.
    let deadline = Instant::now() + PATIENCE;
    while !screen.tmux(&["capture-pane", "-p"]).contains("now 31 103") {
        assert!(Instant::now() < deadline, "the new size never arrives");
        screen.keys("clear; echo now $(stty size)");
        std::thread::sleep(Duration::from_millis(200));
    }
    // Before it has the terminal, ^C would be the shell's.
    screen.keys("sh -c 'echo r\"\"eady; exec sleep 1000'");
    screen.until("ready");
    screen.tmux(&["send-keys", "C-c"]);
    screen.keys("exit 9");
    screen.until("ended 9");
    screen.tmux(&["kill-server"]);
}

#[tokio::test]
async fn a_machine_that_is_another_one_or_silent_is_told_and_left_as_it_is() {
    if !has("bwrap") {
        return;
    }
    let home = Home::new();
    let mut up = Up::start(&home);
    up.line_with("Ctrl-C stops everything");
    let before = up.environment("demo").await;
    let bought = up.control().ledger().await.unwrap().entries.len();

    up.control().spoil("demo", Some(GuestFault::NeverOpens), false).await.unwrap();
    let silent = guest_is(&up, "GuestUnreachable").await;
    let guest = condition::find(&silent.status.conditions, conditions::GUEST_READY).unwrap();
    assert!(guest.message.contains("since") && guest.message.contains("disk"), "{guest:?}");
    let (code, output) = run(&up, "exec demo -- true");
    assert_eq!(code, 255, "{output}");
    assert!(output.contains("error[guest-unreachable]") && output.contains("nothing was run"));
    up.control().spoil("demo", None, false).await.unwrap();
    up.wait_ready("demo").await;

    up.control().spoil("demo", None, true).await.unwrap();
    let other = guest_is(&up, "MachineIdentity").await;
    let (code, output) = run(&up, "ssh demo </dev/null");
    assert_eq!(code, 255, "{output}");
    // As one line, however it was wrapped.
    let output = output.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "error[machine-identity]: the machine at 198.18.",
        "is not the one installed for env/demo",
        "its host key is SHA256:",
        "recorded is SHA256:",
        "no key, password or keystroke was sent to it",
        "devpocket explain env/demo",
    ] {
        assert!(output.contains(said), "{said:?} is missing:\n{output}");
    }
    // Nothing repairs it: no installation, no other machine, no restart.
    let machine = |environment: &Environment| environment.status.machine.clone().map(|m| m.name);
    assert_eq!(machine(&other), machine(&before));
    assert_eq!(up.control().ledger().await.unwrap().entries.len(), bought, "something was bought");
    let (_, operations) = run(&up, "get operations -o name");
    assert!(!operations.contains("reinstall"), "{operations}");
    up.interrupt();
}

/// Waits until `GuestReady` is false for this reason.
async fn guest_is(up: &Up, reason: &str) -> Environment {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let environment = up.environment("demo").await;
        let guest = condition::find(&environment.status.conditions, conditions::GUEST_READY);
        if guest.is_some_and(|guest| guest.reason == reason) {
            return environment;
        }
        assert!(Instant::now() < deadline, "never {reason}: {environment:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
