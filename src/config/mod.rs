//! What `devpocket serve` is told: flags, the environment, `.env`, and files for secrets.
//!
//! Precedence: flag, then environment, then `.env`. Every value is also a flag, and every secret
//! can come from a file named by `NAME_FILE` (as container platforms mount them). Whatever is
//! wrong or missing is reported at once, before anything starts; no message carries a value of a
//! secret.

mod dotenv;
mod parse;
mod settings;
mod source;
#[cfg(test)]
mod tests;

pub use dotenv::{Dotenv, DotenvError};
pub use settings::{CONTABO_SIMULATED_NOTE, ServeConfig, Warning};
pub use source::{ConfigError, ServeArgs, Source};

/// Everything wrong with the configuration.
#[derive(Debug, thiserror::Error)]
#[error("{}", list(.0))]
pub struct ConfigErrors(pub Vec<ConfigError>);

fn list(errors: &[ConfigError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl ServeConfig {
    /// Reads everything. Warnings are for the log; errors stop the start.
    pub fn load(
        args: &ServeArgs,
        today: jiff::civil::Date,
    ) -> Result<(ServeConfig, Vec<Warning>), ConfigErrors> {
        let dotenv = Dotenv::load(args.env_file.as_deref())
            .map_err(|error| ConfigErrors(vec![ConfigError::from(error)]))?;
        let mut source = Source::new(args, std::env::vars().collect(), dotenv);
        settings::read(&mut source, today)
    }
}
