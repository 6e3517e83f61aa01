//! The cells of each kind, in the order of its columns.

use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::condition;
use devpocket_specs::environment::{Environment, conditions};
use devpocket_specs::kind::Kind;
use devpocket_specs::machine::Machine;
use devpocket_specs::money::Money;
use devpocket_specs::object::{Object, Resource};
use devpocket_specs::operation::Operation;
use jiff::Timestamp;
use serde_json::Value;

use super::words::{ago, drift, owners, phase, template};
use super::{Column, columns};

pub(super) fn of(object: &Object, now: Timestamp) -> Vec<Value> {
    let typed = match object.kind {
        Kind::Environment => read(object).map(|environment| self::environment(&environment, now)),
        Kind::Machine => read(object).map(|machine| self::machine(&machine)),
        Kind::Operation => read(object).map(|operation| self::operation(&operation)),
        _ => Some(plain(object, now)),
    };
    let mut cells = typed.unwrap_or_else(|| unreadable(object.kind));
    let age = object.metadata.creation_timestamp.map(|at| ago(at, now));
    for (column, cell) in columns(object.kind).iter().zip(&mut cells) {
        match column.name {
            "NAME" => *cell = object.metadata.name.as_str().into(),
            "AGE" => *cell = age.clone().into(),
            _ => {}
        }
    }
    cells
}

/// A record of a newer version cannot be read as its type: its name is shown at least.
fn read<T: Resource>(object: &Object) -> Option<T> {
    object.to().ok()
}

fn unreadable(kind: Kind) -> Vec<Value> {
    let unknown = |column: &Column| if column.is_wide { Value::Null } else { "?".into() };
    columns(kind).iter().map(unknown).collect()
}

/// Filled in for every kind.
const FILLED: Value = Value::Null;

fn environment(environment: &Environment, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&environment.spec, &environment.status);
    let ready = condition::find(&status.conditions, conditions::READY);
    let ready = ready.map_or("False".to_owned(), |ready| format!("{:?}", ready.status));
    let power = status.effective_power.as_ref().map_or(spec.power, |effective| effective.power);
    let machine = status.machine.as_ref();
    let slots = Catalogue::builtin().size(&spec.size).map(|size| size.snapshot_slots);
    let cost = status.cost.as_ref();
    let owners = owners(&environment.metadata.managed_fields.entries()).join(", ");
    vec![
        FILLED,
        ready.into(),
        phase(environment).into(),
        spec.size.as_str().into(),
        spec.region.as_str().into(),
        format!("{power:?}").into(),
        machine.and_then(|machine| machine.address.clone()).into(),
        cost.map(|cost| cost.monthly.to_string()).into(),
        FILLED,
        machine.map(|m| m.instance_name.clone().unwrap_or_else(|| m.name.clone())).into(),
        template(environment).into(),
        cost.and_then(|cost| cost.paid_until).map(|day| day.to_string()).into(),
        slots.map(|slots| format!("{}/{slots}", spec.snapshots.len())).into(),
        drift(environment, now).into(),
        // Nothing looks into machines yet.
        "?".into(),
        owners.into(),
    ]
}

fn machine(machine: &Machine) -> Vec<Value> {
    let (spec, status) = (&machine.spec, &machine.status);
    let (order, seen) = (spec.order.as_ref(), status.seen.as_ref());
    let product = seen.map(|seen| seen.product_id.clone());
    let named = product.as_ref().and_then(|id| Catalogue::builtin().size(id));
    let size = order.map(|order| order.size.clone());
    let size = size.or_else(|| named.map(|size| size.name.clone())).or(product);
    let region = order.map(|order| order.region.clone());
    let claim = match (&spec.claim, spec.managed) {
        (_, false) => Some("not ours".to_owned()),
        (Some(claim), _) => Some(format!("{}/{}", claim.namespace, claim.name)),
        (None, _) => None,
    };
    let release = spec.release.as_ref().filter(|_| spec.claim.is_none() && spec.pool.is_none());
    let instance = status.instance_name.clone().or(status.instance_id.map(|id| id.to_string()));
    vec![
        FILLED,
        format!("{:?}", status.state).into(),
        instance.into(),
        size.into(),
        region.or_else(|| seen.map(|seen| seen.region.clone())).into(),
        seen.and_then(|seen| seen.address.clone()).into(),
        claim.into(),
        spec.paid_through.map(|day| day.to_string()).into(),
        order.map(|order| order.price.to_string()).into(),
        FILLED,
        release.map(|release| format!("{}/{}", release.namespace, release.name)).into(),
        release.map(|release| release.until.to_string()).into(),
    ]
}

fn operation(operation: &Operation) -> Vec<Value> {
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
        FILLED,
        spec.verb.word().into(),
        phase.into(),
        spec.machine.as_str().into(),
        environment.map(|env| format!("{}/{}", env.namespace, env.name)).into(),
        FILLED,
        message.into(),
    ]
}

/// Kinds whose fields are shown as they are.
fn plain(object: &Object, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (object.field("spec"), object.field("status"));
    match object.kind {
        Kind::Template => vec![
            FILLED,
            spec["image"].clone(),
            object.metadata.generation.into(),
            FILLED,
            spec["description"].clone(),
        ],
        Kind::Tier => {
            vec![FILLED, spec["maxMachines"].clone(), money(&spec["monthlyBudget"]), FILLED]
        }
        Kind::Namespace => {
            let going = object.metadata.is_deleting();
            vec![FILLED, if going { "Terminating" } else { "Active" }.into(), FILLED]
        }
        Kind::Event => event(object, now),
        Kind::Secret => {
            let keys = object.field("data").as_object().map_or(0, serde_json::Map::len);
            vec![FILLED, object.field("type").clone(), keys.into(), FILLED]
        }
        Kind::Lease => vec![
            FILLED,
            spec["holderIdentity"].clone(),
            spec["leaseTransitions"].clone(),
            since(&spec["renewTime"], now),
        ],
        _ => vec![
            FILLED,
            spec["id"].clone(),
            spec["account"]["customer"].clone(),
            money(&spec["monthlyBudget"]),
            status["sweep"]["instances"].clone(),
            since(&status["sweep"]["asOf"], now),
        ],
    }
}

fn event(event: &Object, now: Timestamp) -> Vec<Value> {
    let about = event.field("involvedObject");
    let kind = about["kind"].as_str().unwrap_or_default().to_ascii_lowercase();
    let kind = if kind == "environment" { "env".to_owned() } else { kind };
    let name = about["name"].as_str().unwrap_or_default();
    let last = ["lastTimestamp", "eventTime"].map(|field| event.field(field));
    let last = last.into_iter().find(|at| at.is_string()).unwrap_or(&Value::Null);
    vec![
        since(last, now),
        event.field("type").clone(),
        event.field("reason").clone(),
        format!("{kind}/{name}").into(),
        event.field("count").clone(),
        event.field("message").clone(),
        FILLED,
    ]
}

fn since(value: &Value, now: Timestamp) -> Value {
    let at = value.as_str().and_then(|at| at.parse::<Timestamp>().ok());
    at.map(|at| ago(at, now)).into()
}

fn money(value: &Value) -> Value {
    serde_json::from_value::<Money>(value.clone()).ok().map(|money| money.to_string()).into()
}
