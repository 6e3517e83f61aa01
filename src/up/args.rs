//! The flags of `devpocket up`.

use std::path::PathBuf;

use clap::Args;

/// How much faster than Contabo the simulated one provisions and installs.
const DEFAULT_SPEED: f64 = 60.0;

/// Run all of DevPocket here, with a simulated Contabo
#[derive(Args, Clone, Debug)]
#[command(before_help = "Example:\n  devpocket up --port 8100 --simulator-port 8101")]
pub struct UpArgs {
    /// Folder for everything that is kept
    /// [default: ~/.local/share/devpocket, as root /var/lib/devpocket]
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Keep nothing: a fresh folder that goes when this ends
    #[arg(long, conflicts_with_all = ["data", "reset"])]
    pub ephemeral: bool,
    /// Delete what was kept and start over (asks first)
    #[arg(long)]
    pub reset: bool,
    /// Answer yes to the question of --reset
    #[arg(long, requires = "reset")]
    pub yes: bool,
    /// Start on a picture of a real account, as `doctor --save` writes it, instead of an empty one
    #[arg(long, value_name = "FILE")]
    pub twin: Option<PathBuf>,
    /// Port of DevPocket itself
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    pub port: u16,
    /// Port of the simulated Contabo
    #[arg(long, value_name = "PORT", default_value_t = 8001)]
    pub simulator_port: u16,
    /// Port on which the simulation is steered (faults, clock, panel)
    #[arg(long, value_name = "PORT", default_value_t = 8002)]
    pub control_port: u16,
    /// How many times faster than Contabo machines are made; 1 is as slow as the real one
    #[arg(long, value_name = "FACTOR", default_value_t = DEFAULT_SPEED)]
    pub speed: f64,
    /// Run the shells of simulated machines on this computer itself, without a sandbox
    #[arg(long)]
    pub unsafe_host_shell: bool,
    /// Boot simulated machines for real from this root file system, made by
    /// specs/machines/debian13.sh; takes root and systemd-nspawn
    #[arg(long, value_name = "FOLDER", conflicts_with = "unsafe_host_shell")]
    pub machine_image: Option<PathBuf>,
    /// Log filter, such as devpocket=debug; logs go to stderr
    #[arg(long, value_name = "FILTER", default_value = "warn,reqwest_retry=error")]
    pub log: String,
}
