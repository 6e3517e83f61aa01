//! `devpocket completion`: what a shell needs to complete commands, flags, and names.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::aot;
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};

use crate::cli::args::Cli;
use crate::cli::complete::{PROGRAM, VARIABLE};
use crate::cli::error::{Failure, Outcome, exit};
use crate::cli::session::Session;

/// Print what a shell needs to complete commands, flags, and names of what there is.
#[derive(Args, Debug)]
#[command(
    before_help = "Example:\n  devpocket completion bash",
    after_help = "To have it in every shell:\n  \
                  bash  echo 'source <(devpocket completion bash)' >> ~/.bashrc\n  \
                  zsh   echo 'source <(devpocket completion zsh)' >> ~/.zshrc   (after compinit)\n  \
                  fish  echo 'devpocket completion fish | source' \
                  >> ~/.config/fish/config.fish"
)]
pub struct CompletionArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
    /// Commands and flags only, without running the program: for packages
    #[arg(long = "static")]
    fixed: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub fn run(session: &Session, args: &CompletionArgs) -> Outcome {
    let mut script = Vec::new();
    if args.fixed {
        let shell = match args.shell {
            Shell::Bash => aot::Shell::Bash,
            Shell::Zsh => aot::Shell::Zsh,
            Shell::Fish => aot::Shell::Fish,
        };
        aot::generate(shell, &mut Cli::command_tree(), PROGRAM, &mut script);
    } else {
        let shell: &dyn EnvCompleter = match args.shell {
            Shell::Bash => &Bash,
            Shell::Zsh => &Zsh,
            Shell::Fish => &Fish,
        };
        let written = shell.write_registration(VARIABLE, PROGRAM, PROGRAM, &called(), &mut script);
        written.map_err(|error| Failure::new("internal", format!("no script: {error}")))?;
    }
    session.output.line(String::from_utf8_lossy(&script).trim_end());
    Ok(exit::DONE)
}

/// The program as it was called: by name it is looked for again each time; by path it stays that.
fn called() -> String {
    let first = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    if first.components().count() < 2 {
        return PROGRAM.to_owned();
    }
    let whole = std::path::absolute(&first).unwrap_or(first);
    whole.to_string_lossy().into_owned()
}
