//! The doctor's answer for programs.

use std::path::Path;

use serde_json::{Value, json};

use crate::doctor::{DatabaseLook, Examination, Level, Look, MachineLook, SignIn, Whose};

/// Everything, with RFC 3339 times in UTC. No secret is in it; names and addresses are.
pub fn document(found: &Examination, saved: Option<&Path>) -> Value {
    let mut document = json!({
        "at": found.at,
        "api": found.api,
        "signIn": sign_in(&found.sign_in),
        "machines": found.machines.iter().map(machine).collect::<Vec<_>>(),
        "database": database(&found.database),
        "firstStart": found.first_start,
        "findings": findings(found),
        "needsSomebody": found.needs_somebody(),
    });
    if let Some(look) = &found.look {
        document["account"] = account(look);
    }
    if let Some(saved) = saved {
        document["saved"] = json!(saved);
    }
    document
}

fn sign_in(sign_in: &SignIn) -> Value {
    let values = sign_in.values.iter().map(|value| {
        json!({
            "name": value.name, "at": value.at, "verdict": value.verdict.word(),
            "remark": value.remark,
        })
    });
    json!({
        "accepted": sign_in.outcome.is_ok(),
        "account": sign_in.account(),
        "error": sign_in.outcome.as_ref().err().map(ToString::to_string),
        "answer": sign_in.refusal.as_ref().map(|refusal| &refusal.word),
        "values": values.collect::<Vec<_>>(),
    })
}

fn machine(machine: &MachineLook) -> Value {
    let instance = &machine.instance;
    let (record, installation) = match &machine.whose {
        Whose::Ours { record } | Whose::Forgotten { record } => (Some(record), None),
        Whose::Other { installation } => (None, Some(installation)),
        Whose::Stranger => (None, None),
    };
    json!({
        "id": instance.id, "name": instance.name, "displayName": instance.display_name,
        "status": instance.status, "product": instance.product_id, "size": machine.size,
        "region": instance.region, "address": instance.address, "addressV6": instance.address_v6,
        "created": instance.created, "cancelDate": instance.cancel_date,
        "whose": machine.whose.word(), "record": record, "installation": installation,
        "here": machine.here, "price": machine.price,
    })
}

/// What was read of the account; what could not be is an `error`.
fn account(look: &Look) -> Value {
    let error = |error: &dyn std::fmt::Display| json!({"error": error.to_string()});
    let list = match &look.list {
        Ok(list) => json!({
            "machines": list.instances.len(), "complete": list.is_complete(), "flaw": list.flaw,
        }),
        Err(failed) => error(failed),
    };
    let images = match &look.images {
        Ok(images) => json!({
            "standard": images.iter().filter(|i| i.standard).map(|i| &i.name).collect::<Vec<_>>(),
            "custom": images.iter().filter(|i| !i.standard).count(),
        }),
        Err(failed) => error(failed),
    };
    let tags = match &look.tags {
        Ok(tags) => json!({"count": tags.len()}),
        Err(failed) => error(failed),
    };
    let secrets = look.secrets.as_ref().map_or_else(|failed| error(failed), |kinds| json!(kinds));
    let snapshots = match &look.snapshots {
        Ok(seen) => json!({"count": seen.snapshots.len(), "machinesNotAsked": seen.not_asked}),
        Err(failed) => error(failed),
    };
    json!({
        "list": list, "images": images, "tags": tags, "secrets": secrets, "snapshots": snapshots,
    })
}

fn database(database: &DatabaseLook) -> Value {
    let state = |word: &str, text: String| json!({"state": word, "message": text});
    match database {
        DatabaseLook::NotGiven => json!({"state": "not-given"}),
        DatabaseLook::Wrong(because) => state("unusable", because.clone()),
        DatabaseLook::Unreachable(error) => state("unreachable", error.to_string()),
        DatabaseLook::Broken { because, .. } => state("unusable", because.clone()),
        DatabaseLook::Empty(place) => state("empty", place.to_string()),
        DatabaseLook::Unused(place) => state("unused", place.to_string()),
        DatabaseLook::OtherSchema { error, .. } => state("other-schema", error.to_string()),
        DatabaseLook::Records(records) => json!({
            "state": "in-use",
            "installation": records.installation.spec.id,
            "account": records.installation.spec.account,
            "monthlyBudget": records.installation.spec.monthly_budget,
            "machines": records.machines.iter().filter(|machine| machine.spec.managed).count(),
        }),
    }
}

fn findings(found: &Examination) -> Vec<Value> {
    let one = |finding: &crate::doctor::Finding| {
        let commands: Vec<&String> = finding.attempts.iter().map(|(command, _)| command).collect();
        json!({
            "level": if finding.level == Level::ToDo { "to-do" } else { "note" },
            "code": finding.code, "message": finding.message, "because": finding.because,
            "try": commands,
        })
    };
    found.findings.iter().map(one).collect()
}
