//! Where a value comes from, and the errors that name it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{fs, io};

use clap::Args;

use crate::contabo::Sensitive;

use super::accounts::AccountArgs;
use super::dotenv::{Dotenv, DotenvError};
use super::edge::EdgeArgs;
use super::settings::Warning;
use super::telemetry::TelemetryArgs;

/// The flags of `devpocket serve`. Each is the variable of the same name in lower case.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeArgs {
    /// Read variables from this file instead of ./.env
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// Where Postgres is: postgresql://user:password@host:5432/name
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    #[arg(long, value_name = "FILE", help = "File that holds DATABASE_URL")]
    pub database_url_file: Option<String>,
    #[arg(long, value_name = "ID", help = "Client id of the API user, such as INT-12345")]
    pub contabo_client_id: Option<String>,
    #[arg(long, value_name = "SECRET", help = "Client secret of the API user")]
    pub contabo_client_secret: Option<String>,
    #[arg(long, value_name = "FILE", help = "File that holds CONTABO_CLIENT_SECRET")]
    pub contabo_client_secret_file: Option<String>,
    #[arg(long, value_name = "EMAIL", help = "E-mail address of the API user")]
    pub contabo_username: Option<String>,
    #[arg(long, value_name = "SECRET", help = "API password set in the customer panel")]
    pub contabo_password: Option<String>,
    #[arg(long, value_name = "FILE", help = "File that holds CONTABO_PASSWORD")]
    pub contabo_password_file: Option<String>,
    #[arg(long, value_name = "URL", help = "Another address of Contabo's API (a simulator)")]
    pub contabo_api_url: Option<String>,
    #[arg(long, value_name = "URL", help = "Another token endpoint (a simulator)")]
    pub contabo_auth_url: Option<String>,
    #[arg(long, value_name = "N", help = "Longest wait for an answer to a read [default: 30]")]
    pub contabo_timeout_seconds: Option<String>,
    #[arg(long, value_name = "REGION", help = "Region where none is declared [default: EU]")]
    pub contabo_default_region: Option<String>,
    #[arg(long, value_name = "SIZE", help = "Size offered first [default: vps-10-nvme]")]
    pub contabo_default_size: Option<String>,
    #[arg(
        long,
        value_name = "ID",
        help = "Accepted for compatibility; machines get no Contabo key"
    )]
    pub contabo_ssh_key_id: Option<String>,
    #[arg(long, value_name = "PATH", help = "Login shell where none is declared")]
    pub dev_user_default_shell: Option<String>,
    #[arg(long, value_name = "N", help = "When an installation counts as failed [default: 15]")]
    pub install_timeout_minutes: Option<String>,
    #[arg(long, value_name = "LIST", help = "Origins whose pages may call the API, by comma")]
    pub allowed_origins: Option<String>,
    #[arg(long, value_name = "LIST", help = "Host names the API answers to, by comma")]
    pub allowed_hosts: Option<String>,
    #[arg(long, value_name = "ADDRESS", help = "Address to listen on [default: 127.0.0.1]")]
    pub host: Option<String>,
    #[arg(long, value_name = "PORT", help = "Port to listen on [default: 8000]")]
    pub port: Option<String>,
    /// TLS ends in front of DevPocket; this or --tls-cert is required to listen beyond loopback
    #[arg(long)]
    pub behind_proxy: bool,
    #[command(flatten)]
    pub edge: EdgeArgs,
    #[arg(long, value_name = "TOKEN", help = "Token of the admin, 32 characters or more")]
    pub devpocket_admin_token: Option<String>,
    #[arg(long, value_name = "FILE", help = "File that holds DEVPOCKET_ADMIN_TOKEN")]
    pub devpocket_admin_token_file: Option<String>,
    #[arg(long, value_name = "KEY", help = "Key that seals secrets: 64 hex digits")]
    pub devpocket_seal_key: Option<String>,
    #[arg(long, value_name = "FILE", help = "File that holds DEVPOCKET_SEAL_KEY")]
    pub devpocket_seal_key_file: Option<String>,
    #[command(flatten)]
    pub accounts: AccountArgs,
    #[arg(long, value_name = "AMOUNT", help = "Most that purchases may cost a month: '300 EUR'")]
    pub devpocket_monthly_budget: Option<String>,
    #[arg(
        long,
        value_name = "WORD",
        help = "Hold or Proceed, when an order got lost [default: Hold]"
    )]
    pub devpocket_unknown_purchase: Option<String>,
    #[arg(long, value_name = "N", help = "Time between two lists of the account [default: 60]")]
    pub devpocket_sweep_seconds: Option<String>,
    #[arg(long, value_name = "FILE", help = "Prices that replace those of the catalogue")]
    pub devpocket_prices: Option<String>,
    #[arg(long, value_name = "WAY", help = "How machines are reached: direct, off, or a URL")]
    pub devpocket_guest_ssh: Option<String>,
    #[arg(long, value_name = "LEVEL", help = "Log filter, such as info or devpocket=debug")]
    pub log_level: Option<String>,
    #[arg(long, value_name = "FORMAT", help = "json or pretty [default: pretty on a terminal]")]
    pub log_format: Option<String>,
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

/// The flags of `devpocket migrate`.
#[derive(Args, Clone, Debug, Default)]
pub struct MigrateArgs {
    /// Read variables from this file instead of ./.env
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// Where Postgres is: postgresql://user:password@host:5432/name
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    #[arg(long, value_name = "FILE", help = "File that holds DATABASE_URL")]
    pub database_url_file: Option<String>,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
}

/// One fault of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{name} is not set; it is {expected}")]
    Missing { name: &'static str, expected: &'static str },
    /// The value is left out for secrets.
    #[error("{name} {problem}; it is {expected}")]
    Invalid { name: &'static str, at: String, problem: String, expected: String },
    #[error("{0}")]
    EnvFile(String),
}

impl ConfigError {
    /// Where it was found, or where it can be set.
    pub fn at(&self) -> String {
        match self {
            ConfigError::Missing { name, .. } => {
                let file = match SECRETS.contains(name) {
                    true => format!("; as a file: {name}_FILE, {}-file", flag(name)),
                    false => String::new(),
                };
                format!("environment, .env, or {}{file}", flag(name))
            }
            ConfigError::Invalid { at, .. } => at.clone(),
            ConfigError::EnvFile(_) => String::new(),
        }
    }
}

/// What can also be a file named by `NAME_FILE`.
pub const SECRETS: [&str; 12] = [
    "DATABASE_URL",
    "CONTABO_CLIENT_SECRET",
    "CONTABO_PASSWORD",
    "DEVPOCKET_ADMIN_TOKEN",
    "DEVPOCKET_SEAL_KEY",
    "SECRET_KEY",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "SMTP_URL",
    "SMTP_PASSWORD",
    "RESEND_API_KEY",
];

/// The flag of a variable.
fn flag(name: &str) -> String {
    format!("--{}", name.to_ascii_lowercase().replace('_', "-"))
}

impl From<DotenvError> for ConfigError {
    fn from(error: DotenvError) -> Self {
        ConfigError::EnvFile(error.to_string())
    }
}

/// A value and where it was found.
#[derive(Clone, Debug)]
pub struct Value {
    pub text: String,
    pub at: String,
    origin: Origin,
}

impl Value {
    /// The same without the text, for messages about secrets.
    pub fn hidden(self) -> Value {
        Value { text: String::new(), ..self }
    }
}

/// The places values come from, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    Flag,
    Environment,
    Dotenv,
}

/// A secret and where it was found.
#[derive(Clone, Debug)]
pub struct Secret {
    pub value: Sensitive,
    /// For messages: the name that was set, and where, without the secret.
    pub place: Value,
    pub name: &'static str,
}

/// Looks values up and collects what is wrong with them.
pub struct Source {
    flags: BTreeMap<&'static str, String>,
    environment: BTreeMap<String, String>,
    dotenv: Dotenv,
    pub errors: Vec<ConfigError>,
    pub warnings: Vec<Warning>,
    pub behind_proxy: bool,
}

impl Source {
    pub fn new(args: &ServeArgs, environment: BTreeMap<String, String>, dotenv: Dotenv) -> Source {
        Source {
            flags: flags(args),
            environment,
            dotenv,
            errors: Vec::new(),
            warnings: Vec::new(),
            behind_proxy: args.behind_proxy,
        }
    }

    /// A plain value. An empty one counts as absent, as shells and compose files produce them.
    pub fn value(&self, name: &'static str) -> Option<Value> {
        let found = |text: &String, origin: Origin, at: String| {
            let text = text.trim();
            (!text.is_empty()).then(|| Value { text: text.to_owned(), at, origin })
        };
        let flags = self.flags.get(name);
        flags
            .and_then(|text| found(text, Origin::Flag, flag(name)))
            .or_else(|| {
                let text = self.environment.get(name)?;
                found(text, Origin::Environment, "environment".into())
            })
            .or_else(|| {
                let text = self.dotenv.values.get(name)?;
                found(text, Origin::Dotenv, self.dotenv.place(name))
            })
    }

    /// A secret: the value, or the content of the file that `NAME_FILE` names, whichever comes
    /// from the stronger place.
    pub fn secret(&mut self, name: &'static str, file_name: &'static str) -> Option<Secret> {
        let (value, file) = (self.value(name), self.value(file_name));
        let file = match (value, file) {
            (Some(value), Some(file)) if value.origin == file.origin => {
                let problem = format!("is set, and so is {file_name}");
                self.invalid(name, &value, problem, "one or the other");
                return None;
            }
            (Some(value), file) if file.as_ref().is_none_or(|f| value.origin < f.origin) => {
                let secret = Sensitive::new(value.text.as_str());
                return Some(Secret { value: secret, place: value.hidden(), name });
            }
            (_, file) => file?,
        };
        let expected = "a file that holds the secret and nothing else";
        match fs::read_to_string(&file.text) {
            Ok(text) if !text.trim().is_empty() => {
                let at = format!("{} ({})", file.text, file.at);
                let place = Value { text: String::new(), at, origin: file.origin };
                Some(Secret { value: Sensitive::new(text.trim()), place, name: file_name })
            }
            Ok(_) => {
                let problem = format!("names {}, which is empty", file.text);
                self.invalid(file_name, &file, problem, expected);
                None
            }
            Err(error) => {
                let problem = format!("names {}, which cannot be read: {error}", file.text);
                self.invalid(file_name, &file, problem, expected);
                None
            }
        }
    }

    /// Like [`Source::secret`], for what may be left out. Of a secret that is not set, container
    /// platforms mount an empty file, or none at all: both are none, and the latter is said, as it
    /// may be a slip.
    pub fn optional_secret(
        &mut self,
        name: &'static str,
        file_name: &'static str,
    ) -> Option<Secret> {
        if let (None, Some(file)) = (self.value(name), self.value(file_name)) {
            match fs::read_to_string(&file.text) {
                Ok(text) if text.trim().is_empty() => return None,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let (path, at) = (file.text, file.at);
                    let none = "which is not there: it counts as not set";
                    self.warnings.push(format!("{file_name} ({at}) names {path}, {none}"));
                    return None;
                }
                _ => {}
            }
        }
        self.secret(name, file_name)
    }

    /// Like [`Source::secret`], and reports its absence.
    pub fn required_secret(
        &mut self,
        name: &'static str,
        file_name: &'static str,
        expected: &'static str,
    ) -> Option<Secret> {
        let before = self.errors.len();
        let secret = self.secret(name, file_name);
        if secret.is_none() && self.errors.len() == before {
            self.errors.push(ConfigError::Missing { name, expected });
        }
        secret
    }

    /// A plain value that must be there.
    pub fn required(&mut self, name: &'static str, expected: &'static str) -> String {
        self.value(name).map(|value| value.text).unwrap_or_else(|| {
            self.errors.push(ConfigError::Missing { name, expected });
            String::new()
        })
    }

    pub fn invalid(
        &mut self,
        name: &'static str,
        value: &Value,
        problem: impl Into<String>,
        expected: impl Into<String>,
    ) {
        let error = ConfigError::Invalid {
            name,
            at: value.at.clone(),
            problem: problem.into(),
            expected: expected.into(),
        };
        // What two settings share is read for each, and told once.
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }
}

fn flags(args: &ServeArgs) -> BTreeMap<&'static str, String> {
    let pairs = [
        ("DATABASE_URL", &args.database_url),
        ("DATABASE_URL_FILE", &args.database_url_file),
        ("CONTABO_CLIENT_ID", &args.contabo_client_id),
        ("CONTABO_CLIENT_SECRET", &args.contabo_client_secret),
        ("CONTABO_CLIENT_SECRET_FILE", &args.contabo_client_secret_file),
        ("CONTABO_USERNAME", &args.contabo_username),
        ("CONTABO_PASSWORD", &args.contabo_password),
        ("CONTABO_PASSWORD_FILE", &args.contabo_password_file),
        ("CONTABO_API_URL", &args.contabo_api_url),
        ("CONTABO_AUTH_URL", &args.contabo_auth_url),
        ("CONTABO_TIMEOUT_SECONDS", &args.contabo_timeout_seconds),
        ("CONTABO_DEFAULT_REGION", &args.contabo_default_region),
        ("CONTABO_DEFAULT_SIZE", &args.contabo_default_size),
        ("CONTABO_SSH_KEY_ID", &args.contabo_ssh_key_id),
        ("DEV_USER_DEFAULT_SHELL", &args.dev_user_default_shell),
        ("INSTALL_TIMEOUT_MINUTES", &args.install_timeout_minutes),
        ("ALLOWED_ORIGINS", &args.allowed_origins),
        ("ALLOWED_HOSTS", &args.allowed_hosts),
        ("HOST", &args.host),
        ("PORT", &args.port),
        ("DEVPOCKET_ADMIN_TOKEN", &args.devpocket_admin_token),
        ("DEVPOCKET_ADMIN_TOKEN_FILE", &args.devpocket_admin_token_file),
        ("DEVPOCKET_SEAL_KEY", &args.devpocket_seal_key),
        ("DEVPOCKET_SEAL_KEY_FILE", &args.devpocket_seal_key_file),
        ("DEVPOCKET_MONTHLY_BUDGET", &args.devpocket_monthly_budget),
        ("DEVPOCKET_UNKNOWN_PURCHASE", &args.devpocket_unknown_purchase),
        ("DEVPOCKET_SWEEP_SECONDS", &args.devpocket_sweep_seconds),
        ("DEVPOCKET_PRICES", &args.devpocket_prices),
        ("DEVPOCKET_GUEST_SSH", &args.devpocket_guest_ssh),
        ("LOG_LEVEL", &args.log_level),
        ("LOG_FORMAT", &args.log_format),
    ];
    let pairs = pairs.into_iter().chain(args.accounts.pairs()).chain(args.edge.pairs());
    let pairs = pairs.chain(args.telemetry.pairs());
    pairs.filter_map(|(name, value)| Some((name, value.clone()?))).collect()
}
