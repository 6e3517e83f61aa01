//! Bad days: what hangs, fills up, breaks off or lies ends in a stated error, or goes on.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use devpocket_specs::install::{Progress, ProgressState, codes, read_progress};
use devpocket_specs::template::{StepUser, TemplateStep};

use super::inputs::{self, script};
use super::mirror::Mirror;
use super::sandbox::{Sandbox, is_possible};

/// A condition that does not come by then is a failure.
const DEADLINE: Duration = Duration::from_secs(60);

fn sandbox(steps: Vec<TemplateStep>) -> Sandbox {
    let mirror = Mirror::start();
    Sandbox::new(&mirror, &inputs::steps(&mirror, steps))
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_there() {
        assert!(began.elapsed() < DEADLINE, "waited for {what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_step_that_hangs_is_ended_with_all_it_started() {
    if !is_possible() {
        return;
    }
    let source = "echo waiting for nothing\n\
        (trap '' TERM; while :; do echo alive >>/var/lib/alive; /usr/bin/sleep 0.05; done) &\n\
        /usr/bin/sleep 600\n";
    let hangs = TemplateStep { timeout_seconds: Some(1), ..script("hangs", source) };
    let sandbox = sandbox(vec![hangs, script("after", "echo never >/var/lib/after\n")]);
    let (done, said) = sandbox.install();
    assert!(!done, "{said}");
    let progress = sandbox.progress();
    let error = progress.error.expect("an error");
    assert_eq!((error.step.as_str(), error.code.as_str()), ("hangs", codes::STEP_TIMEOUT));
    assert_eq!((error.exit, error.message.as_str()), (None, "hangs did not end within 1 s"));
    assert!(
        progress.lines.iter().any(|line| line == "waiting for nothing"),
        "{:?}",
        progress.lines
    );
    assert!(!sandbox.path("/var/lib/after").exists());
    // The sandbox ended when the installer did; what it left would still be writing in it.
    let size = || fs::metadata(sandbox.path("/var/lib/alive")).expect("it ran").len();
    let (before, _) = (size(), sandbox.run(&["true"]));
    assert_eq!(size(), before);
}

#[test]
fn a_daemon_that_a_step_leaves_running_does_not_hold_it_up() {
    if !is_possible() {
        return;
    }
    let sandbox = sandbox(vec![script("daemon", "/usr/bin/sleep 300 &\necho started\n")]);
    let began = Instant::now();
    let (done, said) = sandbox.install();
    assert!(done && began.elapsed() < DEADLINE, "{said}");
}

#[test]
fn a_full_disk_is_told_although_the_disk_is_full() {
    if !is_possible() {
        return;
    }
    let fill = "echo filling\ncat /dev/zero >/var/lib/devpocket/fill\n";
    let sandbox = sandbox(vec![script("fill", fill)]);
    // What is in the folder goes onto a small disk; what the installer says is taken from it.
    let inside = "cp -a /seed/. /var/lib/ && mkdir -p /var/lib/devpocket\n\
        /usr/bin/python3 /usr/local/lib/devpocket/install\n\
        code=$?; df -k /var/lib/devpocket | tail -1 >/home/df\n\
        cp /var/lib/devpocket/progress.json /home/progress.json; exit $code";
    let seed = sandbox.path("/var/lib").display().to_string();
    let small = ["--ro-bind", &seed, "/seed", "--size", "12582912", "--tmpfs", "/var/lib"];
    let output = sandbox.command(&small, &["sh", "-c", inside]).output().expect("bwrap runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let progress = read_progress(sandbox.text("/home/progress.json").as_bytes()).expect("progress");
    let error = progress.error.expect("an error");
    assert_eq!((error.step.as_str(), error.code.as_str()), ("fill", codes::DISK_FULL));
    assert!(error.message.contains("the disk is full"), "{}", error.message);
    let told = progress.lines.iter().any(|line| line.contains("No space left on device"));
    assert!(told, "{:?}", progress.lines);
    let free = sandbox.text("/home/df");
    let free: u64 = free.split_whitespace().nth(3).and_then(|n| n.parse().ok()).expect("a number");
    assert!(free <= 256, "nothing but what was kept for the end is free: {free} KiB");
}

#[test]
fn a_mirror_that_is_down_is_told_with_its_address() {
    if !is_possible() {
        return;
    }
    let mirror = Mirror::start();
    let mut input = inputs::steps(&mirror, vec![inputs::uses("go", &[])]);
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let source = format!("http://{}", closed.local_addr().expect("an address"));
    drop(closed);
    let parameters = &mut input.template.as_mut().expect("a template").parameters;
    parameters.insert("go-source".into(), source.clone().into());
    let sandbox = Sandbox::new(&mirror, &input);
    let (done, said) = sandbox.install();
    assert!(!done, "{said}");
    let progress = sandbox.progress();
    assert_eq!(progress.error.expect("an error").code, codes::SOURCE_DOWN);
    assert!(progress.lines.iter().any(|line| line.contains(&source)), "{:?}", progress.lines);
}

/// The machine goes down in the middle of a step: everything in it is killed at once.
fn cut_in(sandbox: &Sandbox, step: &str) -> Progress {
    let mut running: Child = sandbox
        .command(&[], &["/usr/bin/python3", "/usr/local/lib/devpocket/install"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("bwrap runs");
    wait_for("the step to run", || sandbox.path("/var/lib/running").exists());
    // All in there ends with the sandbox's first process, a moment after what started it.
    let (id, mut inside) = (running.id(), String::new());
    wait_for("the sandbox's first process", || {
        inside = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        !inside.trim().is_empty()
    });
    running.kill().expect("killed");
    running.wait().expect("ended");
    wait_for("the sandbox to end", || {
        inside.split_whitespace().all(|id| !Path::new("/proc").join(id).exists())
    });
    let progress = sandbox.progress();
    assert_eq!((progress.state, progress.step.as_str()), (ProgressState::Running, step));
    fs::remove_file(sandbox.path("/var/lib/running")).expect("removed");
    progress
}

fn count_and_wait() -> Vec<TemplateStep> {
    vec![
        script("count", "echo once >>/var/lib/count\n"),
        script("waits", "touch /var/lib/running\n[ -e /var/lib/go ] || /usr/bin/sleep 600\n"),
    ]
}

#[test]
fn a_reboot_in_the_middle_goes_on_with_the_step_it_was_in() {
    if !is_possible() {
        return;
    }
    let sandbox = sandbox(count_and_wait());
    let before = cut_in(&sandbox, "waits");
    sandbox.put("/var/lib/go", "");
    let (done, said) = sandbox.install();
    assert!(done, "{said}");
    let progress = sandbox.progress();
    assert_eq!((progress.state, progress.boots), (ProgressState::Done, 2));
    assert_eq!(progress.started_at, before.started_at);
    assert_eq!(sandbox.text("/var/lib/count"), "once\n", "what was done is not done again");
    let unit = sandbox.text("/etc/systemd/system/devpocket-install.service");
    assert!(unit.contains("ConditionPathExists=!/var/lib/devpocket/installed"), "{unit}");
    assert!(sandbox.path("/var/lib/devpocket/installed").exists());
}

#[test]
fn a_power_cut_that_ate_the_progress_file_begins_anew() {
    if !is_possible() {
        return;
    }
    for eaten in [&b""[..], &[0; 512], b"{\"version\": 1, \"plan\"", b"[]", b"{\"plan\": 3}"] {
        let sandbox = sandbox(count_and_wait());
        cut_in(&sandbox, "waits");
        sandbox.put("/var/lib/devpocket/progress.json", eaten);
        sandbox.put("/var/lib/go", "");
        let (done, said) = sandbox.install();
        assert!(done, "{eaten:?}: {said}");
        assert_eq!(sandbox.text("/var/lib/count"), "once\nonce\n");
    }
}

#[test]
fn another_plan_begins_anew_and_a_second_installer_stays_away() {
    if !is_possible() {
        return;
    }
    let sandbox = sandbox(count_and_wait());
    let mut running = sandbox
        .command(&[], &["/usr/bin/python3", "/usr/local/lib/devpocket/install"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("bwrap runs");
    wait_for("the step to run", || sandbox.path("/var/lib/running").exists());
    let (done, said) = sandbox.install();
    assert!(!done && said.contains("another installation is running"), "{said}");
    sandbox.put("/var/lib/go", "");
    running.kill().expect("killed");
    running.wait().expect("ended");
    // What an earlier installation left is not taken for this one's.
    let left =
        sandbox.text("/var/lib/devpocket/progress.json").replace("\"plan\": \"", "\"plan\": \"f");
    sandbox.put("/var/lib/devpocket/progress.json", left);
    let (done, said) = sandbox.install();
    assert!(done, "{said}");
    assert_eq!(sandbox.text("/var/lib/count"), "once\nonce\n");
}

#[test]
fn an_optional_step_that_fails_is_a_warning() {
    if !is_possible() {
        return;
    }
    let optional = TemplateStep { optional: true, ..script("nice", "echo no; exit 7\n") };
    let sandbox = sandbox(vec![optional, script("after", "echo yes >/var/lib/after\n")]);
    let (done, said) = sandbox.install();
    assert!(done, "{said}");
    assert_eq!(sandbox.progress().warnings, ["nice failed with exit code 7"]);
    assert_eq!(sandbox.text("/var/lib/after"), "yes\n");
}

#[test]
fn what_a_step_prints_is_kept_in_bounds_and_without_terminal_sequences() {
    if !is_possible() {
        return;
    }
    let noise = "for n in $(seq 3000); do echo \"line $n\"; done\n\
        printf '\\033[31mred\\033[0m \\377\\000\\n%s\\n' \"$(head -c 9000 /dev/zero | tr '\\0' x)\"\n\
        printf '10%%\\r20%%\\r30%%\\n\\033]0;title\\007last\\n' >&2\nexit 3\n";
    let sandbox = sandbox(vec![script("noise", noise)]);
    let (done, said) = sandbox.install();
    assert!(!done, "{}", &said[said.len().saturating_sub(2000)..]);
    let lines = sandbox.progress().lines;
    assert_eq!(lines.len(), 20);
    assert_eq!(&lines[18..], ["30%", "last"]);
    assert!(lines[16].starts_with("red ") && lines[17].len() < 600, "{lines:?}");
    assert!(lines.iter().all(|line| !line.chars().any(char::is_control)), "{lines:?}");
    assert!(fs::metadata(sandbox.path("/var/lib/devpocket/progress.json")).unwrap().len() < 32_768);
}

#[test]
fn steps_run_as_who_they_are_for() {
    if !is_possible() {
        return;
    }
    let who = "echo \"$(id -un) $HOME $(pwd) ${DEBIAN_FRONTEND:-}\" >>\"$HOME/who\"\n";
    let dev = TemplateStep { user: Some(StepUser::Dev), ..script("as-dev", who) };
    let sandbox = sandbox(vec![script("as-root", who), dev]);
    let (done, said) = sandbox.install();
    assert!(done, "{said}");
    assert_eq!(sandbox.text("/root/who"), "root /root / noninteractive\n");
    assert_eq!(sandbox.text("/home/dev/who"), "dev /home/dev / noninteractive\n");
}

#[test]
fn a_plan_that_is_damaged_is_told_by_the_service() {
    if !is_possible() {
        return;
    }
    let sandbox = sandbox(vec![]);
    let plan = sandbox.text("/usr/local/lib/devpocket/plan.json");
    sandbox.put("/usr/local/lib/devpocket/plan.json", plan.replace("\"tries\"", "\"treis\""));
    let (done, said) = sandbox.install();
    assert!(!done, "{said}");
    let error = sandbox.progress().error.expect("an error");
    assert_eq!(error.code, codes::INSTALLER, "{}", error.message);
}

/// Kept here so that the test that uses them names what it needs.
#[test]
fn shells_that_read_no_profile_get_the_variables_too() {
    if !is_possible() {
        return;
    }
    for shell in ["zsh", "fish"] {
        let there = Command::new(shell).arg("--version").output().is_ok();
        assert!(there, "this test needs `{shell}`; to install it: apt-get install {shell}");
        let mirror = Mirror::start();
        let mut input = inputs::steps(&mirror, vec![]);
        input.shell = format!("/usr/bin/{shell}");
        let value = "it's \"on\" $HOME\n`x`";
        let variable = devpocket_specs::render::Variable::Plain(value.into());
        input.variables.insert("MODE".into(), variable);
        let sandbox = Sandbox::new(&mirror, &input);
        let (done, said) = sandbox.install();
        assert!(done, "{said}");
        assert!(sandbox.text("/etc/passwd").contains(&format!(":/home/dev:/usr/bin/{shell}\n")));
        let login = sandbox.run(&["runuser", "-l", "dev", "-c", "printenv MODE"]);
        assert_eq!(
            String::from_utf8_lossy(&login.stdout),
            format!("{value}\n"),
            "{shell}: {login:?}"
        );
    }
}
