//! How the controllers go on this computer: for whoever watches, not for an account of hundreds.

use std::time::Duration;

use devpocket_controllers::manager::Settings;
use devpocket_specs::money::Money;
use devpocket_specs::template::SHIPPED;

use super::folder::Folder;

/// Budget of the simulated account, so that the brake is there and does not bite at once.
const BUDGET_CENTS: i64 = 50_000;
/// Whoever watches should not wait a minute for a drift to be seen.
const SWEEP_PERIOD: Duration = Duration::from_secs(2);
const TRANSITION_PERIOD: Duration = Duration::from_millis(500);
/// Simulated machines install themselves in seconds.
const GUEST_PERIOD: Duration = Duration::from_millis(300);
const GUEST_REST_PERIOD: Duration = Duration::from_secs(5);
/// What was done less than this long ago may not show yet; the simulated lag is shorter.
const LAG_ALLOWANCE_SECONDS: i64 = 2;
/// Silence that proves absence here; on Contabo it is half an hour.
const SETTLE_SECONDS: i64 = 20;

/// The folder's lock makes this the only process on this database, so the name in the lease can
/// stay the same: the next start after a kill need not wait for the lease to run out.
pub(super) fn settings(folder: &Folder) -> Settings {
    let mut settings = Settings::new(format!("up:{}", folder.path().display()));
    settings.templates = SHIPPED.map(|(_, yaml)| yaml).to_vec();
    settings.sweep_period = SWEEP_PERIOD;
    settings.transition_period = TRANSITION_PERIOD;
    settings.guest_period = GUEST_PERIOD;
    settings.guest_rest_period = GUEST_REST_PERIOD;
    settings.first.monthly_budget = Some(Money::eur(BUDGET_CENTS));
    settings.first.lag_allowance_seconds = Some(LAG_ALLOWANCE_SECONDS);
    settings.first.settle_seconds = Some(SETTLE_SECONDS);
    settings
}
