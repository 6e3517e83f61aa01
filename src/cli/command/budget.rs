//! What is spent and promised this month, counted as the brakes count it.

use std::sync::Arc;

use devpocket_controllers::environment::{Records, Snapshot};
use devpocket_controllers::guard::committed_this_month;
use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::installation::Installation;
use devpocket_specs::machine::Machine;
use devpocket_specs::money::Money;
use devpocket_specs::operation::Operation;

use crate::cli::api::Api;
use crate::cli::error::Report;
use crate::cli::session::Session;

/// Nothing where no budget is set.
pub async fn committed(session: &Session, api: &Api) -> Result<Option<Money>, Report> {
    let failed = |error| session.report(&error);
    let Some(installation) = session.installation(api).await? else { return Ok(None) };
    let machines = match api.all::<Machine>("").await {
        // Of the account as a whole a tenant is told nothing.
        Err(error) if error.is_forbidden() => return Ok(None),
        machines => machines.map_err(failed)?,
    };
    let operations = api.all::<Operation>("").await.map_err(failed)?;
    Ok(of(session, installation, machines, operations))
}

/// The same from records at hand.
pub fn of(
    session: &Session,
    installation: Installation,
    machines: Vec<Machine>,
    operations: Vec<Operation>,
) -> Option<Money> {
    let records = Records {
        installation: Some(Arc::new(installation)),
        machines: machines.into_iter().map(Arc::new).collect(),
        operations: operations.into_iter().map(Arc::new).collect(),
        ..Records::default()
    };
    let snapshot = Snapshot::new(Arc::new(Catalogue::builtin().clone()), records);
    committed_this_month(&snapshot.guard(session.now()))
}
