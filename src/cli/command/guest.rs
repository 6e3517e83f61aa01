//! Bad days of a simulated machine that Contabo calls running.

use clap::{Args, Subcommand};

use super::simulator::{failed, say};
use crate::cli::error::{Outcome, exit};
use crate::cli::output::Output;
use crate::simulator::control::{ControlClient, GuestFault};

/// How a step can fail.
const CODES: [&str; 5] = ["step-failed", "source-down", "disk-full", "clock-wrong", "step-timeout"];

/// Spoil or heal a simulated machine that Contabo calls running
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket simulator guest demo hangs docker")]
pub struct GuestArgs {
    /// Id, name, or a word of the display name
    instance: String,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// SSH never opens
    #[command(before_help = "Example:\n  devpocket simulator guest demo never-opens")]
    NeverOpens,
    /// Connections are closed before a byte, as while sshd starts again
    #[command(before_help = "Example:\n  devpocket simulator guest demo refuses")]
    Refuses,
    /// The network drops connections after so many bytes
    #[command(before_help = "Example:\n  devpocket simulator guest demo cut 700 --times 3")]
    Cut {
        bytes: u64,
        /// How many connections
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        times: u32,
    },
    /// A step of the installation fails
    #[command(before_help = "Example:\n  devpocket simulator guest demo fails docker")]
    Fails {
        step: String,
        /// How: step-failed, source-down, disk-full, clock-wrong or step-timeout
        #[arg(long, value_name = "CODE", value_parser = CODES)]
        code: Option<String>,
    },
    /// A step of the installation never ends
    #[command(before_help = "Example:\n  devpocket simulator guest demo hangs docker")]
    Hangs { step: String },
    /// Its clock is wrong, so that it accepts no sign-in
    #[command(before_help = "Example:\n  devpocket simulator guest demo clock -86400")]
    Clock {
        #[arg(allow_negative_numbers = true)]
        seconds: i64,
    },
    /// Another machine is in its place: other host keys, an empty disk
    #[command(before_help = "Example:\n  devpocket simulator guest demo other")]
    Other,
    /// Its day is good again
    #[command(before_help = "Example:\n  devpocket simulator guest demo heal")]
    Heal,
}

pub async fn guest(output: &Output, client: &ControlClient, args: GuestArgs) -> Outcome {
    let (fault, replace, said) = match args.what {
        What::NeverOpens => (Some(GuestFault::NeverOpens), false, "does not open SSH"),
        What::Refuses => (Some(GuestFault::Refuses), false, "closes connections"),
        What::Cut { bytes, times } => {
            let fault = GuestFault::Cut { after_bytes: bytes, times };
            (Some(fault), false, "loses its next connections")
        }
        What::Fails { step, code } => {
            (Some(GuestFault::Fails { step, code }), false, "fails in that step")
        }
        What::Clock { seconds } => {
            (Some(GuestFault::Clock { seconds }), false, "has a wrong clock")
        }
        What::Hangs { step } => (Some(GuestFault::Hangs { step }), false, "hangs in that step"),
        What::Other => (None, true, "is another machine now"),
        What::Heal => (None, false, "has a good day again"),
    };
    let meant = client.spoil(&args.instance, fault, replace).await.map_err(|e| failed(&e))?;
    say(output, &meant, &format!("{} ({}) {said}", meant.name, meant.display_name));
    Ok(exit::DONE)
}
