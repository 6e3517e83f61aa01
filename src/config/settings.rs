//! The settings themselves: which there are, what they mean, what they may be.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::installation::UnknownPurchase;
use devpocket_specs::money::Money;
use jiff::civil::Date;

use crate::access::seal::Sealer;
use crate::accounts::AccountSettings;
use crate::contabo::{ContaboConfig, Credentials, READ_TIMEOUT, Sensitive};
use crate::telemetry::{MetricsConfig, TracesConfig, check_filter};

use super::ConfigErrors;
use super::accounts::{Reach, accounts};
use super::edge::{EdgeConfig, behind_proxy, edge};
use super::guest::{GuestSsh, guest_ssh};
use super::offers::{catalogue, default_region, default_shell, default_size};
use super::parse;
use super::source::{Secret, Source};
use super::telemetry::{metrics, traces};

/// Said when the addresses are on this computer. Which account signs in there is not known yet.
pub const CONTABO_SIMULATED_NOTE: &str = "CONTABO_API_URL and CONTABO_AUTH_URL are on this \
     computer: a simulator, where nothing costs money, unless another account signs in there";

/// Shortest time between two lists of an account at Contabo.
const LEAST_SWEEP_SECONDS: u32 = 5;

/// Shortest admin token that is accepted, in characters.
const TOKEN_MIN: usize = 32;

/// Known to earlier servers or meant for later versions: accepted, and said to do nothing, with what
/// does it instead. What is set and silently left alone would be taken for a rule that holds.
const WITHOUT_EFFECT: [(&str, &str); 13] = [
    ("CONTABO_SSH_KEY_ID", "nothing in this version"),
    ("ACCOUNT_LOCKOUT_ATTEMPTS", "5 wrong passwords lock an account, always"),
    ("ACCOUNT_LOCKOUT_DURATION", "an account is locked for 15 minutes, always"),
    ("BCRYPT_ROUNDS", "passwords are kept as Argon2id, and bcrypt's hashes are replaced"),
    ("FREE_PLAN_MAX_ENVIRONMENTS", "a Tier, spec.maxMachines"),
    ("STARTER_PLAN_MAX_ENVIRONMENTS", "a Tier, spec.maxMachines"),
    ("PRO_PLAN_MAX_ENVIRONMENTS", "a Tier, spec.maxMachines"),
    ("GOOGLE_CLIENT_SECRET", "ID tokens are checked with Google's public keys"),
    ("GOOGLE_REDIRECT_URI", "the app sends the ID token it got"),
    ("ENABLE_API_DOCS", "/kube/openapi/v3, for who is signed in"),
    ("DEBUG", "LOG_LEVEL"),
    ("WS_HEARTBEAT_INTERVAL", "nothing in this version"),
    ("WS_MAX_CONNECTIONS_PER_USER", "nothing in this version"),
];

/// Something worth a line in the log.
pub type Warning = String;

/// The database's address, and where it was configured.
#[derive(Clone, Debug)]
pub struct Database {
    pub url: Sensitive,
    /// Such as `DATABASE_URL (.env:3)`, for messages.
    pub place: String,
}

/// Everything `serve` needs, checked.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    pub database: Database,
    pub contabo: ContaboConfig,
    /// Catalogue name of the size that is offered first.
    pub default_size: String,
    pub install_timeout_minutes: u32,
    pub allowed_origins: Vec<String>,
    pub allowed_hosts: Vec<String>,
    pub edge: EdgeConfig,
    pub host: IpAddr,
    pub port: u16,
    /// Time between two lists of the whole account.
    pub sweep: Duration,
    pub admin_token: Sensitive,
    pub seal_key: Sensitive,
    /// Where the sealing keys are from, if that is a file: it is followed.
    pub seal_key_file: Option<PathBuf>,
    /// None only beside a fault.
    pub accounts: Option<AccountSettings>,
    pub monthly_budget: Option<Money>,
    pub unknown_purchase: UnknownPurchase,
    pub catalogue: Catalogue,
    pub log_filter: Option<String>,
    pub log_json: Option<bool>,
    pub guest_ssh: GuestSsh,
    /// Where traces go; none by default.
    pub traces: Option<TracesConfig>,
    /// Where metrics go, beside `/metrics`; nowhere by default.
    pub metrics: Option<MetricsConfig>,
}

/// Reads all settings, or all faults.
pub fn read(source: &mut Source, today: Date) -> Result<(ServeConfig, Vec<Warning>), ConfigErrors> {
    let mut warnings = Vec::new();
    let catalogue = catalogue(source);
    let region = default_region(source, &catalogue);
    let shell = default_shell(source);
    source.behind_proxy = behind_proxy(source);
    let host = host(source);
    let reach = match host.is_loopback() && !source.behind_proxy {
        true => Reach::Loopback,
        false => Reach::Beyond,
    };
    // In this order faults are told.
    let database = database(source);
    let contabo = contabo(source);
    let admin_token = admin_token(source);
    let (seal_key, seal_key_file) = seal_key(source);
    let guest_ssh = guest_ssh(source, contabo.simulated);
    // Contabo itself is spared; a simulator is not in anybody's way.
    let least = if contabo.simulated { 1 } else { LEAST_SWEEP_SECONDS };
    let sweep = number(source, "DEVPOCKET_SWEEP_SECONDS", 60, least..=600);
    let config = ServeConfig {
        database,
        contabo,
        guest_ssh,
        default_size: default_size(source, &catalogue, today, &mut warnings),
        install_timeout_minutes: number(source, "INSTALL_TIMEOUT_MINUTES", 15, 1..=240),
        allowed_origins: source.value("ALLOWED_ORIGINS").map_or(vec![], |v| parse::list(&v.text)),
        allowed_hosts: source.value("ALLOWED_HOSTS").map_or(vec![], |v| parse::list(&v.text)),
        edge: edge(source, &mut warnings),
        host,
        // 0 lets the system choose; the log tells what it chose.
        port: number(source, "PORT", 8000, 0..=65_535) as u16,
        sweep: Duration::from_secs(sweep.into()),
        admin_token,
        seal_key,
        seal_key_file,
        accounts: accounts(source, reach, &mut warnings),
        monthly_budget: monthly_budget(source, &mut warnings),
        unknown_purchase: unknown_purchase(source),
        catalogue: catalogue.with_defaults(&region, &shell),
        log_filter: log_filter(source),
        log_json: log_json(source),
        traces: traces(source, &mut warnings),
        metrics: metrics(source, &mut warnings),
    };
    if config.contabo.simulated {
        warnings.push(CONTABO_SIMULATED_NOTE.into());
    }
    if config.allowed_origins.iter().any(|origin| origin == "*") {
        warnings.push("ALLOWED_ORIGINS is *: pages of any site may use the API".into());
    }
    warnings.append(&mut source.warnings);
    for (name, instead) in WITHOUT_EFFECT {
        if source.value(name).is_some() {
            warnings.push(format!("{name} is set and has no effect; in its place: {instead}"));
        }
    }
    match source.errors.is_empty() {
        true => Ok((config, warnings)),
        false => Err(ConfigErrors(std::mem::take(&mut source.errors))),
    }
}

/// The database's address, or a fault.
pub fn database(source: &mut Source) -> Database {
    let expected = "the address of a Postgres, postgresql://user:password@host:5432/name";
    let found = source.required_secret("DATABASE_URL", "DATABASE_URL_FILE", expected);
    let Some(secret) = found else {
        return Database { url: Sensitive::new(""), place: String::new() };
    };
    let url = parse::database_url(secret.value.reveal()).unwrap_or_else(|problem| {
        source.invalid(secret.name, &secret.place, problem, expected);
        String::new()
    });
    Database { url: Sensitive::new(url), place: format!("{} ({})", secret.name, secret.place.at) }
}

/// The value of a secret that was found; what is missing is reported already.
fn revealed(secret: Option<Secret>) -> Sensitive {
    secret.map_or_else(|| Sensitive::new(""), |secret| secret.value)
}

pub(super) fn contabo(source: &mut Source) -> ContaboConfig {
    let credentials = Credentials {
        client_id: source
            .required("CONTABO_CLIENT_ID", "the client id of an API user, such as INT-12345"),
        client_secret: revealed(source.required_secret(
            "CONTABO_CLIENT_SECRET",
            "CONTABO_CLIENT_SECRET_FILE",
            "the client secret of that API user",
        )),
        username: source.required("CONTABO_USERNAME", "the e-mail address of that API user"),
        password: revealed(source.required_secret(
            "CONTABO_PASSWORD",
            "CONTABO_PASSWORD_FILE",
            "the API password set in the customer panel, not the one you sign in there with",
        )),
    };
    let mut config = ContaboConfig::live(credentials);
    let default = READ_TIMEOUT.as_secs() as u32;
    config.patience =
        Duration::from_secs(number(source, "CONTABO_TIMEOUT_SECONDS", default, 1..=300).into());
    let api = source.value("CONTABO_API_URL");
    let auth = source.value("CONTABO_AUTH_URL");
    match (api, auth) {
        (None, None) => {}
        (Some(api), Some(auth)) => {
            for (name, value) in [("CONTABO_API_URL", &api), ("CONTABO_AUTH_URL", &auth)] {
                if let Err(problem) = url(&value.text) {
                    source.invalid(name, value, problem, "https://..., or http:// on loopback");
                }
            }
            // A token of one must never reach the other: both addresses move together.
            config.simulated = is_loopback_url(&api.text) && is_loopback_url(&auth.text);
            config.api_url = api.text;
            config.auth_url = auth.text;
        }
        (Some(api), None) => source.invalid(
            "CONTABO_API_URL",
            &api,
            "is set without CONTABO_AUTH_URL",
            "both, since a sign-in at one must not be used at the other",
        ),
        (None, Some(auth)) => source.invalid(
            "CONTABO_AUTH_URL",
            &auth,
            "is set without CONTABO_API_URL",
            "both, since a sign-in at one must not be used at the other",
        ),
    }
    config
}

pub(super) fn url(text: &str) -> Result<(), &'static str> {
    let parsed: reqwest::Url = text.parse().map_err(|_| "is not a URL")?;
    match parsed.scheme() {
        "https" => Ok(()),
        "http" if is_loopback_url(text) => Ok(()),
        "http" => Err("sends the credentials in the clear"),
        _ => Err("is not https"),
    }
}

pub(super) fn is_loopback_url(text: &str) -> bool {
    let Ok(parsed) = text.parse::<reqwest::Url>() else { return false };
    match parsed.host_str() {
        Some("localhost") => true,
        Some(host) => host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

pub(super) fn number(
    source: &mut Source,
    name: &'static str,
    default: u32,
    range: std::ops::RangeInclusive<u32>,
) -> u32 {
    let Some(value) = source.value(name) else { return default };
    match value.text.parse() {
        Ok(number) if range.contains(&number) => number,
        _ => {
            let problem = format!("is {:?}", value.text);
            let expected = format!("a whole number from {} to {}", range.start(), range.end());
            source.invalid(name, &value, problem, expected);
            default
        }
    }
}

fn host(source: &mut Source) -> IpAddr {
    let loopback = IpAddr::from([127, 0, 0, 1]);
    let Some(value) = source.value("HOST") else { return loopback };
    let Ok(address) = value.text.parse::<IpAddr>() else {
        let problem = format!("is {:?}", value.text);
        source.invalid("HOST", &value, problem, "an IP address, such as 127.0.0.1 or 0.0.0.0");
        return loopback;
    };
    let tls = source.value("TLS_CERT").is_some();
    if !address.is_loopback() && !source.behind_proxy && !tls {
        source.invalid(
            "HOST",
            &value,
            format!("is {address}, where tokens would travel in the clear"),
            "a loopback address; or --tls-cert and --tls-key; or --behind-proxy, with a proxy that \
             ends TLS",
        );
    }
    address
}

fn admin_token(source: &mut Source) -> Sensitive {
    let expected = "32 characters or more, such as from: openssl rand -hex 32";
    let found =
        source.required_secret("DEVPOCKET_ADMIN_TOKEN", "DEVPOCKET_ADMIN_TOKEN_FILE", expected);
    let Some(secret) = found else { return Sensitive::new("") };
    if secret.value.reveal().len() < TOKEN_MIN {
        source.invalid(secret.name, &secret.place, "is too short", expected);
    }
    secret.value
}

/// The sealing keys, and the file they are from, if it is one.
fn seal_key(source: &mut Source) -> (Sensitive, Option<PathBuf>) {
    let expected = "64 hex digits, from: openssl rand -hex 32. Keep a copy: without it the \
                    secrets in the database cannot be read";
    const FILE: &str = "DEVPOCKET_SEAL_KEY_FILE";
    let Some(secret) = source.required_secret("DEVPOCKET_SEAL_KEY", FILE, expected) else {
        return (Sensitive::new(""), None);
    };
    // Several keys are a rotation: the first seals, all open.
    if Sealer::from_text(secret.value.reveal()).is_err() {
        source.invalid(secret.name, &secret.place, "is not a key", expected);
    }
    let file = (secret.name == FILE).then(|| source.value(FILE)).flatten();
    (secret.value, file.map(|file| PathBuf::from(file.text)))
}

fn log_filter(source: &mut Source) -> Option<String> {
    let value = source.value("LOG_LEVEL")?;
    let filter = value.text.to_ascii_lowercase();
    if check_filter(&filter).is_err() {
        let problem = format!("is {:?}", value.text);
        source.invalid(
            "LOG_LEVEL",
            &value,
            problem,
            "error, warn, info, debug, trace, or a filter \
             such as info,devpocket=debug",
        );
    }
    Some(filter)
}

pub(super) fn monthly_budget(source: &mut Source, warnings: &mut Vec<Warning>) -> Option<Money> {
    let Some(value) = source.value("DEVPOCKET_MONTHLY_BUDGET") else {
        warnings.push("DEVPOCKET_MONTHLY_BUDGET is not set: nothing will be bought".into());
        return None;
    };
    let money = parse::money(&value.text);
    if money.is_none() {
        let problem = format!("is {:?}", value.text);
        source.invalid("DEVPOCKET_MONTHLY_BUDGET", &value, problem, "an amount such as 300 EUR");
    }
    money
}

fn unknown_purchase(source: &mut Source) -> UnknownPurchase {
    let Some(value) = source.value("DEVPOCKET_UNKNOWN_PURCHASE") else {
        return UnknownPurchase::Hold;
    };
    match value.text.as_str() {
        "Hold" => UnknownPurchase::Hold,
        "Proceed" => UnknownPurchase::Proceed,
        _ => {
            let problem = format!("is {:?}", value.text);
            source.invalid("DEVPOCKET_UNKNOWN_PURCHASE", &value, problem, "Hold or Proceed");
            UnknownPurchase::Hold
        }
    }
}

fn log_json(source: &mut Source) -> Option<bool> {
    let value = source.value("LOG_FORMAT")?;
    match value.text.as_str() {
        "json" => Some(true),
        "pretty" | "text" => Some(false),
        _ => {
            let problem = format!("is {:?}", value.text);
            source.invalid("LOG_FORMAT", &value, problem, "json or pretty");
            None
        }
    }
}
