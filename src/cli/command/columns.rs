//! Columns of each kind in `get`.

use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::condition::{self, ConditionStatus};
use devpocket_specs::environment::{Environment, Power, conditions};
use devpocket_specs::kind::Kind;
use devpocket_specs::machine::Machine;
use devpocket_specs::operation::Operation;
use jiff::Timestamp;
use serde_json::Value;

use crate::cli::output::{Cell, Ink, Table, ago};
use crate::cli::standing;
use crate::columns::{drift, phase, template};

pub use crate::columns::owners;

/// How rows are made.
#[derive(Clone, Copy, Debug)]
pub struct View {
    pub kind: Kind,
    pub wide: bool,
    /// With the namespace of each.
    pub all: bool,
    pub now: Timestamp,
}

impl View {
    pub fn table(&self) -> Table {
        let mut headers = if self.all { vec!["NAMESPACE"] } else { Vec::new() };
        headers.extend(self.headers());
        Table::new(&headers)
    }

    fn headers(&self) -> Vec<&'static str> {
        let mut headers = match self.kind {
            Kind::Environment => vec![
                "*NAME", "READY", "*PHASE", "SIZE", "REGION", "POWER", "ADDRESS", ">COST", "AGE",
            ],
            Kind::Machine => vec![
                "*NAME",
                "*STATE",
                "INSTANCE",
                "SIZE",
                "REGION",
                "ADDRESS",
                "CLAIM",
                "PAID-UNTIL",
                ">COST",
                "AGE",
            ],
            Kind::Operation => {
                vec!["*NAME", "VERB", "*PHASE", "MACHINE", "ENVIRONMENT", "AGE", "MESSAGE"]
            }
            Kind::Template => vec!["*NAME", "IMAGE", "VERSION", "AGE", "DESCRIPTION"],
            Kind::Tier => vec!["*NAME", ">MACHINES", ">BUDGET", "AGE"],
            Kind::Namespace => vec!["*NAME", "*PHASE", "AGE"],
            Kind::Event => vec!["LAST", "TYPE", "*REASON", "*OBJECT", ">COUNT", "MESSAGE"],
            Kind::Secret => vec!["*NAME", "TYPE", ">KEYS", "AGE"],
            Kind::Lease => vec!["*NAME", "HOLDER", ">EPOCH", "RENEWED"],
            Kind::Installation => {
                vec!["*NAME", "ID", "ACCOUNT", ">BUDGET", ">MACHINES", "LAST-SWEEP"]
            }
        };
        if self.wide && self.kind == Kind::Environment {
            headers.extend([
                "MACHINE",
                "TEMPLATE",
                "PAID-UNTIL",
                "SNAPSHOTS",
                "DRIFT",
                "LAST-USED",
                "OWNERS",
            ]);
        }
        headers
    }

    /// The cells of one object; what cannot be read is left empty.
    pub fn cells(&self, item: &Value) -> Vec<Cell> {
        let mut cells = Vec::new();
        if self.all {
            cells.push(text(&item["metadata"]["namespace"]));
        }
        cells.extend(match self.kind {
            Kind::Environment => self.environment(item),
            Kind::Machine => self.machine(item),
            Kind::Operation => self.operation(item),
            _ => self.other(item),
        });
        cells
    }

    fn environment(&self, item: &Value) -> Vec<Cell> {
        let Ok(environment) = serde_json::from_value::<Environment>(item.clone()) else {
            return self.unreadable(item);
        };
        let (spec, status) = (&environment.spec, &environment.status);
        let ready = condition::find(&status.conditions, conditions::READY);
        let ready = match ready.map(|ready| ready.status) {
            Some(ConditionStatus::True) => Cell::new("True").ink(Ink::Green),
            Some(ConditionStatus::Unknown) => Cell::new("Unknown").ink(Ink::Yellow),
            Some(ConditionStatus::False) | None => Cell::new("False").ink(Ink::Yellow),
        };
        let mut cells = vec![
            Cell::new(&environment.metadata.name).ink(Ink::Bold),
            ready,
            Cell::new(phase(&environment)).ink(standing::ink(&environment)),
            Cell::new(&spec.size),
            Cell::new(&spec.region),
            Cell::new(power(standing::wanted(&environment))),
            Cell::maybe(status.machine.as_ref().and_then(|machine| machine.address.clone())),
            Cell::maybe(status.cost.as_ref().map(|cost| cost.monthly.to_string())),
            self.age(item),
        ];
        if self.wide {
            cells.extend(self.wide_environment(&environment));
        }
        cells
    }

    fn wide_environment(&self, environment: &Environment) -> Vec<Cell> {
        let (spec, status) = (&environment.spec, &environment.status);
        let machine = status.machine.as_ref();
        let machine = machine.map(|m| m.instance_name.clone().unwrap_or_else(|| m.name.clone()));
        let slots = Catalogue::builtin().size(&spec.size).map(|size| size.snapshot_slots);
        let paid = status.cost.as_ref().and_then(|cost| cost.paid_until);
        vec![
            Cell::maybe(machine),
            Cell::maybe(template(environment)),
            Cell::maybe(paid.map(|day| day.to_string())),
            Cell::maybe(slots.map(|slots| format!("{}/{slots}", spec.snapshots.len()))),
            Cell::maybe(drift(environment, self.now)),
            // Nothing looks into machines yet.
            Cell::new("?"),
            Cell::new(owners(&environment.metadata.managed_fields.entries()).join(", ")),
        ]
    }

    fn machine(&self, item: &Value) -> Vec<Cell> {
        let Ok(machine) = serde_json::from_value::<Machine>(item.clone()) else {
            return self.unreadable(item);
        };
        let (spec, status) = (&machine.spec, &machine.status);
        let (order, seen) = (spec.order.as_ref(), status.seen.as_ref());
        let product = seen.map(|seen| seen.product_id.clone());
        let named = product.as_ref().and_then(|id| Catalogue::builtin().size(id));
        let size = order.map(|order| order.size.clone());
        let size = size.or_else(|| named.map(|size| size.name.clone())).or(product);
        let region = order.map(|order| order.region.clone());
        let held_by = match (&spec.claim, spec.managed) {
            (_, false) => "not ours".to_owned(),
            (Some(claim), _) => format!("{}/{}", claim.namespace, claim.name),
            (None, _) => String::new(),
        };
        vec![
            Cell::new(&machine.metadata.name).ink(Ink::Bold),
            Cell::new(format!("{:?}", status.state)),
            Cell::maybe(
                status.instance_name.clone().or(status.instance_id.map(|id| id.to_string())),
            ),
            Cell::maybe(size),
            Cell::maybe(region.or_else(|| seen.map(|seen| seen.region.clone()))),
            Cell::maybe(seen.and_then(|seen| seen.address.clone())),
            Cell::new(held_by),
            Cell::maybe(spec.paid_through.map(|day| day.to_string())),
            Cell::maybe(order.map(|order| order.price.to_string())),
            self.age(item),
        ]
    }

    fn operation(&self, item: &Value) -> Vec<Cell> {
        let Ok(operation) = serde_json::from_value::<Operation>(item.clone()) else {
            return self.unreadable(item);
        };
        let (spec, status) = (&operation.spec, &operation.status);
        let environment = spec.environment.as_ref();
        let message = match &status.held {
            Some(hold) if status.message.is_empty() => hold.message.clone(),
            _ => status.message.clone(),
        };
        let phase = match status.resolution {
            Some(resolution) => format!("{:?}, {resolution:?}", status.phase),
            None => format!("{:?}", status.phase),
        };
        vec![
            Cell::new(&operation.metadata.name).ink(Ink::Bold),
            Cell::new(spec.verb.word()),
            Cell::new(phase),
            Cell::new(&spec.machine),
            Cell::maybe(environment.map(|env| format!("{}/{}", env.namespace, env.name))),
            self.age(item),
            Cell::new(message),
        ]
    }

    fn other(&self, item: &Value) -> Vec<Cell> {
        let (spec, status) = (&item["spec"], &item["status"]);
        let name = text(&item["metadata"]["name"]).ink(Ink::Bold);
        match self.kind {
            Kind::Template => vec![
                name,
                text(&spec["image"]),
                Cell::new(item["metadata"]["generation"].to_string()),
                self.age(item),
                text(&spec["description"]),
            ],
            Kind::Tier => vec![
                name,
                number(&spec["maxMachines"]),
                money(&spec["monthlyBudget"]),
                self.age(item),
            ],
            Kind::Namespace => {
                let going = !item["metadata"]["deletionTimestamp"].is_null();
                let phase = if going { "Terminating" } else { "Active" };
                vec![name, Cell::new(phase), self.age(item)]
            }
            Kind::Event => self.event(item),
            Kind::Secret => {
                let keys = item["data"].as_object().map_or(0, serde_json::Map::len);
                vec![name, text(&item["type"]), Cell::new(keys.to_string()), self.age(item)]
            }
            Kind::Lease => vec![
                name,
                text(&spec["holderIdentity"]),
                number(&spec["leaseTransitions"]),
                self.since(&spec["renewTime"]),
            ],
            _ => vec![
                name,
                text(&spec["id"]),
                text(&spec["account"]["customer"]),
                money(&spec["monthlyBudget"]),
                number(&status["sweep"]["instances"]),
                self.since(&status["sweep"]["asOf"]),
            ],
        }
    }

    fn event(&self, item: &Value) -> Vec<Cell> {
        let object = &item["involvedObject"];
        let kind = object["kind"].as_str().unwrap_or_default().to_ascii_lowercase();
        let kind = if kind == "environment" { "env".to_owned() } else { kind };
        let name = object["name"].as_str().unwrap_or_default();
        let warning = item["type"] == "Warning";
        vec![
            self.since(&item["lastTimestamp"]),
            text(&item["type"]).ink(if warning { Ink::Yellow } else { Ink::Plain }),
            text(&item["reason"]),
            Cell::new(format!("{kind}/{name}")),
            number(&item["count"]),
            text(&item["message"]),
        ]
    }

    /// A record of a newer version: its name at least.
    fn unreadable(&self, item: &Value) -> Vec<Cell> {
        let mut cells = vec![Cell::default(); self.headers().len()];
        cells[0] = text(&item["metadata"]["name"]).ink(Ink::Bold);
        cells[1] = Cell::new("?");
        cells
    }

    fn age(&self, item: &Value) -> Cell {
        self.since(&item["metadata"]["creationTimestamp"])
    }

    fn since(&self, value: &Value) -> Cell {
        let at = value.as_str().and_then(|at| at.parse::<Timestamp>().ok());
        Cell::maybe(at.map(|at| ago(at, self.now)))
    }
}

pub fn power(power: Power) -> &'static str {
    match power {
        Power::Running => "Running",
        Power::Stopped => "Stopped",
    }
}

fn text(value: &Value) -> Cell {
    Cell::maybe(value.as_str())
}

fn number(value: &Value) -> Cell {
    Cell::maybe(value.as_i64().map(|number| number.to_string()))
}

fn money(value: &Value) -> Cell {
    let money = serde_json::from_value::<devpocket_specs::money::Money>(value.clone());
    Cell::maybe(money.ok().map(|money| money.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heads_are_those_the_server_gives_to_kubectl() {
        for kind in Kind::all() {
            let now = "2026-11-25T12:00:00Z".parse().unwrap();
            let view = View { kind, wide: true, all: false, now };
            let ours: Vec<&str> =
                view.headers().iter().map(|head| head.trim_start_matches(['*', '>'])).collect();
            let columns = crate::columns::columns(kind);
            let theirs: Vec<&str> = columns.iter().map(|column| column.name).collect();
            assert_eq!(ours, theirs[..ours.len()], "{kind}");
            assert!(columns[ours.len()..].iter().all(|column| column.is_wide), "{kind}");
        }
    }
}
