//! What an installation decides about accounts.

use std::time::Duration;

use jiff::SignedDuration;

use super::keys::SigningKeys;
use super::password::Cost;

/// [`AccountSettings::failure_step`] of every installation.
pub const FAILURE_STEP: Duration = Duration::from_millis(500);

/// Who may register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registration {
    /// Everybody.
    Open,
    /// Who was invited.
    #[default]
    Invite,
    /// Nobody; `devpocket admin create` makes accounts.
    Closed,
}

impl Registration {
    pub fn word(self) -> &'static str {
        match self {
            Registration::Open => "open",
            Registration::Invite => "invite",
            Registration::Closed => "closed",
        }
    }
}

/// Sign-in with Google, or with what speaks like it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoogleSettings {
    /// Client ids of the apps whose ID tokens are taken: the audience.
    pub client_ids: Vec<String>,
    /// Accepted in `iss`.
    pub issuers: Vec<String>,
    /// Where the issuer's keys are.
    pub jwks_url: String,
}

impl GoogleSettings {
    /// Google itself.
    pub fn google(client_ids: Vec<String>) -> GoogleSettings {
        GoogleSettings {
            client_ids,
            issuers: vec!["https://accounts.google.com".into(), "accounts.google.com".into()],
            jwks_url: "https://www.googleapis.com/oauth2/v3/certs".into(),
        }
    }
}

/// Everything about accounts that is configured.
#[derive(Clone, Debug)]
pub struct AccountSettings {
    pub keys: SigningKeys,
    /// How long an access token is good: `ACCESS_TOKEN_EXPIRE_MINUTES`.
    pub access_life: SignedDuration,
    /// How long a refresh token is good, counted from the last refresh:
    /// `REFRESH_TOKEN_EXPIRE_DAYS`.
    pub refresh_life: SignedDuration,
    pub registration: Registration,
    /// Tier of a new account; without one it may spend nothing.
    pub default_tier: Option<String>,
    /// Where people's browsers reach the pages that links open, without a slash at the end.
    pub public_url: String,
    /// Whether letters are delivered. Without, no address is verified and none has to be.
    pub mail: bool,
    pub google: Option<GoogleSettings>,
    /// What a password hash costs.
    pub cost: Cost,
    /// Failed sign-ins are answered at whole multiples of it: longer than comparing a hash takes that
    /// is still to be replaced (bcrypt of 12 rounds: about 0.3 s).
    pub failure_step: Duration,
}

impl AccountSettings {
    /// The defaults with these keys.
    pub fn new(keys: SigningKeys) -> AccountSettings {
        AccountSettings {
            keys,
            access_life: SignedDuration::from_mins(30),
            refresh_life: SignedDuration::from_hours(7 * 24),
            registration: Registration::default(),
            default_tier: None,
            public_url: "http://127.0.0.1:8000".into(),
            mail: false,
            google: None,
            cost: Cost::default(),
            failure_step: FAILURE_STEP,
        }
    }
}
