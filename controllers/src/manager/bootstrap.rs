//! The Installation record: made once, at the very first start.

use devpocket_specs::installation::{self, Installation, InstallationSpec, InstallationStatus};
use devpocket_specs::metadata::ObjectMeta;
use uuid::Uuid;

use super::mirrors::installation_key;
use super::settings::FirstInstallation;
use crate::client::{Client, ClientError};

const PURCHASES_PER_HOUR: u32 = 3;
const RECLAIM_AFTER_SECONDS: i64 = 86_400;
const LAG_ALLOWANCE_SECONDS: i64 = 60;
const SETTLE_SECONDS: i64 = 1_800;

/// Makes the record if there is none. What is there is left as it is: its id is in the name of
/// every machine, and its limits are an operator's.
pub async fn ensure(client: &Client, first: &FirstInstallation) -> Result<(), ClientError> {
    if client.get::<Installation>(&installation_key()).await?.is_some() {
        return Ok(());
    }
    let record = Installation {
        metadata: ObjectMeta::named("", installation::NAME),
        spec: spec(client.uid(), first),
        status: InstallationStatus::default(),
    };
    match client.create(&record).await {
        Err(error) if error.is_already_exists() => Ok(()),
        other => other.map(drop),
    }
}

fn spec(drawn: Uuid, first: &FirstInstallation) -> InstallationSpec {
    InstallationSpec {
        id: format!("{:08x}", drawn.as_u128() >> 96),
        account: None,
        monthly_budget: first.monthly_budget.clone(),
        purchases_per_hour: first.purchases_per_hour.unwrap_or(PURCHASES_PER_HOUR),
        unknown_purchase: first.unknown_purchase,
        reclaim_after_seconds: first.reclaim_after_seconds.unwrap_or(RECLAIM_AFTER_SECONDS),
        lag_allowance_seconds: first.lag_allowance_seconds.unwrap_or(LAG_ALLOWANCE_SECONDS),
        settle_seconds: first.settle_seconds.unwrap_or(SETTLE_SECONDS),
        paused: None,
    }
}
