//! A look at a real account before DevPocket is let at it: whether the credentials are accepted,
//! whose machines are there, what can be installed and what it costs, and what `serve` would do on
//! its first start.
//!
//! # Guarantees
//! - **Nothing is changed**, at Contabo or in the database: only GETs are sent, after one sign-in,
//!   and the database is opened for reading. So it may be run beside a `serve` that works.
//! - What cannot be seen is told as that, and never read as "nothing there": a list that does not add
//!   up is read once more, and then called incomplete.
//! - What is judged is judged by the controllers' own rules (whose name a machine bears, whether a
//!   database is behind), so that what is announced is what would happen.

mod account;
mod anonymous;
mod database;
mod finding;
mod first_start;
mod host;
mod machine;
mod sign_in;

use std::sync::Arc;

use devpocket_controllers::clock::{Clock, Ids};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::clock::{RandomIds, SystemClock};
use crate::config::DoctorConfig;
use crate::contabo::{ContaboClient, SetupError};

pub use account::{Look, SnapshotLook};
pub use anonymous::picture;
pub use database::{DatabaseLook, Records};
pub use finding::{Finding, Level};
pub use machine::{MachineLook, Whose};
pub use sign_in::{SignIn, Value, Verdict};

/// Everything that was found.
#[derive(Debug)]
pub struct Examination {
    pub at: Timestamp,
    /// Base address of the API that was asked.
    pub api: String,
    pub sign_in: SignIn,
    /// What the account showed; nothing when nobody was let in.
    pub look: Option<Look>,
    /// The account's machines in the order of their ids.
    pub machines: Vec<MachineLook>,
    pub database: DatabaseLook,
    /// What `serve` would do first, in sentences.
    pub first_start: Vec<String>,
    /// What deserves a person's attention, what needs one first.
    pub findings: Vec<Finding>,
}

impl Examination {
    /// Whether a person has to do something before `serve` can do its work.
    pub fn needs_somebody(&self) -> bool {
        self.findings.iter().any(|finding| finding.level == Level::ToDo)
    }

    /// The day it was made, in UTC, by which prices are looked up.
    pub fn day(&self) -> Date {
        self.at.to_zoned(TimeZone::UTC).date()
    }
}

/// Looks at everything, once.
///
/// # Errors
/// Only when the HTTP client itself cannot be set up; whatever is wrong with the account is part of
/// the answer.
pub async fn examine(config: &DoctorConfig) -> Result<Examination, SetupError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let ids: Arc<dyn Ids> = Arc::new(RandomIds);
    let client = ContaboClient::new(config.contabo.clone(), clock.clone(), ids)?;
    let at = clock.now();
    let database = database::look(config.database.as_ref()).await;
    let sign_in = sign_in::try_it(&client, config).await;
    let look = match sign_in.account() {
        Some(account) => Some(account::look(&client, &*clock, account.clone(), config).await),
        None => None,
    };
    let mut examination = Examination {
        at,
        api: config.contabo.api_url.clone(),
        sign_in,
        look,
        machines: Vec::new(),
        database,
        first_start: Vec::new(),
        findings: Vec::new(),
    };
    examination.machines = machine::machines(&examination, &host::addresses(), &config.catalogue);
    examination.findings = finding::findings(&examination, config);
    examination.first_start = first_start::sentences(&examination, config);
    Ok(examination)
}
