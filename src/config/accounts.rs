//! Accounts: who may register, what tokens are signed with, and how long they are good.

use clap::Args;
use jiff::SignedDuration;

use crate::accounts::keys::SigningKeys;
use crate::accounts::{AccountSettings, GoogleSettings, Registration};

use super::parse;
use super::settings::{Warning, number, url};
use super::source::Source;

/// The flags about accounts.
#[derive(Args, Clone, Debug, Default)]
pub struct AccountArgs {
    #[arg(long, value_name = "KEY", help = "Key that signs tokens, 32 characters or more")]
    pub secret_key: Option<String>,
    #[arg(long, value_name = "FILE", help = "File that holds SECRET_KEY")]
    pub secret_key_file: Option<String>,
    #[arg(long, value_name = "N", help = "How long an access token is good [default: 30]")]
    pub access_token_expire_minutes: Option<String>,
    #[arg(long, value_name = "N", help = "How long a sign-in lasts unused [default: 7]")]
    pub refresh_token_expire_days: Option<String>,
    #[arg(long, value_name = "WORD", help = "Who may register: open, invite or closed")]
    pub registration: Option<String>,
    #[arg(long, value_name = "TIER", help = "Tier of new accounts; without, they spend nothing")]
    pub default_tier: Option<String>,
    #[arg(long, value_name = "URL", help = "Where browsers reach the pages that links open")]
    pub public_url: Option<String>,
    #[arg(long, value_name = "LIST", help = "Client ids whose Google sign-ins are taken")]
    pub google_client_id: Option<String>,
    #[arg(long, value_name = "LIST", help = "Another issuer of ID tokens than Google")]
    pub google_issuer: Option<String>,
    #[arg(long, value_name = "URL", help = "Where that issuer's keys are")]
    pub google_jwks_url: Option<String>,
}

impl AccountArgs {
    /// Each variable with the value of its flag.
    pub(super) fn pairs(&self) -> Vec<(&'static str, &Option<String>)> {
        vec![
            ("SECRET_KEY", &self.secret_key),
            ("SECRET_KEY_FILE", &self.secret_key_file),
            ("ACCESS_TOKEN_EXPIRE_MINUTES", &self.access_token_expire_minutes),
            ("REFRESH_TOKEN_EXPIRE_DAYS", &self.refresh_token_expire_days),
            ("REGISTRATION", &self.registration),
            ("DEFAULT_TIER", &self.default_tier),
            ("PUBLIC_URL", &self.public_url),
            ("GOOGLE_CLIENT_ID", &self.google_client_id),
            ("GOOGLE_ISSUER", &self.google_issuer),
            ("GOOGLE_JWKS_URL", &self.google_jwks_url),
        ]
    }
}

/// Where only this computer reaches the server, or where everybody may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Loopback,
    Beyond,
}

/// What is said of `SECRET_KEY` where it is missing or wrong.
const KEY_EXPECTED: &str = "32 characters or more, such as from: openssl rand -hex 32. Several, \
     by comma, are a rotation: the first signs, all are accepted";

/// Reads the settings of accounts.
pub(super) fn accounts(
    source: &mut Source,
    reach: Reach,
    warnings: &mut Vec<Warning>,
) -> Option<AccountSettings> {
    let keys = signing_keys(source, reach, warnings);
    let access = number(source, "ACCESS_TOKEN_EXPIRE_MINUTES", 30, 1..=1_440);
    let refresh = number(source, "REFRESH_TOKEN_EXPIRE_DAYS", 7, 1..=365);
    let registration = registration(source);
    let default_tier = source.value("DEFAULT_TIER").map(|value| value.text);
    let public_url = public_url(source);
    let google = google(source);
    let mut settings = AccountSettings::new(keys?);
    settings.access_life = SignedDuration::from_mins(access.into());
    settings.refresh_life = SignedDuration::from_hours(24 * i64::from(refresh));
    settings.registration = registration;
    settings.default_tier = default_tier;
    settings.google = google;
    if let Some(public_url) = public_url {
        settings.public_url = public_url;
    }
    Some(settings)
}

fn signing_keys(
    source: &mut Source,
    reach: Reach,
    warnings: &mut Vec<Warning>,
) -> Option<SigningKeys> {
    let secret = source.required_secret("SECRET_KEY", "SECRET_KEY_FILE", KEY_EXPECTED)?;
    let strict = reach == Reach::Beyond;
    match SigningKeys::from_text(secret.value.reveal(), strict) {
        Ok(keys) => {
            if let Err(fault) = SigningKeys::from_text(secret.value.reveal(), true) {
                warnings.push(format!("SECRET_KEY {fault}: it is accepted on this computer only"));
            }
            Some(keys)
        }
        Err(fault) => {
            source.invalid(secret.name, &secret.place, fault.to_string(), KEY_EXPECTED);
            None
        }
    }
}

fn registration(source: &mut Source) -> Registration {
    let Some(value) = source.value("REGISTRATION") else { return Registration::default() };
    let known = [Registration::Open, Registration::Invite, Registration::Closed];
    known.into_iter().find(|word| word.word() == value.text).unwrap_or_else(|| {
        let problem = format!("is {:?}", value.text);
        source.invalid("REGISTRATION", &value, problem, "open, invite or closed");
        Registration::default()
    })
}

fn public_url(source: &mut Source) -> Option<String> {
    let value = source.value("PUBLIC_URL")?;
    if let Err(problem) = url(&value.text) {
        let expected = "where browsers reach this server: https://..., or http:// on loopback";
        source.invalid("PUBLIC_URL", &value, problem, expected);
    }
    Some(value.text.trim_end_matches('/').to_owned())
}

fn google(source: &mut Source) -> Option<GoogleSettings> {
    let ids = source.value("GOOGLE_CLIENT_ID").map(|value| parse::list(&value.text));
    let mut google = GoogleSettings::google(ids.unwrap_or_default());
    if let Some(issuer) = source.value("GOOGLE_ISSUER") {
        google.issuers = parse::list(&issuer.text);
    }
    if let Some(keys) = source.value("GOOGLE_JWKS_URL") {
        if let Err(problem) = url(&keys.text) {
            let expected = "where the issuer's keys are: https://..., or http:// on loopback";
            source.invalid("GOOGLE_JWKS_URL", &keys, problem, expected);
        }
        google.jwks_url = keys.text;
    }
    (!google.client_ids.is_empty()).then_some(google)
}
