//! Writing an intent down: the Operation record for one effect on one machine.

use std::collections::BTreeMap;

use devpocket_specs::machine::Machine;
use devpocket_specs::metadata::{ObjectMeta, names};
use devpocket_specs::object::Resource;
use devpocket_specs::operation::{EnvironmentRef, Operation, OperationSpec, OperationStatus, Verb};

use jiff::Timestamp;

use super::token::next_name;

/// A planned operation of `verb` on `machine`, named after the `earlier` ones of that machine.
/// What the verb needs beyond that (name to set, power wanted, image, digest) is the caller's to
/// fill in before it is created; afterwards it is never edited.
pub fn planned<'a>(
    machine: &Machine,
    verb: Verb,
    reason: impl Into<String>,
    earlier: impl IntoIterator<Item = &'a Operation>,
) -> Operation {
    let name = machine.metadata.name.as_str();
    let metas = earlier.into_iter().map(|o| &o.metadata);
    let mut metadata = ObjectMeta::named("", next_name(name, verb.word(), metas));
    let environment = environment_of(machine);
    metadata.labels = labels(name, verb, environment.as_ref());
    let counts_for = machine.metadata.labels.get(names::DECLARED_BY);
    if let Some(account) = counts_for.filter(|_| verb == Verb::Purchase) {
        metadata.labels.insert(names::DECLARED_BY.to_owned(), account.clone());
    }
    Operation {
        metadata,
        spec: OperationSpec {
            verb,
            machine: name.to_owned(),
            machine_uid: machine.uid(),
            instance_id: machine.status.instance_id,
            environment,
            reason: reason.into(),
            fingerprint: None,
            spends: None,
            display_name: None,
            power: None,
            image: None,
            user_data_digest: None,
            template: None,
            parameters: None,
            install_generation: None,
            request: None,
            by_person: false,
        },
        status: OperationStatus::default(),
    }
}

/// The environment that holds the machine.
pub fn environment_of(machine: &Machine) -> Option<EnvironmentRef> {
    machine.spec.claim.as_ref().map(|claim| EnvironmentRef {
        uid: claim.uid,
        namespace: claim.namespace.clone(),
        name: claim.name.clone(),
    })
}

/// Whether a record was created at or after a moment. Creation times are whole seconds, so the
/// moment is cut to its second as well: else what was written right after it seems older.
pub fn is_created_since(metadata: &ObjectMeta, at: Timestamp) -> bool {
    metadata.creation_timestamp.is_some_and(|created| created.as_second() >= at.as_second())
}

fn labels(
    machine: &str,
    verb: Verb,
    environment: Option<&EnvironmentRef>,
) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        (names::MACHINE.to_owned(), machine.to_owned()),
        (names::VERB.to_owned(), verb.word().to_owned()),
    ]);
    if let Some(environment) = environment {
        labels.insert(names::ENVIRONMENT_UID.to_owned(), environment.uid.to_string());
        labels.insert(names::ENVIRONMENT.to_owned(), environment.name.clone());
        labels.insert(names::NAMESPACE.to_owned(), environment.namespace.clone());
    }
    labels
}
