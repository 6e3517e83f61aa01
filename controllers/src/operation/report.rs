//! What people and dashboards are told about operations.

use devpocket_specs::operation::{EnvironmentRef, Operation, OperationPhase, Resolution, Verb};
use devpocket_specs::plan::Hold;

use super::reconcile::involved;
use crate::guard::codes;
use crate::runtime::{Recorder, Severity};

/// Whether two holds say the same, apart from sentences that move with the clock.
pub fn same_hold(one: &Hold, other: &Hold) -> bool {
    one.code == other.code && one.kind == other.kind && one.until == other.until
}

/// A log line that can be followed from the record to Contabo's audits: every effect has the same
/// fields.
fn log(operation: &Operation, what: &str) {
    let environment = operation.spec.environment.as_ref().map(path);
    tracing::info!(
        environment,
        machine = %operation.spec.machine,
        instance_id = operation.status.instance_id.or(operation.spec.instance_id),
        operation = %operation.metadata.name,
        verb = operation.spec.verb.word(),
        request_id = %operation.metadata.uid.unwrap_or_default(),
        "{what}",
    );
}

fn path(environment: &EnvironmentRef) -> String {
    format!("{}/{}", environment.namespace, environment.name)
}

pub fn sending(operation: &Operation) {
    log(operation, &format!("sending: {}", operation.spec.reason));
}

pub async fn answered(recorder: &Recorder, operation: &Operation) {
    let verb = operation.spec.verb;
    let status = &operation.status;
    metrics::counter!(
        "devpocket_operations_total",
        "verb" => verb.word(), "outcome" => word(status.phase)
    )
    .increment(1);
    let Some((severity, reason, message)) = told(operation) else {
        log(operation, &format!("{}: {}", verb.word(), word(status.phase)));
        return;
    };
    log(operation, &message);
    recorder.event(&involved(operation), severity, &reason, &message).await;
}

/// What is told of an answer. Nothing where the environment's own events tell it: what it planned,
/// and what the next look shows of it.
fn told(operation: &Operation) -> Option<(Severity, String, String)> {
    let (spec, status) = (&operation.spec, &operation.status);
    let verb = spec.verb;
    let (word, said) = (verb.word(), &status.message);
    Some(match status.phase {
        OperationPhase::Succeeded => {
            let text = match verb {
                Verb::Purchase => purchased(operation),
                Verb::Cancel if said.is_empty() => format!("cancelled: {}", spec.reason),
                Verb::Cancel => format!("cancelled, {said}: {}", spec.reason),
                _ if spec.environment.is_some() => return None,
                Verb::Reinstall => format!("being wiped: {}", spec.reason),
                Verb::Stop => format!("being stopped, its disk untouched: {}", spec.reason),
                _ => format!("{word}: {}", spec.reason),
            };
            (Severity::Normal, format!("{verb:?}Accepted"), text)
        }
        OperationPhase::Rejected => {
            let text = format!("{word} did not happen, nothing was changed: {said}");
            (Severity::Warning, format!("{verb:?}Refused"), text)
        }
        _ => {
            let how = if verb.is_repeatable() {
                "the next looks at the machine tell"
            } else {
                "it is not sent again before Contabo's audits and lists tell"
            };
            let text = format!("it is not known whether the {word} happened ({said}); {how}");
            (Severity::Warning, format!("{verb:?}Unanswered"), text)
        }
    })
}

pub async fn resolved(recorder: &Recorder, operation: &Operation) {
    let verb = operation.spec.verb;
    let happened = operation.status.resolution == Some(Resolution::Happened);
    metrics::counter!(
        "devpocket_operations_resolved_total",
        "verb" => verb.word(), "happened" => if happened { "yes" } else { "no" }
    )
    .increment(1);
    if happened && verb == Verb::Purchase {
        metrics::counter!("devpocket_purchases_total").increment(1);
    }
    let message = format!(
        "it is known now that {} {}: {}",
        verb.word(),
        if happened { "happened" } else { "did not happen" },
        operation.status.message
    );
    log(operation, &message);
    let reason = format!("{verb:?}Resolved");
    recorder.event(&involved(operation), Severity::Normal, &reason, &message).await;
}

pub async fn held(recorder: &Recorder, operation: &Operation, hold: &Hold) {
    metrics::counter!("devpocket_brakes_total", "code" => hold.code.clone()).increment(1);
    log(operation, &format!("held: {}", hold.message));
    let reason = codes::reason(&hold.code);
    recorder.event(&involved(operation), Severity::Warning, &reason, &hold.message).await;
}

fn purchased(operation: &Operation) -> String {
    metrics::counter!("devpocket_purchases_total").increment(1);
    let id = operation.status.instance_id.unwrap_or_default();
    match &operation.spec.spends {
        Some(money) => format!("ordered instance {id} for {money}; it is paid and cannot go back"),
        None => format!("ordered instance {id}; it is paid and cannot go back"),
    }
}

fn word(phase: OperationPhase) -> &'static str {
    match phase {
        OperationPhase::Succeeded => "succeeded",
        OperationPhase::Rejected => "rejected",
        OperationPhase::Unknown => "unknown",
        OperationPhase::Planned => "planned",
        OperationPhase::Issued => "issued",
        OperationPhase::Resolved => "resolved",
    }
}
