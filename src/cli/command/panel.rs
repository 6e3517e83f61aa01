//! "Somebody in the panel": what a person could do to a machine outside DevPocket.

use clap::{Args, Subcommand};
use jiff::civil::Date;

use super::simulator::{failed, say};
use crate::cli::error::{Outcome, exit};
use crate::cli::output::Output;
use crate::simulator::control::{ControlClient, CreateInstance, PanelAction};

/// Do what somebody in the customer panel could do
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket simulator panel stop demo")]
pub struct PanelArgs {
    #[command(subcommand)]
    what: What,
}

/// The machine: an id, a name such as vmi2563139, or a word of its display name.
#[derive(Args, Debug)]
struct Machine {
    /// Id, name, or a word of the display name
    instance: String,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Start it
    #[command(before_help = "Example:\n  devpocket simulator panel start demo")]
    Start(Machine),
    /// Stop it
    #[command(before_help = "Example:\n  devpocket simulator panel stop demo")]
    Stop(Machine),
    /// Rename it
    #[command(before_help = "Example:\n  devpocket simulator panel rename demo other")]
    Rename {
        #[command(flatten)]
        machine: Machine,
        /// The new display name
        name: String,
    },
    /// End its contract
    #[command(before_help = "Example:\n  devpocket simulator panel cancel demo")]
    Cancel {
        #[command(flatten)]
        machine: Machine,
        /// Not before this day
        #[arg(long)]
        date: Option<Date>,
    },
    /// Reinstall it: its disk is wiped
    #[command(before_help = "Example:\n  devpocket simulator panel reinstall demo")]
    Reinstall {
        #[command(flatten)]
        machine: Machine,
        /// Another image
        #[arg(long, value_name = "ID")]
        image: Option<String>,
    },
    /// Remove it at once, disk and all
    #[command(before_help = "Example:\n  devpocket simulator panel remove demo")]
    Remove(Machine),
    /// Let a stuck order or installation go on
    #[command(before_help = "Example:\n  devpocket simulator panel proceed demo")]
    Proceed(Machine),
    /// Put it into the state error
    #[command(before_help = "Example:\n  devpocket simulator panel fail demo")]
    Fail {
        #[command(flatten)]
        machine: Machine,
        /// What the error says
        #[arg(long, default_value = "broken by hand")]
        message: String,
    },
    /// Move it to another host
    #[command(before_help = "Example:\n  devpocket simulator panel migrate demo")]
    Migrate(Machine),
    /// Buy a machine
    #[command(
        before_help = "Example:\n  devpocket simulator panel purchase --product V91 --region EU"
    )]
    Purchase {
        /// Product id
        #[arg(long, value_name = "ID", default_value = "V91")]
        product: String,
        /// Region
        #[arg(long, default_value = "EU")]
        region: String,
        /// Display name
        #[arg(long)]
        name: Option<String>,
    },
}

pub async fn panel(output: &Output, client: &ControlClient, args: PanelArgs) -> Outcome {
    let (machine, action, said) = match args.what {
        What::Start(machine) => (machine, PanelAction::Start, "started"),
        What::Stop(machine) => (machine, PanelAction::Stop, "stopped"),
        What::Rename { machine, name } => {
            (machine, PanelAction::Rename { display_name: name }, "renamed")
        }
        What::Cancel { machine, date } => (machine, PanelAction::Cancel { date }, "cancelled"),
        What::Reinstall { machine, image } => {
            (machine, PanelAction::Reinstall { image_id: image }, "reinstalled")
        }
        What::Remove(machine) => (machine, PanelAction::Remove, "removed"),
        What::Proceed(machine) => (machine, PanelAction::Proceed, "goes on"),
        What::Fail { machine, message } => (machine, PanelAction::Fail { message }, "broken"),
        What::Migrate(machine) => (machine, PanelAction::Migrate, "moved to another host"),
        What::Purchase { product, region, name } => {
            let order = CreateInstance {
                product_id: Some(product),
                region: Some(region),
                display_name: name,
                ..CreateInstance::default()
            };
            let meant = client.panel_purchase(&order).await.map_err(|error| failed(&error))?;
            say(output, &meant, &format!("{} bought in the panel", meant.name));
            return Ok(exit::DONE);
        }
    };
    let meant = client.panel(&machine.instance, action).await.map_err(|error| failed(&error))?;
    say(output, &meant, &format!("{} ({}) {said} in the panel", meant.name, meant.display_name));
    Ok(exit::DONE)
}
