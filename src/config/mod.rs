//! What `devpocket serve` is told: flags, the environment, `.env`, and files for secrets.
//!
//! Precedence: flag, then environment, then `.env`. Every value is also a flag, and every secret
//! can come from a file named by `NAME_FILE` (as container platforms mount them). Whatever is
//! wrong or missing is reported at once, before anything starts; no message carries a value of a
//! secret.

mod accounts;
mod doctor;
mod dotenv;
mod edge;
mod guest;
mod offers;
mod parse;
mod settings;
mod source;
mod telemetry;
#[cfg(test)]
mod tests;

pub use accounts::AccountArgs;
pub use doctor::DoctorConfig;
pub use dotenv::{Dotenv, DotenvError};
pub use edge::{EdgeArgs, EdgeConfig, public_host};
pub use guest::GuestSsh;
pub use parse::money;
pub use settings::{CONTABO_SIMULATED_NOTE, Database, ServeConfig, Warning};
pub use source::{ConfigError, MigrateArgs, ServeArgs, Source};
pub use telemetry::TelemetryArgs;

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

impl MigrateArgs {
    /// The database's address, found as `serve` finds it.
    pub fn database(&self) -> Result<Database, ConfigErrors> {
        let args = ServeArgs {
            env_file: self.env_file.clone(),
            database_url: self.database_url.clone(),
            database_url_file: self.database_url_file.clone(),
            ..ServeArgs::default()
        };
        let dotenv = Dotenv::load(args.env_file.as_deref())
            .map_err(|error| ConfigErrors(vec![ConfigError::from(error)]))?;
        let mut source = Source::new(&args, std::env::vars().collect(), dotenv);
        let database = settings::database(&mut source);
        match source.errors.is_empty() {
            true => Ok(database),
            false => Err(ConfigErrors(source.errors)),
        }
    }
}
