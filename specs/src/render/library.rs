//! The steps DevPocket ships, for templates to `use`. Each is a file of bash in `steps/`, run with
//! `machine/prelude.sh` before it.

use crate::template::StepUser;

/// How often a step is tried that does not say.
pub const DEFAULT_TRIES: u32 = 3;

/// How long one try may take that does not say, in seconds.
pub const DEFAULT_TIMEOUT: u32 = 600;

/// About how long a step takes that does not say, for the percentage.
pub(super) const DEFAULT_WEIGHT: u32 = 10;

/// One shipped step.
#[derive(Clone, Copy, Debug)]
pub struct ShippedStep {
    pub name: &'static str,
    pub source: &'static str,
    pub user: StepUser,
    /// About how many seconds it takes: what it counts for in the percentage.
    pub weight: u32,
    /// Parameters it reads. A template that uses it declares them.
    pub parameters: &'static [&'static str],
}

macro_rules! step {
    ($name:literal, $user:ident, $weight:literal, [$($parameter:literal),*]) => {
        ShippedStep {
            name: $name,
            source: include_str!(concat!("steps/", $name, ".sh")),
            user: StepUser::$user,
            weight: $weight,
            parameters: &[$($parameter),*],
        }
    };
}

/// All of them. The first five are part of every installation (`packages` if there are any).
pub const LIBRARY: [ShippedStep; 18] = [
    step!("clock", Root, 2, []),
    step!("user", Root, 2, []),
    step!("firewall", Root, 3, []),
    step!("security-updates", Root, 8, []),
    step!("packages", Root, 40, []),
    step!("docker", Root, 40, ["docker-source"]),
    step!("python", Root, 12, ["pypi-source"]),
    step!("python-tools", Root, 25, []),
    step!(
        "node",
        Dev,
        30,
        ["nvm-source", "nvm-version", "node-source", "node-version", "npm-source"]
    ),
    step!("node-profile", Root, 1, []),
    step!("npm", Dev, 45, []),
    step!("terminal", Dev, 1, ["git-name", "git-email"]),
    step!("postgresql", Root, 25, []),
    step!("redis", Root, 8, []),
    step!("nginx", Root, 8, ["web-port"]),
    step!("go", Root, 15, ["go-source", "go-version"]),
    step!("rust", Dev, 60, ["rustup-source", "rust-version"]),
    step!("rust-profile", Root, 1, []),
];

/// A shipped step by name.
#[must_use]
pub fn shipped_step(name: &str) -> Option<&'static ShippedStep> {
    LIBRARY.iter().find(|step| step.name == name)
}
