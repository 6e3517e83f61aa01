//! What becomes of the machine and the disk of an environment that goes.

use devpocket_specs::environment::{Environment, Reclaim};
use devpocket_specs::installation::Installation;
use jiff::{SignedDuration, Timestamp};

use crate::cli::session::Session;

/// Until when a machine that is released now can come back.
pub fn until(session: &Session, installation: Option<&Installation>) -> Option<Timestamp> {
    let seconds = installation?.spec.reclaim_after_seconds;
    let until = session.now().checked_add(SignedDuration::from_secs(seconds)).ok();
    until.filter(|_| seconds > 0)
}

/// A machine that is let go of; with `Retain` it is left as it is.
pub fn releases(environment: &Environment) -> bool {
    environment.status.machine.is_some() && environment.spec.reclaim != Reclaim::Retain
}

/// What is released, and what becomes of the disk: two sentences.
pub fn released(
    session: &Session,
    environment: &Environment,
    until: Option<Timestamp>,
) -> (String, String) {
    let Some(machine) = &environment.status.machine else {
        return ("no machine is bound; nothing is released".to_owned(), String::new());
    };
    let machine = machine.instance_name.as_deref().unwrap_or(&machine.name);
    let paid = environment.status.cost.as_ref().and_then(|cost| cost.paid_until);
    let paid = paid.map(|day| format!(", paid until {day}")).unwrap_or_default();
    let disk = match (environment.spec.reclaim, until) {
        (Reclaim::Retain, _) => "It stays as it is, no longer looked after.".to_owned(),
        (_, None) => "Its disk is wiped, and cannot come back.".to_owned(),
        (reclaim, Some(until)) => {
            let until = session.output.words.moment(until, session.now());
            let then = match reclaim {
                Reclaim::CancelAtTermEnd => "cancelled for the end of its term",
                _ => "wiped for the next environment",
            };
            format!("The disk is untouched until {until}, then {then}.")
        }
    };
    (format!("releases {machine}{paid}"), disk)
}

/// What is said of it once it is gone.
pub fn said(
    session: &Session,
    environment: Option<&Environment>,
    until: Option<Timestamp>,
) -> String {
    match undo(session, environment, until) {
        Some(undo) => format!("released; {undo}"),
        None => "deleted".to_owned(),
    }
}

/// Until when and how it comes back, if it can.
pub fn undo(
    session: &Session,
    environment: Option<&Environment>,
    until: Option<Timestamp>,
) -> Option<String> {
    let environment = environment.filter(|environment| releases(environment))?;
    let until = session.output.words.moment(until?, session.now());
    Some(format!("undo until {until}: devpocket undelete {}", environment.metadata.name))
}
