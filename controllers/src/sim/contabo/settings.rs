//! Everything about Contabo that is a quantity or not known for sure, as switches.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// How the modelled account behaves. All durations are real ones; `speed` divides those of
/// provisioning, installing, power and lag, and never touches contract dates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Settings {
    /// 1 is Contabo's pace; 60 turns a minute of installing into a second. Not below 0.001.
    pub speed: f64,
    pub account: Account,
    /// From the order to the first installing.
    pub provisioning: SignedDuration,
    /// From installing to running.
    pub installing: SignedDuration,
    /// From the 201 of start, stop, restart or rescue until the status shows it.
    pub power_lag: SignedDuration,
    /// The same for shutdown: the guest takes its time.
    pub shutdown_lag: SignedDuration,
    /// How long `reset_password` shows.
    pub reset_password: SignedDuration,
    /// How far lists are behind a single GET: new machines missing, old names and states shown.
    pub list_lag: SignedDuration,
    /// How long a GET answers 404 after the 201 of the order.
    pub get_lag: SignedDuration,
    /// From a change to its audit entry.
    pub audit_delay: SignedDuration,
    /// How long an audit entry of an order shows `instanceId: 0` once it is visible.
    pub audit_id_delay: SignedDuration,
    /// Page size when none is asked for. Not documented; examples show 10.
    pub default_page_size: u32,
    /// A larger `size` is cut to this.
    pub max_page_size: u32,
    /// What the `displayName` filter does. Not documented.
    pub display_name_match: TextMatch,
    /// The answer to cancelling what is cancelled already. Not documented.
    pub repeated_cancel: RepeatedCancel,
    /// The answer to an action while provisioning or installing. Not documented.
    pub busy: BusyAnswer,
    /// What a request id that was accepted before does. Not documented.
    pub repeated_request_id: RepeatedRequestId,
    /// What a reinstallation does to the display name. Seen to be kept, and to be lost.
    pub reinstalled_name: ReinstalledName,
    /// What a body's unknown field does. Not documented.
    pub unknown_fields: UnknownFields,
    /// From the 201 of a snapshot until lists and GETs know it. Not documented.
    pub snapshot_lag: SignedDuration,
    /// How long a rollback takes.
    pub rollback: SignedDuration,
    /// Whether a machine shows `stopped` while it is rolled back. Not documented.
    pub rollback_stops: bool,
    /// Whether a stopped machine can be snapshotted. Not documented.
    pub stopped_snapshots: bool,
    /// How long a custom image is downloaded.
    pub image_download: SignedDuration,
    /// Space for custom images that was paid for, in MB; more than that is refused with 402.
    pub custom_image_mb: i64,
    /// What a machine needs after it joined its first private network. The documents disagree.
    pub network_join: NetworkJoin,
    /// The terms that can be ordered, in months. The document says 1, 3, 6, 12; a live client of
    /// 2026 allows only 1, 12, 24.
    pub periods: Vec<i64>,
    /// Which products can be ordered.
    pub line_up: LineUp,
    /// Whether the API may cancel a contract that was bought in the panel (422 otherwise).
    pub panel_contracts_cancellable: bool,
    /// Largest accepted user-data, in bytes. Not documented; one client stops at 32 KiB.
    pub max_user_data: usize,
    /// A limit on all calls together; none by default.
    pub rate_limit: Option<RateLimit>,
    /// Lifetime of an access token, in seconds.
    pub token_seconds: u32,
    /// Lifetime of a refresh token, in seconds.
    pub refresh_seconds: u32,
    /// Tokens carry this number; raising it revokes all that were issued before.
    pub token_epoch: u32,
}

/// Who the account is; every object of the API repeats the first two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    pub tenant_id: String,
    pub customer_id: String,
    /// `changedBy` in audits.
    pub user_id: String,
    pub username: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TextMatch {
    Exact,
    Substring,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RepeatedCancel {
    /// 201 with the date that stands.
    SameDate,
    /// 422.
    Unprocessable,
    /// 409.
    Conflict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BusyAnswer {
    /// 400.
    BadRequest,
    /// 409.
    Conflict,
    /// 201, and nothing happens.
    AcceptAndIgnore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RepeatedRequestId {
    /// It is for tracing only: the call is carried out once more.
    Ignored,
    /// 409, and nothing happens.
    Conflict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReinstalledName {
    Kept,
    /// It is empty once the installation ends.
    Cleared,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownFields {
    Ignored,
    /// 400.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkJoin {
    Reinstall,
    Restart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineUp {
    /// V91 to V107 and the VDS.
    Spring2025,
    /// V153 to V164 and the VDS.
    Autumn2026,
    Both,
}

/// A token bucket: `burst` calls at once, refilled at `per_second`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    pub burst: f64,
    pub per_second: f64,
    /// Whether a 429 carries `Retry-After`; Contabo documents none.
    #[serde(default)]
    pub retry_after: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            speed: 1.0,
            account: Account::default(),
            provisioning: SignedDuration::from_secs(60),
            installing: SignedDuration::from_secs(150),
            power_lag: SignedDuration::from_secs(5),
            shutdown_lag: SignedDuration::from_secs(20),
            reset_password: SignedDuration::from_secs(15),
            list_lag: SignedDuration::from_secs(10),
            get_lag: SignedDuration::ZERO,
            audit_delay: SignedDuration::from_secs(5),
            audit_id_delay: SignedDuration::from_secs(5),
            default_page_size: 10,
            max_page_size: 100,
            display_name_match: TextMatch::Substring,
            repeated_cancel: RepeatedCancel::SameDate,
            busy: BusyAnswer::BadRequest,
            repeated_request_id: RepeatedRequestId::Ignored,
            reinstalled_name: ReinstalledName::Kept,
            unknown_fields: UnknownFields::Ignored,
            snapshot_lag: SignedDuration::from_secs(5),
            rollback: SignedDuration::from_secs(30),
            rollback_stops: true,
            stopped_snapshots: false,
            image_download: SignedDuration::from_secs(60),
            custom_image_mb: 25_600,
            network_join: NetworkJoin::Reinstall,
            periods: vec![1, 3, 6, 12, 24],
            line_up: LineUp::Both,
            panel_contracts_cancellable: false,
            max_user_data: 32 * 1024,
            rate_limit: None,
            token_seconds: 300,
            refresh_seconds: 1800,
            token_epoch: 1,
        }
    }
}

impl Settings {
    /// No lag at all: what is accepted shows at once. Provisioning and installing keep their time.
    pub fn prompt() -> Settings {
        Settings {
            power_lag: SignedDuration::ZERO,
            shutdown_lag: SignedDuration::ZERO,
            list_lag: SignedDuration::ZERO,
            audit_delay: SignedDuration::ZERO,
            audit_id_delay: SignedDuration::ZERO,
            snapshot_lag: SignedDuration::ZERO,
            ..Settings::default()
        }
    }

    /// The default at another pace.
    pub fn at_speed(speed: f64) -> Settings {
        Settings { speed, ..Settings::default() }
    }

    /// A duration as it passes at this speed; never negative.
    pub(super) fn paced(&self, duration: SignedDuration) -> SignedDuration {
        let speed = if self.speed.is_finite() { self.speed.max(0.001) } else { 1.0 };
        let millis = (duration.as_millis().max(0) as f64 / speed).min(1e15);
        SignedDuration::from_millis(millis as i64)
    }
}

impl Default for Account {
    /// The simulated account. Its number is one that Contabo does not use for customers.
    fn default() -> Account {
        Account {
            tenant_id: "INT".to_owned(),
            customer_id: "90000001".to_owned(),
            user_id: "5c1a70e0-51b0-4c0d-8d3f-900000010001".to_owned(),
            username: "simulator@devpocket.invalid".to_owned(),
        }
    }
}
