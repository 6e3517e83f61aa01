//! Every step that comes with DevPocket: it succeeds, it is tried again, it fails.

use devpocket_specs::install::{ProgressState, codes};
use devpocket_specs::render::{LIBRARY, RenderInput};
use devpocket_specs::template::SHIPPED;

use super::inputs::{self, uses};
use super::mirror::Mirror;
use super::sandbox::{Sandbox, is_possible};

/// How a step is made to fail.
enum Trouble {
    /// The server does not give this.
    Source(&'static str),
    /// This program fails, and says this.
    Program(&'static str, &'static str),
}

use Trouble::{Program, Source};

struct Case {
    step: &'static str,
    arguments: &'static [&'static str],
    /// What comes before it.
    after: &'static [&'static str],
    trouble: Trouble,
    code: &'static str,
    /// A file that is there afterwards, and a part of it.
    leaves: (&'static str, &'static str),
}

const APT: &str = "E: Failed to fetch http://mirror/pool/x  Connection timed out";

fn case(
    step: &'static str,
    trouble: Trouble,
    code: &'static str,
    leaves: (&'static str, &'static str),
) -> Case {
    Case { step, arguments: &[], after: &[], trouble, code, leaves }
}

fn cases() -> Vec<Case> {
    use codes::{CLOCK_WRONG, SOURCE_DOWN, STEP_FAILED};
    let installed = "/var/lib/installed-packages";
    let calls = "/var/lib/systemctl-calls";
    vec![
        Case {
            arguments: &["git", "curl"],
            ..case("packages", Program("apt-get", APT), SOURCE_DOWN, (installed, "git\ncurl\n"))
        },
        case(
            "user",
            Program("usermod", "usermod: cannot lock /etc/passwd"),
            STEP_FAILED,
            ("/etc/passwd", "/home/dev:/usr/bin/zsh"),
        ),
        case(
            "firewall",
            Program("systemctl", "Failed to start"),
            STEP_FAILED,
            (calls, "enable --now devpocket-firewall.service"),
        ),
        case(
            "security-updates",
            Program(
                "apt-get",
                "E: Release file for http://mirror is not valid yet (invalid for another 3h)",
            ),
            CLOCK_WRONG,
            ("/etc/apt/apt.conf.d/52devpocket", "Unattended-Upgrade \"1\""),
        ),
        case("docker", Source("docker/debian/gpg"), SOURCE_DOWN, ("/etc/group", ":dev\n")),
        case(
            "python",
            Program("apt-get", APT),
            SOURCE_DOWN,
            ("/etc/pip.conf", "index-url = http://127.0.0.1"),
        ),
        Case {
            arguments: &["poetry"],
            after: &["python"],
            ..case(
                "python-tools",
                Source("pypi/poetry/"),
                SOURCE_DOWN,
                ("/opt/devpocket/python/bin/poetry", "poetry_stand_in"),
            )
        },
        Case {
            arguments: &["pnpm"],
            ..case(
                "node",
                Source("nvm/v0.40.6.tar.gz"),
                SOURCE_DOWN,
                ("/home/dev/.nvm/alias/default", "v24.11.0"),
            )
        },
        case(
            "node-profile",
            Program("chmod", "chmod: Read-only file system"),
            STEP_FAILED,
            ("/etc/profile.d/devpocket-node.sh", "NVM_DIR"),
        ),
        Case {
            arguments: &["@google/gemini-cli"],
            after: &["node"],
            ..case(
                "npm",
                Source("npm/@google/gemini-cli"),
                SOURCE_DOWN,
                ("/home/dev/.nvm/versions/node/v24.11.0/bin/gemini", "1.2.3"),
            )
        },
        case(
            "terminal",
            Program("git", "fatal: could not lock config file"),
            STEP_FAILED,
            ("/home/dev/.gitconfig", "name = Ada"),
        ),
        case(
            "postgresql",
            Program("apt-get", APT),
            SOURCE_DOWN,
            ("/var/lib/sql", "create database dev owner dev"),
        ),
        case(
            "redis",
            Program("apt-get", APT),
            SOURCE_DOWN,
            ("/etc/redis/redis.conf", "include /etc/redis/devpocket.conf"),
        ),
        case(
            "nginx",
            Program("systemctl", "Job for nginx.service failed"),
            STEP_FAILED,
            ("/etc/nginx/conf.d/devpocket.conf", "listen 127.0.0.1:8080;"),
        ),
        case(
            "go",
            Source("go/go1.25.4.linux-amd64.tar.gz"),
            SOURCE_DOWN,
            ("/usr/local/go/bin/go", "go1.25.4"),
        ),
        case(
            "rust",
            Source("rust/dist/channel-rust-stable.toml"),
            SOURCE_DOWN,
            ("/home/dev/.cargo/bin/cargo", "1.91.1"),
        ),
        case(
            "rust-profile",
            Program("chmod", "chmod: Read-only file system"),
            STEP_FAILED,
            ("/etc/profile.d/devpocket-rust.sh", ".cargo/bin"),
        ),
    ]
}

/// Mandatory steps are there anyway.
fn input(mirror: &Mirror, case: &Case) -> RenderInput {
    let mut steps: Vec<_> = case.after.iter().map(|name| uses(name, &[])).collect();
    let mut input = inputs::steps(mirror, Vec::new());
    match case.step {
        "packages" => input.packages = case.arguments.iter().map(|p| (*p).to_owned()).collect(),
        "user" => input.shell = "/usr/bin/zsh".into(),
        "firewall" | "security-updates" => {}
        step => steps.push(uses(step, case.arguments)),
    }
    RenderInput { steps, ..input }
}

fn make_trouble(mirror: &Mirror, sandbox: &Sandbox, case: &Case, times: u32) {
    match case.trouble {
        Source(path) => mirror.fail(path, times),
        Program(program, says) => sandbox.sabotage(program, case.step, times, says),
    }
}

#[test]
fn no_step_is_left_out_here() {
    let mut tested: Vec<&str> = cases().iter().map(|case| case.step).collect();
    // It never fails; `the_clock_is_waited_for` is about it.
    tested.push("clock");
    let mut there: Vec<&str> = LIBRARY.iter().map(|step| step.name).collect();
    tested.sort_unstable();
    there.sort_unstable();
    assert_eq!(tested, there);
}

#[test]
fn every_step_succeeds_and_can_be_run_again() {
    if !is_possible() {
        return;
    }
    for case in cases() {
        let mirror = Mirror::start();
        let sandbox = Sandbox::new(&mirror, &input(&mirror, &case));
        for round in ["first", "second"] {
            let (done, said) = sandbox.install();
            assert!(done, "{} the {round} time: {said}", case.step);
            let progress = sandbox.progress();
            assert_eq!((progress.state, progress.percent), (ProgressState::Done, 100), "{said}");
            assert!(progress.done.iter().any(|step| step.name == case.step), "{progress:?}");
            let (path, part) = case.leaves;
            let left = sandbox.text(path);
            assert!(left.contains(part), "{} leaves {path}:\n{left}\n{said}", case.step);
            // As if the disk had lost what was done: every step runs once more.
            std::fs::remove_file(sandbox.path("/var/lib/devpocket/progress.json")).unwrap();
        }
    }
}

#[test]
fn every_step_is_tried_again() {
    if !is_possible() {
        return;
    }
    for case in cases() {
        let mirror = Mirror::start();
        let sandbox = Sandbox::new(&mirror, &input(&mirror, &case));
        // The first answer of git is a question whose failure means "not set".
        let times = if case.step == "terminal" { 2 } else { 1 };
        make_trouble(&mirror, &sandbox, &case, times);
        let (done, said) = sandbox.install();
        // pip asks again by itself.
        let silent = case.step == "python-tools";
        let again = said.contains(&format!("{}, try 2 of 3", case.step));
        assert!(done && (again || silent), "{}: {said}", case.step);
        assert_eq!(sandbox.progress().state, ProgressState::Done);
    }
}

#[test]
fn every_step_that_keeps_failing_is_told() {
    if !is_possible() {
        return;
    }
    for case in cases() {
        let mirror = Mirror::start();
        let sandbox = Sandbox::new(&mirror, &input(&mirror, &case));
        make_trouble(&mirror, &sandbox, &case, 1000);
        let (done, said) = sandbox.install();
        assert!(!done, "{}: {said}", case.step);
        let progress = sandbox.progress();
        let error = progress.error.clone().expect("an error");
        assert_eq!(
            (progress.state, error.step.as_str(), error.code.as_str(), progress.attempt),
            (ProgressState::Failed, case.step, case.code, 3),
            "{said}"
        );
        assert!(!progress.lines.is_empty() && progress.percent < 100, "{progress:?}");
        assert!(progress.ended_at.is_some() && error.exit.is_some(), "{progress:?}");
        let told = sandbox.text("/home/dev/installation-progress.log");
        assert!(told.contains(&format!("{} failed with exit code", case.step)), "{told}");
        // Once the trouble is over it goes on with this step.
        make_trouble(&mirror, &sandbox, &case, 0);
        let before = progress.done.len();
        let (done, said) = sandbox.install();
        assert!(done, "{}: {said}", case.step);
        assert!(sandbox.progress().done.len() > before && sandbox.progress().boots == 2);
    }
}

#[test]
fn the_clock_is_waited_for() {
    if !is_possible() {
        return;
    }
    let mirror = Mirror::start();
    for (unsynchronised, told) in [(0, "yes"), (3, "yes"), (100, "no")] {
        let sandbox = Sandbox::new(&mirror, &inputs::plain());
        sandbox.put("/var/lib/unsynchronised", "no\n".repeat(unsynchronised));
        let (done, said) = sandbox.install();
        assert!(done && said.contains(&format!("synchronised: {told}")), "{said}");
    }
    // Not where nothing in the machine sets it.
    let sandbox = Sandbox::new(&mirror, &inputs::plain());
    sandbox.put("/var/lib/can-ntp", "no\n");
    sandbox.put("/var/lib/unsynchronised", "no\n".repeat(100));
    let (done, said) = sandbox.install();
    assert!(done && said.contains("synchronised: no"), "{said}");
    assert_eq!(sandbox.text("/var/lib/unsynchronised").lines().count(), 99);
}

#[test]
fn every_shipped_template_installs_and_its_tools_answer() {
    if !is_possible() {
        return;
    }
    for (name, _) in SHIPPED {
        let mirror = Mirror::start();
        let input = inputs::template(name, inputs::sources(&mirror));
        let sandbox = Sandbox::new(&mirror, &input);
        let (done, said) = sandbox.install();
        assert!(done, "{name}: {said}");
        let checked = sandbox.check();
        let missing: Vec<_> = checked.missing().collect();
        assert!(missing.is_empty(), "{name}: {missing:?}\n{said}");
        assert_eq!(checked.installed().len(), input.checks.len(), "{name}");
        assert_eq!(checked.installed()["node"], "24.11.0", "{name}");
        assert!(sandbox.text("/etc/group").contains("docker:x:"), "{name}");
        let percents: Vec<u8> = said
            .lines()
            .filter_map(|line| line.split_once('%')?.0.split_whitespace().last()?.parse().ok())
            .collect();
        assert!(percents.is_sorted(), "{percents:?}");
    }
}
