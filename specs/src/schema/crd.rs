//! The kinds as CustomResourceDefinitions, for tools that look for them, and the columns their
//! tables have.

use serde_json::{Value, json};

use super::schema;
use crate::kind::{Kind, Scope};

/// A column of a kind's table, as clients of the Kubernetes API print it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    /// `string`, `integer`, `date`.
    pub r#type: &'static str,
    /// JSON path in Kubernetes' form, such as `.spec.size`.
    pub path: &'static str,
    /// 0 is always shown, 1 only when there is room.
    pub priority: i32,
}

const fn column(name: &'static str, path: &'static str) -> Column {
    Column { name, r#type: "string", path, priority: 0 }
}

const fn wide(name: &'static str, path: &'static str) -> Column {
    Column { name, r#type: "string", path, priority: 1 }
}

const AGE: Column =
    Column { name: "Age", r#type: "date", path: ".metadata.creationTimestamp", priority: 0 };

const READY: Column = column("Ready", ".status.conditions[?(@.type==\"Ready\")].status");

static ENVIRONMENT: [Column; 11] = [
    READY,
    column("Phase", ".status.phase"),
    column("Size", ".spec.size"),
    column("Region", ".spec.region"),
    column("Power", ".spec.power"),
    column("Address", ".status.machine.address"),
    AGE,
    wide("Machine", ".status.machine.instanceName"),
    wide("Template", ".spec.template"),
    Column { r#type: "date", ..wide("Paid-Until", ".status.cost.paidUntil") },
    wide("Message", ".status.message"),
];
static MACHINE: [Column; 8] = [
    column("State", ".status.state"),
    column("Instance", ".status.instanceName"),
    column("Size", ".spec.order.size"),
    column("Region", ".status.seen.region"),
    column("Environment", ".spec.claim.name"),
    column("Address", ".status.seen.address"),
    column("Paid-Through", ".spec.paidThrough"),
    AGE,
];
static OPERATION: [Column; 6] = [
    column("Verb", ".spec.verb"),
    column("Machine", ".spec.machine"),
    column("Phase", ".status.phase"),
    wide("Resolution", ".status.resolution"),
    wide("Message", ".status.message"),
    AGE,
];
static TEMPLATE: [Column; 4] = [
    column("Display-Name", ".spec.displayName"),
    column("Image", ".spec.image"),
    Column { r#type: "integer", ..column("Generation", ".metadata.generation") },
    AGE,
];
static TIER: [Column; 3] = [
    column("Display-Name", ".spec.displayName"),
    Column { r#type: "integer", ..column("Max-Machines", ".spec.maxMachines") },
    AGE,
];
static INSTALLATION: [Column; 4] = [
    column("Id", ".spec.id"),
    column("Customer", ".spec.account.customer"),
    column("Reachable", ".status.conditions[?(@.type==\"ContaboReachable\")].status"),
    AGE,
];
static NAMESPACE: [Column; 2] = [column("Status", ".status.phase"), AGE];
static SECRET: [Column; 2] = [column("Type", ".type"), AGE];
static LEASE: [Column; 2] = [column("Holder", ".spec.holderIdentity"), AGE];
static EVENT: [Column; 6] = [
    Column { r#type: "date", ..column("Last-Seen", ".lastTimestamp") },
    column("Type", ".type"),
    column("Reason", ".reason"),
    column("Object", ".involvedObject.name"),
    Column { r#type: "integer", ..column("Count", ".count") },
    column("Message", ".message"),
];

/// The columns of a kind's table, after its name.
#[must_use]
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

/// The `apiextensions.k8s.io/v1` definition of a kind. The kinds with Kubernetes' own groups have
/// one too, for completeness; only those of [`crate::kind::GROUP`] are written to `crds/`.
#[must_use]
pub fn crd(kind: Kind) -> Value {
    let info = kind.info();
    let mut schema = schema(kind).clone();
    // The API server owns the metadata; a definition may not describe it.
    schema["properties"]["metadata"] = json!({ "type": "object" });
    let mut version = json!({
        "name": info.version,
        "served": true,
        "storage": true,
        "schema": { "openAPIV3Schema": schema },
        "additionalPrinterColumns": columns(kind).iter().map(printer).collect::<Vec<_>>(),
    });
    if info.has_status {
        version["subresources"] = json!({ "status": {} });
    }
    let mut names = json!({
        "kind": info.name,
        "listKind": format!("{}List", info.name),
        "plural": info.plural,
        "singular": info.singular,
    });
    if !info.short_names.is_empty() {
        names["shortNames"] = info.short_names.into();
    }
    let scope = match info.scope {
        Scope::Namespaced => "Namespaced",
        Scope::Cluster => "Cluster",
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{}.{}", info.plural, info.group) },
        "spec": { "group": info.group, "names": names, "scope": scope, "versions": [version] },
    })
}

fn printer(column: &Column) -> Value {
    let mut out = json!({ "name": column.name, "type": column.r#type, "jsonPath": column.path });
    if column.priority > 0 {
        out["priority"] = column.priority.into();
    }
    out
}
