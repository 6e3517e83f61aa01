//! The Installation record: made once, at the very first start.

use devpocket_specs::installation::{self, Installation, InstallationSpec, InstallationStatus};
use devpocket_specs::metadata::ObjectMeta;
use uuid::Uuid;

use super::mirrors::installation_key;
use super::settings::FirstInstallation;
use crate::client::{Client, ClientError};
use crate::guest::{Guest, GuestError};

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

/// The authority whose certificates open machines is part of every user-data: it is in the record,
/// so that whoever renders gets the same bytes. Nothing where guests are not looked at.
pub async fn authority(client: &Client, guest: &dyn Guest) -> Result<(), AuthorityError> {
    let line = guest.authority().await?;
    let key = installation_key();
    let Some(mut record) = client.get::<Installation>(&key).await? else { return Ok(()) };
    if record.status.user_ca != line {
        record.status.user_ca = line;
        client.update_status(&record).await?;
    }
    Ok(())
}

/// Why the authority is not in the record.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Guest(#[from] GuestError),
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
