//! `devpocket simulator`: Contabo alone, and what makes it misbehave.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use devpocket_controllers::sim::contabo::Settings;
use serde::Serialize;
use serde_json::{Value, json};

use super::faults::{FaultArgs, fault};
use super::guest::{GuestArgs, guest};
use super::panel::{PanelArgs, panel};
use super::recordings;
use super::start_failure::picture_failure;
use crate::cli::args::Globals;
use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::output::{Cell, Format, Output, Table};
use crate::context::{self, Contexts};
use crate::picture;
use crate::simulator::control::{ControlClient, ControlError, Scenario};
use crate::simulator::guests::GuestConfig;
use crate::simulator::{
    API_PASSWORD, API_USER, CLIENT_ID, CLIENT_SECRET, Simulator, SimulatorConfig,
};

/// Where `devpocket simulator` serves the control plane unless told otherwise.
const CONTROL: &str = "http://127.0.0.1:8002";
/// Calls shown of the journal.
const CALLS: usize = 20;

/// Run a simulated Contabo alone, or steer one that runs: faults, clock, panel, ledger.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket simulator panel stop demo")]
pub struct SimulatorArgs {
    /// Control plane of the simulator [default: that of the last `devpocket up`]
    #[arg(long, global = true, env = "DEVPOCKET_SIMULATOR", value_name = "URL")]
    control: Option<String>,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand, Debug)]
enum What {
    Serve(ServeArgs),
    Fault(FaultArgs),
    Panel(PanelArgs),
    Guest(GuestArgs),
    /// What was bought, and what it cost
    #[command(before_help = "Example:\n  devpocket simulator ledger")]
    Ledger,
    /// Every instance that ever was
    #[command(before_help = "Example:\n  devpocket simulator instances")]
    Instances,
    /// The latest calls, or every call since the start into a file that can be replayed
    #[command(before_help = "Example:\n  devpocket simulator journal --last 50")]
    Journal {
        /// How many
        #[arg(long, value_name = "NUMBER", default_value_t = CALLS)]
        last: usize,
        /// Write every call since the start here
        #[arg(long, value_name = "FILE", conflicts_with = "last")]
        save: Option<PathBuf>,
    },
    /// Play the calls of a file again, without a server, and compare every answer
    #[command(before_help = "Example:\n  devpocket simulator replay calls.jsonl")]
    Replay {
        /// What `journal --save` wrote
        file: PathBuf,
    },
    /// Make a bad day: slow-install, install-fails, payment-pending, lost-reply, throttled,
    /// token-expired, outage; normal ends them all
    #[command(before_help = "Example:\n  devpocket simulator scenario outage")]
    Scenario {
        /// Its name
        name: Scenario,
    },
    State(StateArgs),
    Clock(ClockArgs),
    /// How many times faster than Contabo machines are made
    #[command(before_help = "Example:\n  devpocket simulator speed 60")]
    Speed {
        /// 1 is as slow as the real one
        factor: f64,
    },
}

/// Show the clock of the simulated world, or move it forward
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket simulator clock advance 30d")]
struct ClockArgs {
    #[command(subcommand)]
    what: Option<ClockWhat>,
}

#[derive(Subcommand, Debug)]
enum ClockWhat {
    /// Move it forward; contracts renew on the way
    #[command(before_help = "Example:\n  devpocket simulator clock advance 30d")]
    Advance {
        /// 30d, 2h, "1d 12h"
        by: String,
    },
}

/// Keep the whole simulated account in a file, or put it back
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket simulator state save account.json")]
struct StateArgs {
    #[command(subcommand)]
    what: StateWhat,
}

#[derive(Subcommand, Debug)]
enum StateWhat {
    /// Write it to a file
    #[command(before_help = "Example:\n  devpocket simulator state save account.json")]
    Save { file: PathBuf },
    /// Take a file's account instead of the present one
    #[command(before_help = "Example:\n  devpocket simulator state load account.json")]
    Load { file: PathBuf },
}

/// Serve the API and the control plane until Ctrl-C
#[derive(Args, Debug, Default)]
#[command(before_help = "Example:\n  devpocket simulator serve --data ./contabo")]
pub struct ServeArgs {
    /// Port of the API
    #[arg(long, value_name = "PORT", default_value_t = 8001)]
    port: u16,
    /// Port of the control plane
    #[arg(long, value_name = "PORT", default_value_t = 8002)]
    control_port: u16,
    /// Folder of the state; without one it is kept in memory
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Begin on a picture of a real account, as `doctor --save` writes it
    #[arg(long, value_name = "FILE")]
    twin: Option<PathBuf>,
    /// Seed of a new account
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// How many times faster than Contabo machines are made
    #[arg(long, value_name = "FACTOR")]
    speed: Option<f64>,
    /// Run the shells of machines on this computer itself where bubblewrap is not there
    #[arg(long)]
    unsafe_host_shell: bool,
    /// Boot machines for real from this root file system, made by specs/machines/debian13.sh
    #[arg(long, value_name = "FOLDER", conflicts_with = "unsafe_host_shell")]
    machine_image: Option<PathBuf>,
}

pub async fn run(globals: Globals, args: SimulatorArgs) -> Outcome {
    let output = Output::new(globals.output.unwrap_or_default(), globals.color);
    let what = match args.what {
        None => {
            return serve(
                &output,
                ServeArgs { port: 8001, control_port: 8002, seed: 1, ..ServeArgs::default() },
            )
            .await;
        }
        Some(What::Serve(args)) => return serve(&output, args).await,
        Some(What::Replay { file }) => return recordings::replay(&output, &file),
        Some(what) => what,
    };
    let control = args.control.or_else(of_up).unwrap_or_else(|| CONTROL.to_owned());
    let client = ControlClient::new(&control).map_err(|error| failed(&error))?;
    steer(&output, &client, what).await
}

/// What `devpocket up` wrote down, whatever ports it was given.
fn of_up() -> Option<String> {
    Contexts::load(&context::path().ok()?).ok()?.simulator
}

async fn steer(output: &Output, client: &ControlClient, what: What) -> Outcome {
    match what {
        What::Serve(_) | What::Replay { .. } => {}
        What::Fault(args) => return fault(output, client, args).await,
        What::Panel(args) => return panel(output, client, args).await,
        What::Guest(args) => return guest(output, client, args).await,
        What::Ledger => ledger(output, client).await?,
        What::Instances => instances(output, client).await?,
        What::Journal { save: Some(file), .. } => recordings::save(output, client, &file).await?,
        What::Journal { last, save: None } => journal(output, client, last).await?,
        What::Scenario { name } => {
            let told = client.scenario(name).await.map_err(|error| failed(&error))?;
            say(output, &json!({"told": told}), &told);
        }
        What::State(StateArgs { what: StateWhat::Save { file } }) => {
            recordings::save_state(output, client, &file).await?;
        }
        What::State(StateArgs { what: StateWhat::Load { file } }) => {
            recordings::load_state(output, client, &file).await?;
        }
        What::Clock(ClockArgs { what: None }) => {
            let clock = client.clock().await.map_err(|error| failed(&error))?;
            say(output, &clock, &format!("{}", clock.now));
        }
        What::Clock(ClockArgs { what: Some(ClockWhat::Advance { by }) }) => {
            let clock = client.advance(&by).await.map_err(|error| failed(&error))?;
            say(output, &clock, &format!("it is now {}", clock.now));
        }
        What::Speed { factor } => {
            let settings = client.change_settings(&json!({"speed": factor})).await;
            let settings = settings.map_err(|error| failed(&error))?;
            say(
                output,
                &json!({"speed": settings.speed}),
                &format!("{} times Contabo's pace", settings.speed),
            );
        }
    }
    Ok(exit::DONE)
}

async fn serve(output: &Output, args: ServeArgs) -> Outcome {
    let on = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let kept = args.data.as_deref().filter(|folder| folder.join("snapshot.json").exists());
    let account = match (&args.twin, kept) {
        (Some(_), Some(folder)) => {
            let message = format!("{} holds a simulated account already", folder.display());
            let failure = Failure::new("busy", message).exit(exit::REFUSED);
            return Err(failure.so_far("nothing was started, the account is as it was").into());
        }
        (Some(file), None) => {
            let picture = picture::read(file).map_err(|error| {
                Report::from(picture_failure(&error).so_far("nothing was started"))
            })?;
            Some(Box::new(crate::simulator::twin(&picture, Settings::default())))
        }
        (None, _) => None,
    };
    let guests = std::env::current_exe().ok().map(|program| GuestConfig {
        disks: args.data.as_ref().map(|folder| folder.join("disks")),
        unsafe_host_shell: args.unsafe_host_shell,
        image: args.machine_image,
        ..GuestConfig::new(program)
    });
    let config = SimulatorConfig {
        account,
        api: on(args.port),
        control: on(args.control_port),
        data: args.data,
        seed: args.seed,
        settings: Settings::default(),
        speed: args.speed,
        clock: crate::clock::SystemClock::new().into(),
        guests,
    };
    let simulator =
        Simulator::start(config).await.map_err(|error| {
            Report::from(Failure::new("simulator", error.to_string()).attempt(
                "devpocket simulator serve --port 8011 --control-port 8012",
                "other ports",
            ))
        })?;
    output.line("Contabo, simulated: nothing here costs money.");
    output.line(format!("  API            {}", simulator.api_url()));
    output.line(format!("  tokens         {}", simulator.auth_url()));
    output.line(format!("  control plane  {}  (open it in a browser)", simulator.control_url()));
    output.line(format!("  CONTABO_CLIENT_ID={CLIENT_ID} CONTABO_CLIENT_SECRET={CLIENT_SECRET}"));
    output.line(format!("  CONTABO_USERNAME={API_USER} CONTABO_PASSWORD={API_PASSWORD}"));
    output.hint("Ctrl-C stops it.");
    let _ = tokio::signal::ctrl_c().await;
    simulator.shutdown().await;
    Ok(exit::DONE)
}

async fn ledger(output: &Output, client: &ControlClient) -> Result<(), Report> {
    let ledger = client.ledger().await.map_err(|error| failed(&error))?;
    if output.format.is_document() {
        output.document(&ledger);
        return Ok(());
    }
    let mut table =
        Table::new(&[">NO", "*AT", "*WHAT", "INSTANCE", "PRODUCT", "REGION", ">AMOUNT", "NAME"]);
    let money = |cents| devpocket_specs::money::Money::new(cents, ledger.currency.clone());
    for entry in &ledger.entries {
        table.row(vec![
            Cell::new(entry.number.to_string()),
            Cell::new(entry.at.strftime("%Y-%m-%d %H:%M").to_string()),
            Cell::new(word(&entry.kind)),
            Cell::new(entry.instance_id.to_string()),
            Cell::new(&entry.product_id),
            Cell::new(&entry.region),
            Cell::new(money(entry.cents).to_string()),
            Cell::new(&entry.display_name),
        ]);
    }
    if ledger.entries.is_empty() {
        output.note("Nothing was bought.");
    } else {
        output.table(&table);
        output.hint(format!("Together {} (simulated), times in UTC.", money(ledger.total_cents)));
    }
    Ok(())
}

async fn instances(output: &Output, client: &ControlClient) -> Result<(), Report> {
    let instances = client.instances().await.map_err(|error| failed(&error))?;
    if output.format.is_document() {
        output.document(&instances);
        return Ok(());
    }
    let mut table = Table::new(&["*NAME", "*STATUS", "PRODUCT", "REGION", "DISPLAY-NAME"]);
    for instance in &instances {
        let status =
            if instance.gone.is_some() { "gone".to_owned() } else { word(&instance.facts.status) };
        table.row(vec![
            Cell::new(&instance.name),
            Cell::new(status),
            Cell::new(&instance.product_id),
            Cell::new(&instance.region),
            Cell::new(&instance.facts.display_name),
        ]);
    }
    if instances.is_empty() {
        output.note("There is no instance.")
    } else {
        output.table(&table)
    }
    Ok(())
}

async fn journal(output: &Output, client: &ControlClient, last: usize) -> Result<(), Report> {
    let calls = client.calls(last).await.map_err(|error| failed(&error))?;
    if output.format.is_document() {
        output.document(&calls);
        return Ok(());
    }
    let mut table = Table::new(&[
        ">NO", "*AT", "*CALL", ">STATUS", "INSTANCE", "EFFECT", "DELIVERY", "REQUEST",
    ]);
    for call in &calls.calls {
        table.row(vec![
            Cell::new(call.number.to_string()),
            Cell::new(output.words.clock(call.at)),
            Cell::new(word(&call.operation)),
            Cell::new(call.status.to_string()),
            Cell::maybe(call.instance_id.map(|id| id.to_string())),
            Cell::new(word(&call.effect)),
            Cell::new(word(&call.delivery)),
            Cell::new(&call.request_id),
        ]);
    }
    output.table(&table);
    output.hint(format!("{} calls since it began.", calls.total));
    Ok(())
}

/// The word a value is written as; for more than a word, its tag.
pub fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(Value::Object(map)) => map.keys().next().cloned().unwrap_or_default(),
        Ok(Value::Null) | Err(_) => String::new(),
        Ok(other) => other.to_string(),
    }
}

/// The document for programs, the sentence for people.
pub fn say(output: &Output, document: &impl Serialize, sentence: &str) {
    match output.format {
        Format::Json | Format::Yaml => output.document(document),
        _ => output.line(sentence),
    }
}

pub fn failed(error: &ControlError) -> Report {
    match error {
        ControlError::Unreachable { url, .. } => {
            Failure::new("server-unreachable", format!("no simulator answers at {url}"))
                .exit(exit::UNREACHABLE)
                .at("--control, DEVPOCKET_SIMULATOR")
                .attempt("devpocket up", "all of it, with a simulated Contabo")
                .attempt("devpocket simulator serve", "the simulator alone")
                .into()
        }
        ControlError::Refused { message, .. } => {
            Failure::new("refused", message.clone()).exit(exit::REFUSED).into()
        }
        other => Failure::new("simulator", other.to_string()).into(),
    }
}
