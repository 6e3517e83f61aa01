//! What became of what was asked to go: each deletion is planned by itself, so only the look after the
//! last one tells which of several a brake holds.

use std::time::Duration;

use devpocket_specs::environment::Environment;
use devpocket_specs::object::Resource;
use devpocket_specs::plan::Hold;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::Going;
use crate::cli::api::Api;
use crate::cli::command::change::told;
use crate::cli::error::{Failure, Retry};
use crate::cli::proposal::release;
use crate::cli::session::Session;
use crate::cli::standing;
use crate::manifest::short_name;

/// How long the answer waits for a machine to be let go of, all in all, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How an environment stands that was asked to go.
enum Fate {
    Gone,
    Held(Box<Hold>),
    /// Not decided yet, or not known.
    Open,
}

/// Says of each what became of it; what is held is returned as that.
pub(super) async fn tell(
    session: &Session,
    api: &Api,
    sent: &[(Going, Value)],
    until: Option<Timestamp>,
) -> Vec<Failure> {
    let patience = Instant::now() + PATIENCE;
    let mut held = Vec::new();
    for (item, written) in sent {
        let fate = match item.releases() {
            true => looked(api, item, patience).await,
            false => Fate::Gone,
        };
        match fate {
            Fate::Gone => {
                let said = release::said(session, item.environment.as_ref(), until);
                told(session, &item.key, &said, written);
            }
            Fate::Open => {
                let wait = format!("devpocket wait {} --for deleted", short_name(&item.key));
                told(session, &item.key, &format!("is being released: {wait}"), written);
            }
            Fate::Held(hold) => {
                told(session, &item.key, "declared to go", written);
                held.push(kept(item, &hold));
            }
        }
    }
    held
}

async fn looked(api: &Api, item: &Going, patience: Instant) -> Fate {
    let uid = item.environment.as_ref().map(|environment| environment.uid());
    loop {
        let found = api.find::<Environment>(&item.key.namespace, &item.key.name).await;
        // What cannot be asked any more was asked to go all the same.
        let Ok(found) = found else { return Fate::Open };
        let Some(environment) = found.filter(|found| Some(found.uid()) == uid) else {
            return Fate::Gone;
        };
        if standing::is_current(&environment) {
            let plan = environment.status.plan.as_ref();
            let hold = plan.and_then(|plan| plan.steps.iter().find_map(|step| step.hold.clone()));
            if let Some(hold) = hold {
                return Fate::Held(Box::new(hold));
            }
        }
        if Instant::now() + LOOK_EVERY > patience {
            return Fate::Open;
        }
        sleep(LOOK_EVERY).await;
    }
}

fn kept(item: &Going, hold: &Hold) -> Failure {
    let name = short_name(&item.key);
    Failure::held(&hold.code, hold.message.clone())
        .at(&name)
        .so_far(format!(
            "{name} is declared to go; its machine is not released yet, and its disk is as it was"
        ))
        .attempt(format!("devpocket explain {name}"), "what it waits for")
        .attempt(format!("devpocket wait {name} --for deleted"), "until it is released")
        .retry(Retry::GoesOn)
}
