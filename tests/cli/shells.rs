//! Completions, in the shells they are for.

use std::path::Path;

use crate::programs::have;
use crate::world::{Ended, World};

/// The folder of the program, first on the path: scripts call it by its name.
fn path() -> String {
    let folder = Path::new(env!("CARGO_BIN_EXE_devpocket")).parent().unwrap();
    format!("{}:/usr/local/bin:/usr/bin:/bin", folder.display())
}

/// Runs a script in a shell, in the world's home, with the program on the path.
async fn shell(world: &World, words: &[&str]) -> Ended {
    let mut command = std::process::Command::new(words[0]);
    // Everything but the program is the same as for the program itself.
    for (name, value) in world.program(&[]).get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command.args(&words[1..]).env("PATH", path()).current_dir(world.home.path());
    let mut command = tokio::process::Command::from(command);
    command.stdin(std::process::Stdio::null()).kill_on_drop(true);
    Ended::of(command.output().await.unwrap())
}

/// What bash offers for a line, one a line.
async fn bash(world: &World, flag: &str, line: &str) -> Vec<String> {
    let script = r#"
        source <(devpocket completion bash $2)
        read -ra COMP_WORDS <<<"$1"
        [[ $1 == *' ' ]] && COMP_WORDS+=('')
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
        registered=$(complete -p devpocket) || exit 1
        function=${registered##*-F } function=${function%% *}
        $function devpocket "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let ended = shell(world, &["bash", "--norc", "-c", script, "bash", line, flag]).await.done();
    assert_eq!(ended.err, "", "{line}");
    ended.out.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// What fish offers, without the descriptions.
async fn fish(world: &World, flag: &str, line: &str) -> Vec<String> {
    let script = "devpocket completion fish $argv[2] | source; complete --do-complete $argv[1]";
    let flags: &[&str] = if flag.is_empty() { &[] } else { &[flag] };
    let words = [&["fish", "--no-config", "-c", script, line], flags].concat();
    let ended = shell(world, &words).await.done();
    ended.out.lines().filter_map(|line| line.split('\t').next()).map(str::to_owned).collect()
}

#[tokio::test]
async fn bash_completes_commands_flags_and_names() {
    let world = World::new().await;
    world.declare("web").await;
    world.declare("worker").await;
    world.declare("db").await;
    assert_eq!(bash(&world, "", "devpocket app").await, ["apply"]);
    assert_eq!(bash(&world, "", "devpocket apply --dry").await, ["--dry-run"]);
    assert_eq!(bash(&world, "", "devpocket stop w").await, ["web", "worker"]);
    assert_eq!(bash(&world, "", "devpocket get env d").await, ["db"]);
    assert_eq!(bash(&world, "", "devpocket describe env/w").await, ["env/web", "env/worker"]);
    assert!(bash(&world, "", "devpocket get ").await.contains(&"environments".to_owned()));
    assert!(
        bash(&world, "", "devpocket create x --size vps-1").await.contains(&"vps-10-nvme".into())
    );
    assert_eq!(bash(&world, "", "devpocket create x --region E").await, ["EU"]);
    let field = bash(&world, "", "devpocket explain environment.spec.pow").await;
    assert_eq!(field, ["environment.spec.power"]);
    assert_eq!(bash(&world, "", "devpocket --context lo").await, ["local"]);
    // Another namespace on the line is the one that is asked.
    assert!(bash(&world, "", "devpocket -n nobody stop w").await.iter().all(String::is_empty));
}

#[tokio::test]
async fn without_a_server_there_still_are_commands_and_flags() {
    let world = World::new().await;
    world.sign_in_at("http://127.0.0.1:1", None);
    assert_eq!(bash(&world, "", "devpocket app").await, ["apply"]);
    assert!(bash(&world, "", "devpocket stop w").await.iter().all(String::is_empty));
}

#[tokio::test]
async fn the_static_script_of_bash_does_without_the_program() {
    let world = World::new().await;
    assert_eq!(bash(&world, "--static", "devpocket app").await, ["apply"]);
    let flags = bash(&world, "--static", "devpocket plan --exit").await;
    assert_eq!(flags, ["--exit-code"]);
    let script = world.run(&["completion", "bash", "--static"]).await.done();
    assert!(!script.out.contains("DEVPOCKET_COMPLETE"), "it would run the program");
}

#[tokio::test]
async fn fish_completes_commands_flags_and_names() {
    if !have("fish") {
        return;
    }
    let world = World::new().await;
    world.declare("web").await;
    assert_eq!(fish(&world, "", "devpocket app").await, ["apply"]);
    assert_eq!(fish(&world, "", "devpocket stop w").await, ["web"]);
    assert_eq!(fish(&world, "", "devpocket apply --dry").await, ["--dry-run"]);
    assert_eq!(fish(&world, "--static", "devpocket app").await, ["apply"]);
    assert_eq!(fish(&world, "--static", "devpocket apply --dry").await, ["--dry-run"]);
}

/// A terminal for zsh, which completes for people only: it types the line and Tab, and what is on
/// the line then is what zsh made of it.
async fn zsh(world: &World, flag: &str, line: &str) -> String {
    let inner = "PS1='> '; autoload -Uz compinit; compinit -u -D; \
                 source <(devpocket completion zsh FLAG); echo rea''dy";
    let script = r#"
        zmodload zsh/zpty
        zpty inner zsh -f -i
        zpty -w inner "$1"
        zpty -r -m inner seen '*ready*' || exit 1
        zpty -w -n inner "$2"$'\t'
        zpty -r -m inner seen "*$3*" || exit 1
        zpty -d inner
        print -r -- ok
    "#;
    let (typed, expected) = line.split_once(" => ").unwrap();
    let inner = inner.replace("FLAG", flag);
    let ended =
        shell(world, &["timeout", "60", "zsh", "-f", "-c", script, "zsh", &inner, typed, expected])
            .await;
    format!("{}{}", ended.out.trim(), ended.err)
}

#[tokio::test]
async fn zsh_completes_commands_flags_and_names() {
    if !have("zsh") {
        return;
    }
    let world = World::new().await;
    world.declare("web").await;
    for (flag, line) in [
        ("", "devpocket appl => apply"),
        ("", "devpocket stop w => web"),
        ("", "devpocket apply --dr => --dry-run"),
        ("--static", "devpocket appl => apply"),
        ("--static", "devpocket apply --dr => --dry-run"),
    ] {
        assert_eq!(zsh(&world, flag, line).await, "ok", "{flag} {line}");
    }
}
