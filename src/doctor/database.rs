//! What the configured database says, read and not touched: whether it can be used, and which account
//! it drives.

use std::sync::Arc;

use devpocket_controllers::store::StoreError;
use devpocket_specs::installation::{self, Installation};
use devpocket_specs::kind::Kind;
use devpocket_specs::machine::Machine;
use devpocket_specs::operation::Operation;

use crate::config::Database;
use crate::store::{self, PgOptions, Place, SchemaError, SchemaStatus, Unreachable, UsedBy};

/// Connections the look uses.
const CONNECTIONS: u32 = 2;

/// What was found.
#[derive(Debug)]
pub enum DatabaseLook {
    /// No address is configured.
    NotGiven,
    /// The address cannot be used at all.
    Wrong(String),
    Unreachable(Unreachable),
    /// It has no schema: `serve` makes it.
    Empty(Place),
    /// It is another version's.
    OtherSchema {
        place: Place,
        error: SchemaError,
        used_by: Option<UsedBy>,
    },
    /// It has the schema, and no account is recorded yet.
    Unused(Place),
    Records(Box<Records>),
    /// It can be reached, and not read.
    Broken {
        place: Place,
        because: String,
    },
}

/// The records that tie a database to an account.
#[derive(Debug)]
pub struct Records {
    pub place: Place,
    pub installation: Installation,
    pub machines: Vec<Arc<Machine>>,
    pub operations: Vec<Arc<Operation>>,
}

/// Looks; nothing is written, not even who looked.
pub async fn look(database: Option<&Database>) -> DatabaseLook {
    let Some(database) = database else { return DatabaseLook::NotGiven };
    let options = match PgOptions::from_url(database.url.reveal()) {
        Ok(options) => options,
        Err(error) => return DatabaseLook::Wrong(error.to_string()),
    };
    let connect = options.connect.options([("default_transaction_read_only", "on")]);
    let place = Place::of(&connect);
    if let Err(unreachable) = store::reach(&connect).await {
        return DatabaseLook::Unreachable(unreachable);
    }
    let broken = |because: String| DatabaseLook::Broken { place: place.clone(), because };
    let pool = match store::pool(&connect, CONNECTIONS).await {
        Ok(pool) => pool,
        Err(error) => return broken(error.to_string()),
    };
    let status = match store::schema_status(&pool).await {
        Ok(status) => status,
        Err(error) => return broken(error.to_string()),
    };
    let found = match status {
        SchemaStatus::Empty => DatabaseLook::Empty(place),
        other => match other.check() {
            Err(error) => {
                let used_by = store::used_by(&pool).await;
                DatabaseLook::OtherSchema { place, error, used_by }
            }
            Ok(()) => match records(&pool, place.clone()).await {
                Ok(Some(records)) => DatabaseLook::Records(Box::new(records)),
                Ok(None) => DatabaseLook::Unused(place),
                Err(error) => broken(error.to_string()),
            },
        },
    };
    pool.close().await;
    found
}

async fn records(pool: &sqlx::PgPool, place: Place) -> Result<Option<Records>, StoreError> {
    let unreadable = |error: devpocket_specs::object::ObjectError| {
        StoreError::Unavailable(format!("a record cannot be read: {error}"))
    };
    let listed = store::peek(pool, Kind::Installation).await?;
    let Some(found) = listed.items.iter().find(|item| item.metadata.name == installation::NAME)
    else {
        return Ok(None);
    };
    let installation = found.to::<Installation>().map_err(unreadable)?;
    let mut machines = Vec::new();
    for item in store::peek(pool, Kind::Machine).await?.items {
        machines.push(Arc::new(item.to::<Machine>().map_err(unreadable)?));
    }
    let mut operations = Vec::new();
    for item in store::peek(pool, Kind::Operation).await?.items {
        operations.push(Arc::new(item.to::<Operation>().map_err(unreadable)?));
    }
    Ok(Some(Records { place, installation, machines, operations }))
}
