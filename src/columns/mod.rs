//! What a list of each kind shows, one row an object: the columns of server-side tables.
//!
//! Cells are text as people read it, except counts, which are numbers. What an object does not
//! have is an empty cell, never a guess.

mod cells;
mod words;

use devpocket_specs::kind::Kind;
use devpocket_specs::object::Object;
use jiff::Timestamp;
use serde_json::Value;

pub use words::{ago, drift, owners, phase, template};

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// In the words of a table's head, such as `PAID-UNTIL`.
    pub name: &'static str,
    pub is_number: bool,
    /// Only shown where there is room for everything.
    pub is_wide: bool,
    /// What it tells.
    pub description: &'static str,
}

const fn column(name: &'static str, description: &'static str) -> Column {
    Column { name, is_number: false, is_wide: false, description }
}

const fn number(name: &'static str, description: &'static str) -> Column {
    Column { name, is_number: true, is_wide: false, description }
}

const fn wide(name: &'static str, description: &'static str) -> Column {
    Column { name, is_number: false, is_wide: true, description }
}

const NAME: Column = column("NAME", "Name of the object.");
const AGE: Column = column("AGE", "Time since it was created.");

static ENVIRONMENT: [Column; 16] = [
    NAME,
    column("READY", "Whether it is as declared and can be worked in."),
    column("PHASE", "What is happening to it."),
    column("SIZE", "Size declared."),
    column("REGION", "Region declared."),
    column("POWER", "Whether it shall run now."),
    column("ADDRESS", "Public address of its machine."),
    column("COST", "Price of its machine a month, net of VAT."),
    AGE,
    wide("MACHINE", "Contabo's name of its machine."),
    wide("TEMPLATE", "Template declared."),
    wide("PAID-UNTIL", "Last day its machine is paid for."),
    wide("SNAPSHOTS", "Snapshots declared, of the slots the size has."),
    wide("DRIFT", "What was changed outside DevPocket last."),
    wide("LAST-USED", "When somebody last worked in it; ? as long as nobody looks."),
    wide("OWNERS", "Who declared its fields."),
];
static MACHINE: [Column; 12] = [
    NAME,
    column("STATE", "What is happening to it."),
    column("INSTANCE", "Contabo's name or number of it."),
    column("SIZE", "Size bought."),
    column("REGION", "Region it is in."),
    column("ADDRESS", "Its public address."),
    column("CLAIM", "The environment it belongs to."),
    column("PAID-UNTIL", "Last day it is paid for."),
    column("COST", "Price a month, net of VAT."),
    AGE,
    wide("RELEASED-FROM", "The deleted environment whose disk it keeps."),
    wide("KEPT-UNTIL", "Until when that can be undone."),
];
static OPERATION: [Column; 7] = [
    NAME,
    column("VERB", "What is done."),
    column("PHASE", "How far it is."),
    column("MACHINE", "The machine it is done to."),
    column("ENVIRONMENT", "The environment it is done for."),
    AGE,
    column("MESSAGE", "What it waits for, or what came of it."),
];
static TEMPLATE: [Column; 5] = [
    NAME,
    column("IMAGE", "Image it starts from."),
    number("VERSION", "Counts changes."),
    AGE,
    column("DESCRIPTION", "What it is for."),
];
static TIER: [Column; 4] = [
    NAME,
    number("MACHINES", "Most machines a namespace may have."),
    column("BUDGET", "Most that may be spent a month."),
    AGE,
];
static NAMESPACE: [Column; 3] = [NAME, column("PHASE", "Active, or Terminating."), AGE];
static EVENT: [Column; 7] = [
    column("LAST", "Time since it last happened."),
    column("TYPE", "Normal or Warning."),
    column("REASON", "What happened, as a word."),
    column("OBJECT", "What it happened to."),
    number("COUNT", "How often it happened."),
    column("MESSAGE", "What happened, as a sentence."),
    wide("NAME", "Name of the event."),
];
static SECRET: [Column; 4] =
    [NAME, column("TYPE", "What it is for."), number("KEYS", "How many values it has."), AGE];
static LEASE: [Column; 4] = [
    NAME,
    column("HOLDER", "Who holds it."),
    number("EPOCH", "Counts changes of holder."),
    column("RENEWED", "Time since it was renewed."),
];
static INSTALLATION: [Column; 6] = [
    NAME,
    column("ID", "Part of every name given in the account."),
    column("ACCOUNT", "Customer number."),
    column("BUDGET", "Most that may be spent a month."),
    number("MACHINES", "Instances in the account."),
    column("LAST-SWEEP", "Time since all of them were seen."),
];

/// The columns of a kind.
pub fn columns(kind: Kind) -> &'static [Column] {
    match kind {
        Kind::Environment => &ENVIRONMENT,
        Kind::Machine => &MACHINE,
        Kind::Operation => &OPERATION,
        Kind::Template => &TEMPLATE,
        Kind::Tier => &TIER,
        Kind::Namespace => &NAMESPACE,
        Kind::Event => &EVENT,
        Kind::Secret => &SECRET,
        Kind::Lease => &LEASE,
        Kind::Installation => &INSTALLATION,
    }
}

/// An object's cells, one for each of [`columns`]; `null` where it has nothing to show.
pub fn row(object: &Object, now: Timestamp) -> Vec<Value> {
    let cells = cells::of(object, now);
    debug_assert_eq!(cells.len(), columns(object.kind).len());
    cells
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cells(kind: Kind, document: Value) -> Vec<(&'static str, Value)> {
        let object = Object::from_value(kind, document).unwrap();
        let now = "2026-11-25T12:00:00Z".parse().unwrap();
        columns(kind).iter().map(|column| column.name).zip(row(&object, now)).collect()
    }

    #[test]
    fn an_object_with_nothing_in_it_has_a_row_all_the_same() {
        for kind in Kind::all() {
            let cells = cells(kind, json!({"metadata": {"name": "x"}}));
            assert_eq!(cells.len(), columns(kind).len(), "{kind}");
            assert!(cells.iter().any(|(name, cell)| *name == "NAME" && cell == "x"), "{kind}");
        }
    }

    #[test]
    fn an_environment_reads_as_the_style_page_shows_it() {
        let document = json!({
            "metadata": {
                "name": "api", "namespace": "main", "creationTimestamp": "2026-11-25T11:54:00Z",
                "managedFields": [{"manager": "ci"}, {"manager": "environment-controller"}],
            },
            "spec": {"size": "vps-20-nvme", "region": "EU", "template": "python"},
            "status": {
                "phase": "installing",
                "conditions": [{
                    "type": "Ready", "status": "False", "reason": "Installing", "message": "",
                    "lastTransitionTime": "2026-11-25T11:54:00Z",
                }],
                "machine": {"name": "m-1", "instanceName": "vmi2562210", "address": "203.0.113.39"},
                "cost": {
                    "monthly": {"cents": 750, "currency": "EUR"}, "paidUntil": "2026-12-10",
                },
            },
        });
        let cells = cells(Kind::Environment, document);
        let shown: Vec<String> = cells
            .iter()
            .map(|(name, cell)| format!("{name}={}", cell.as_str().unwrap_or("-")))
            .collect();
        assert_eq!(
            shown.join(" "),
            "NAME=api READY=False PHASE=installing SIZE=vps-20-nvme REGION=EU POWER=Running \
             ADDRESS=203.0.113.39 COST=7.50 EUR AGE=6m MACHINE=vmi2562210 TEMPLATE=python \
             PAID-UNTIL=2026-12-10 SNAPSHOTS=0/2 DRIFT=- LAST-USED=? OWNERS=ci"
        );
    }

    #[test]
    fn a_secret_shows_how_many_values_it_has_and_none_of_them() {
        let cells = cells(
            Kind::Secret,
            json!({
                "metadata": {"name": "db"}, "type": "Opaque", "data": {"pw": "aHVudGVyMg=="},
            }),
        );
        assert!(cells.contains(&("KEYS", json!(1))));
        assert!(!format!("{cells:?}").contains("aHVudGVyMg"));
    }
}
