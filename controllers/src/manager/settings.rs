//! What an operator sets, and the limits that follow.

use std::time::Duration;

use devpocket_specs::installation::UnknownPurchase;
use devpocket_specs::money::Money;
use devpocket_specs::sample::SAMPLE_SECONDS;
use jiff::SignedDuration;

use crate::runtime::LeaseTimings;

/// Time between two lists of the whole account.
pub const SWEEP_PERIOD: Duration = Duration::from_secs(60);
/// Time between two looks at machines on which something is under way.
pub const TRANSITION_PERIOD: Duration = Duration::from_secs(10);
/// How long a mutating call may take. With the default lease a renewal on time leaves 30 s.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(25);
/// Time between two attempts while the credentials are refused: asking more often locks accounts.
pub const SIGN_IN_PERIOD: Duration = Duration::from_secs(300);
/// How long an installation may take before it counts as failed.
pub const INSTALL_TIMEOUT: SignedDuration = SignedDuration::from_mins(15);
/// Time between two visits to a machine that installs itself.
pub const GUEST_PERIOD: Duration = Duration::from_secs(2);
/// Time between two visits to a machine at rest.
pub const GUEST_REST_PERIOD: Duration = Duration::from_secs(60);
/// Time between two samples of how a machine is doing.
pub const SAMPLE_PERIOD: Duration = Duration::from_secs(SAMPLE_SECONDS.unsigned_abs());
/// How often every object is looked at again without a reason, at low priority.
pub const RESYNC_PERIOD: Duration = Duration::from_secs(600);
/// How often finished operations and old events are collected.
pub const COLLECT_PERIOD: Duration = Duration::from_secs(3_600);

/// How the controllers of this process work.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Of this process and no other: names it in leases and operations.
    pub identity: String,
    pub lease: LeaseTimings,
    pub sweep_period: Duration,
    pub transition_period: Duration,
    /// Must be shorter than [`LeaseTimings::longest_call`].
    pub call_timeout: Duration,
    pub resync_period: Duration,
    pub install_timeout: SignedDuration,
    pub guest_period: Duration,
    pub guest_rest_period: Duration,
    pub sample_period: Duration,
    /// For the Installation record, which the first start makes; later starts leave it alone.
    pub first: FirstInstallation,
    /// Templates that are installed where they are not yet, each its YAML.
    pub templates: Vec<&'static str>,
}

/// The limits a new installation begins with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FirstInstallation {
    /// Absent: nothing is bought.
    pub monthly_budget: Option<Money>,
    pub unknown_purchase: UnknownPurchase,
    pub purchases_per_hour: Option<u32>,
    pub reclaim_after_seconds: Option<i64>,
    pub lag_allowance_seconds: Option<i64>,
    pub settle_seconds: Option<i64>,
}

impl Settings {
    /// The defaults, for a process with this identity.
    pub fn new(identity: impl Into<String>) -> Settings {
        Settings {
            identity: identity.into(),
            lease: LeaseTimings::default(),
            sweep_period: SWEEP_PERIOD,
            transition_period: TRANSITION_PERIOD,
            call_timeout: CALL_TIMEOUT,
            resync_period: RESYNC_PERIOD,
            install_timeout: INSTALL_TIMEOUT,
            guest_period: GUEST_PERIOD,
            guest_rest_period: GUEST_REST_PERIOD,
            sample_period: SAMPLE_PERIOD,
            first: FirstInstallation::default(),
            templates: Vec::new(),
        }
    }
}
