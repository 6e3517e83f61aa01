//! Rules for the metadata of every kind.

use super::fault::Fault;
use super::names::{
    KEY_RULE, LABEL_RULE, SUBDOMAIN_RULE, is_dns_label, is_dns_subdomain, is_label_text,
    is_qualified_name,
};
use super::quote::text;
use crate::admit::{FOREGROUND_FINALIZER, ORPHAN_FINALIZER};
use crate::kind::Kind;
use crate::object::Object;
use crate::schema::join;
use crate::status::Cause;

pub(super) fn check(object: &Object) -> Vec<Cause> {
    let mut faults = Vec::new();
    name(object, &mut faults);
    namespace(object, &mut faults);
    labels(object, &mut faults);
    references(object, &mut faults);
    faults
}

/// Whether names of a kind may hold dots: only where Kubernetes' own tools make such names, or
/// where DevPocket composes them from longer parts.
fn takes_subdomain(kind: Kind) -> bool {
    matches!(kind, Kind::Event | Kind::Secret | Kind::Lease | Kind::Operation)
}

fn name(object: &Object, faults: &mut Vec<Cause>) {
    let name = &object.metadata.name;
    let (fits, rule) = if takes_subdomain(object.kind) {
        (is_dns_subdomain(name), SUBDOMAIN_RULE)
    } else {
        (is_dns_label(name), LABEL_RULE)
    };
    if name.is_empty() {
        let mut fault = Fault::required("metadata.name", rule);
        if object.metadata.generate_name.is_none() {
            fault = fault.because("neither name nor generateName is set");
        }
        faults.push(fault.cause());
    } else if !fits {
        faults.push(Fault::wrong("metadata.name", text(name), rule).cause());
    }
}

fn namespace(object: &Object, faults: &mut Vec<Cause>) {
    const FIELD: &str = "metadata.namespace";
    let namespace = &object.metadata.namespace;
    match (object.kind.is_namespaced(), namespace.is_empty()) {
        (true, true) => faults.push(Fault::required(FIELD, LABEL_RULE).cause()),
        (true, false) if !is_dns_label(namespace) => {
            faults.push(Fault::wrong(FIELD, text(namespace), LABEL_RULE).cause());
        }
        (false, false) => {
            let message = format!("may not be set: a {} is in no namespace", object.kind);
            faults.push(Fault::forbidden(FIELD, message).cause());
        }
        _ => {}
    }
}

fn labels(object: &Object, faults: &mut Vec<Cause>) {
    let metadata = &object.metadata;
    for (key, value) in &metadata.labels {
        if !is_qualified_name(key) {
            faults.push(Fault::invalid("metadata.labels", key_message(key)).cause());
        } else if !value.is_empty() && !is_label_text(value) {
            let message = format!(
                "is {}; a label's value is empty, or at most 63 letters, digits, '-', '_' and \
                 '.', with a letter or digit at both ends",
                text(value)
            );
            faults.push(Fault::invalid(join("metadata.labels", key), message).cause());
        }
    }
    // Kubernetes lets annotation keys be written in any case.
    for key in metadata.annotations.keys().filter(|key| !is_qualified_name(&key.to_lowercase())) {
        faults.push(Fault::invalid("metadata.annotations", key_message(key)).cause());
    }
}

fn key_message(key: &str) -> String {
    format!("has the key {}; a key is {KEY_RULE}", text(key))
}

fn references(object: &Object, faults: &mut Vec<Cause>) {
    let metadata = &object.metadata;
    for (index, finalizer) in metadata.finalizers.iter().enumerate() {
        let field = format!("metadata.finalizers[{index}]");
        let of_the_collector = [FOREGROUND_FINALIZER, ORPHAN_FINALIZER].contains(&&**finalizer);
        if !of_the_collector && !is_qualified_name(finalizer) {
            faults.push(Fault::wrong(&field, text(finalizer), KEY_RULE).cause());
        }
        if metadata.finalizers[..index].contains(finalizer) {
            faults.push(Fault::duplicate(&field, text(finalizer)).cause());
        }
    }
    for (index, owner) in metadata.owner_references.iter().enumerate() {
        let parts =
            [("apiVersion", &owner.api_version), ("kind", &owner.kind), ("name", &owner.name)];
        for (part, _) in parts.iter().filter(|(_, value)| value.is_empty()) {
            let field = format!("metadata.ownerReferences[{index}].{part}");
            faults.push(Fault::invalid(field, "is empty").cause());
        }
    }
}
