//! The command line: global flags and the list of commands.

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use jiff::{SignedDuration, Span, SpanRelativeTo};

use super::command;
use super::output::{ColorChoice, Format};

/// About, one real example, flags: in this order, everywhere.
const HELP: &str = "{about}\n\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

/// Keeps dev environments on Contabo VPSs converged with what you declared.
#[derive(Parser, Debug)]
#[command(
    name = "devpocket",
    version,
    before_help = "Example:\n  devpocket up",
    arg_required_else_help = true,
    disable_help_subcommand = true,
    infer_long_args = false
)]
pub struct Cli {
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags every command takes.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Flags of every command")]
pub struct Globals {
    /// Address of the server, such as https://dev.example.com
    #[arg(long, global = true, env = "DEVPOCKET_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// Token to sign in with
    #[arg(
        long,
        global = true,
        env = "DEVPOCKET_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub token: Option<String>,
    /// Context to use instead of the current one
    #[arg(long, global = true, env = "DEVPOCKET_CONTEXT", value_name = "NAME")]
    pub context: Option<String>,
    /// Namespace: a person or a team
    #[arg(short, long, global = true, env = "DEVPOCKET_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<String>,
    /// What the answer looks like
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT")]
    pub output: Option<Format>,
    /// Show in JSON and YAML who manages which field of an object
    #[arg(long, global = true)]
    pub show_managed_fields: bool,
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", help = "Colour")]
    pub color: ColorChoice,
    /// Longest wait of a command that waits, such as 90s or 2h [default: 30m]
    #[arg(long, global = true, value_parser = duration, value_name = "TIME")]
    pub timeout: Option<SignedDuration>,
}

/// How long commands wait that are not told.
pub const TIMEOUT: SignedDuration = SignedDuration::from_mins(30);

#[derive(Subcommand, Debug)]
pub enum Command {
    Up(crate::up::UpArgs),
    /// Serve DevPocket in production.
    #[command(before_help = "Example:\n  devpocket serve --env-file production.env")]
    Serve(Box<crate::config::ServeArgs>),
    /// Bring the schema of the database up to this version.
    #[command(before_help = "Example:\n  devpocket migrate --dry-run")]
    Migrate(crate::config::MigrateArgs),
    #[command(
        name = "run-as",
        hide = true,
        before_help = "Example:\n  devpocket run-as --uid 1 --gid 1 -- true"
    )]
    /// Become another program as another user.
    RunAs(command::host::RunAsArgs),
    #[command(
        name = "guest-machine",
        hide = true,
        before_help = "Example:\n  devpocket guest-machine --boot boot.json --socket ssh.sock"
    )]
    /// Be a simulated machine, from the inside.
    GuestMachine(command::host::GuestMachineArgs),
    Simulator(command::simulator::SimulatorArgs),
    Doctor(Box<command::doctor::DoctorArgs>),
    Sizes(command::sizes::SizesArgs),
    Regions(command::regions::RegionsArgs),
    Create(command::create::CreateArgs),
    Plan(command::plan::PlanArgs),
    Diff(command::diff::DiffArgs),
    Apply(command::apply::ApplyArgs),
    Get(command::get::GetArgs),
    Describe(command::describe::DescribeArgs),
    Explain(command::explain::ExplainArgs),
    Events(command::events::EventsArgs),
    Logs(command::logs::LogsArgs),
    Top(command::top::TopArgs),
    Edit(command::edit::EditArgs),
    Delete(command::delete::DeleteArgs),
    Undelete(command::undelete::UndeleteArgs),
    Ssh(command::ssh::SshArgs),
    Exec(command::ssh::ExecArgs),
    Cp(command::cp::CpArgs),
    Wait(command::wait::WaitArgs),
    Start(command::power::StartArgs),
    Stop(command::power::StopArgs),
    Restart(command::power::RestartArgs),
    Recover(command::power::RecoverArgs),
    Pause(command::pause::PauseArgs),
    Resume(command::pause::ResumeArgs),
    Status(command::status::StatusArgs),
    Operation(command::operation::OperationArgs),
    Team(command::team::TeamArgs),
    Audit(command::audit::AuditArgs),
    Login(command::login::LoginArgs),
    Token(command::token::TokenArgs),
    Admin(command::admin::AdminArgs),
    Context(command::context::ContextArgs),
    Keys(command::keys::KeysArgs),
    Kubeconfig(command::kubeconfig::KubeconfigArgs),
    Schema(command::schema::SchemaArgs),
    Completion(command::completion::CompletionArgs),
    Man(command::man::ManArgs),
    Version(command::version::VersionArgs),
}

impl Cli {
    /// Reads the arguments.
    pub fn read(arguments: &[std::ffi::OsString]) -> Result<Cli, clap::Error> {
        let matches = Cli::command_tree().try_get_matches_from(arguments)?;
        Cli::from_arg_matches(&matches)
    }

    /// The command with the help of all its subcommands in the agreed order.
    pub fn command_tree() -> clap::Command {
        templated(Cli::command().color(clap::ColorChoice::Never))
    }
}

fn templated(command: clap::Command) -> clap::Command {
    let help = clap::Arg::new("help")
        .short('h')
        .long("help")
        .action(clap::ArgAction::HelpShort)
        .help("Show this");
    command.disable_help_flag(true).arg(help).help_template(HELP).mut_subcommands(templated)
}

/// `90s`, `10m`, `2h 15m`, `3d`.
pub fn duration(text: &str) -> Result<SignedDuration, String> {
    let span: Span = text.trim().parse().map_err(|_| "write it as 90s, 10m or 2h".to_owned())?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours());
    let duration = duration.map_err(|_| "write it in days, hours or minutes".to_owned())?;
    if duration.is_positive() { Ok(duration) } else { Err("it is longer than nothing".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_of_commands_is_sound() {
        Cli::command_tree().debug_assert();
    }

    /// All commands below this one, with their names as they are typed.
    fn below(command: &clap::Command, path: &str) -> Vec<(String, clap::Command)> {
        let mut all = Vec::new();
        for inner in command.get_subcommands() {
            let path = format!("{path} {}", inner.get_name());
            all.extend(below(inner, &path));
            all.push((path, inner.clone()));
        }
        all
    }

    #[test]
    fn every_command_has_a_sentence_and_an_example() {
        for (name, command) in below(&Cli::command_tree(), "devpocket") {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty() && !about.contains('\n'), "{name}: {about:?}");
            let example = command.get_before_help().map(ToString::to_string).unwrap_or_default();
            let line = example.strip_prefix("Example:\n  ").unwrap_or_default();
            // Between its words may stand what a command above it is about.
            let mut words = line.split_whitespace();
            let is_of_it = name.split(' ').all(|part| words.any(|word| word == part));
            assert!(is_of_it && line.starts_with("devpocket "), "{name}: {example:?}");
        }
    }

    #[test]
    fn every_example_is_a_call_that_can_be_read() {
        for (name, command) in below(&Cli::command_tree(), "devpocket") {
            let example = command.get_before_help().map(ToString::to_string).unwrap_or_default();
            for line in example.lines().skip(1) {
                let first = line.split(" && ").next().unwrap_or_default();
                let words = first.trim().replace('"', "");
                let read = Cli::read(&words.split(' ').map(Into::into).collect::<Vec<_>>());
                // `--reason "database migration"` is two words here.
                let quoted = line.contains('"');
                assert!(quoted || read.is_ok(), "{name}: {line}");
            }
        }
    }

    #[test]
    fn every_command_that_changes_has_a_dry_run() {
        let changes = [
            "create",
            "apply",
            "edit",
            "delete",
            "undelete",
            "start",
            "stop",
            "restart",
            "pause",
            "resume",
            "operation resolve",
            "keys rotate",
            "migrate",
            "token create",
            "token revoke",
            "team create",
            "team invite",
            "team resend",
            "team revoke",
            "team join",
            "team role",
            "team remove",
            "team leave",
            "team tier",
            "team delete",
            "admin create",
            "admin verify",
            "admin reset-link",
            "admin set-tier",
            "admin suspend",
        ];
        let all = below(&Cli::command_tree(), "devpocket");
        for name in changes {
            let found = all.iter().find(|(path, _)| *path == format!("devpocket {name}"));
            let (_, command) = found.unwrap_or_else(|| panic!("{name}"));
            let has = |flag| command.get_arguments().any(|arg| arg.get_long() == Some(flag));
            assert!(has("dry-run"), "{name}");
        }
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(duration("2h 15m"), Ok(SignedDuration::from_mins(135)));
        assert_eq!(duration("90s"), Ok(SignedDuration::from_secs(90)));
        for wrong in ["", "soon", "0s", "-3h", "10"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
