//! Reinstalls: the first installation of a claimed machine; and, by a person's approval, of a disk that
//! somebody replaced, that shall be rebuilt, or that shall have something else on it.
//!
//! A machine that is claimed and still carries `pool` is wiped and not installed yet; the mark goes
//! once an install of ours happened. So that fact survives the operations' ninety days: forgetting
//! it would mean to wipe a disk in use.

use devpocket_specs::environment::Phase;
use devpocket_specs::machine::Machine;
use devpocket_specs::operation::{Operation, Verb};
use devpocket_specs::plan::{Hold, RiskClass, StandstillKind, Step};
use serde_json::json;

use super::bound::Bound;
use super::consent::{Implied, identify};
use super::decision::{EventDraft, RecordWrite};
use super::draft::{Draft, Pending};
use super::observed::{Observed, happened};
use super::rendered::Rendered;
use super::world::World;
use super::{recover, requests, software, want};
use crate::guard::{codes, hold};
use crate::operation::intent;

/// Installs that were refused, or proved not to have happened, before it is given up.
pub const INSTALL_TRIES: usize = 3;

/// About how long an install keeps the machine from being used, in seconds.
const INSTALL_SECONDS: u32 = 600;

/// The reinstall with the environment's own user-data.
pub(super) fn operation(world: &World<'_>, machine: &Machine, rendered: &Rendered) -> Operation {
    let reason = format!("install {}", rendered.software());
    let earlier = world.operations_of(machine);
    let mut operation = intent::planned(machine, Verb::Reinstall, reason, earlier);
    operation.spec.image = Some(rendered.image.clone());
    operation.spec.user_data_digest = Some(rendered.digest.clone());
    operation.spec.template.clone_from(&rendered.template);
    operation.spec.parameters = Some(rendered.parameters.clone());
    operation.spec.install_generation = Some(machine.spec.install_generation + 1);
    operation
}

fn step(
    world: &World<'_>,
    machine: &Machine,
    rendered: &Rendered,
    summary: String,
    request: Option<&str>,
) -> Step {
    let mut step = Step {
        call: Verb::Reinstall.word().into(),
        machine: machine.metadata.name.clone(),
        summary,
        class: RiskClass::DataRisk,
        downtime_seconds: Some(INSTALL_SECONDS),
        monthly: None,
        due: None,
        fingerprint: None,
        approved: false,
        hold: None,
    };
    let mut arguments = json!({
        "image": rendered.image, "install": machine.spec.install_generation,
    });
    if let Some(request) = request {
        arguments["request"] = request.into();
    }
    step.fingerprint = Some(identify(world, &step, &rendered.digest, arguments));
    step
}

/// The install that follows a claim, for the plan.
pub(super) fn step_after(world: &World<'_>, machine: &Machine, rendered: &Rendered) -> Pending {
    let summary = format!("install {}", rendered.software());
    Pending {
        step: step(world, machine, rendered, summary, None),
        implied: Implied::TheRecord,
        writes: Vec::new(),
        event: None,
    }
}

/// Installs a claimed machine that is still as the wipe left it.
pub(super) fn first(draft: &mut Draft<'_, '_>, bound: &Bound<'_>) {
    let world = draft.world;
    let since = bound.machine.spec.claim.as_ref().map(|c| c.at);
    let uid = world.environment.metadata.uid;
    let installs: Vec<&Operation> = bound
        .operations
        .iter()
        .copied()
        .filter(|o| o.spec.verb == Verb::Reinstall)
        .filter(|o| o.spec.environment.as_ref().map(|e| e.uid) == uid)
        .filter(|o| since.is_none_or(|at| intent::is_created_since(&o.metadata, at)))
        .collect();
    let ended = super::standstill::ended(draft);
    let tried = installs
        .iter()
        .filter(|o| ended.is_none_or(|at| o.status.ended_at.is_none_or(|end| end > at)))
        .count();
    let waits = format!("installing; {} was claimed and is being installed", bound.called());
    draft.report.not_ready(Phase::Installing, "Installing", waits);
    if installs.iter().any(|o| happened(o)) {
        // The machine controller counts the install; the mark is ours.
        return draft.edit(bound.machine, |spec| spec.pool = None);
    }
    if bound.open().is_some() {
        return bound.tell_open(draft);
    }
    if !matches!(bound.observed, Observed::Present(seen, _) if seen.power.is_some()) {
        // Wiping is for a machine that is there and at rest.
        draft.report.message = format!("{} is installed once it is seen again", bound.called());
        return;
    }
    if tried >= INSTALL_TRIES {
        let last = installs.last().map_or("", |o| o.status.message.as_str());
        return draft.hold(hold(
            StandstillKind::Stalled,
            codes::REFUSED,
            format!(
                "{} was not installed: {INSTALL_TRIES} tries were refused. Contabo said: {last}. \
                 It is tried again when the environment is edited",
                bound.called()
            ),
        ));
    }
    let rendered = match want::rendered(world) {
        Ok(rendered) => rendered,
        Err(held) => return draft.hold(held),
    };
    let summary = format!("install {}", rendered.software());
    let why = Why { summary, request: None, implied: Implied::TheRecord };
    plan(draft, bound, &rendered, why, Readiness::Now);
}

/// Whether a step can be carried out in this pass.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    Now,
    /// Something is under way, or has to be looked at first: the step is shown, so that it can be
    /// consented to, and nothing is written.
    Later,
}

struct Why<'a> {
    summary: String,
    request: Option<&'a str>,
    implied: Implied,
}

/// Installs a disk in use anew, which wipes it: somebody replaced it, a rebuild is asked for, or
/// another template, version, image or parameter is declared. A person approves it.
pub(super) fn again(draft: &mut Draft<'_, '_>, bound: &Bound<'_>, ready: Readiness) {
    let world = draft.world;
    let replaced = draft.report.replaced.is_some();
    let rebuild = requests::reinstall(draft, bound, requests::REBUILD);
    let recover = requests::pending(world.environment, requests::RECOVER)
        .and_then(|_| recover::rebuilds(bound))
        .and_then(|_| requests::reinstall(draft, bound, requests::RECOVER));
    let request = rebuild.or(recover);
    let differs = software::difference(world, bound);
    if !replaced && request.is_none() && differs.is_none() && !software::names_another(world) {
        return;
    }
    let rendered = match want::rendered(world) {
        Ok(rendered) => rendered,
        // What is installed stays as it is.
        Err(mut held) => {
            let name = &world.environment.metadata.name;
            held.message = format!("env/{name} keeps what is installed: {}", held.message);
            return draft.hold(held);
        }
    };
    let open = bound.open().filter(|o| o.spec.verb == Verb::Reinstall);
    if open.is_some_and(|o| {
        o.spec.user_data_digest.as_deref() == Some(&*rendered.digest)
            && o.spec.request.as_deref() == request
    }) {
        return;
    }
    let software = rendered.software();
    let summary = match (request, differs) {
        _ if replaced => format!("install {software}"),
        (Some(id), _) => {
            let asked = if rebuild.is_some() { requests::REBUILD } else { requests::RECOVER };
            format!("wipe the disk and install {software} ({asked} {id})")
        }
        (None, Some(summary)) => summary,
        (None, None) => return,
    };
    plan(draft, bound, &rendered, Why { summary, request, implied: Implied::AutoApprove }, ready);
}

fn plan(
    draft: &mut Draft<'_, '_>,
    bound: &Bound<'_>,
    rendered: &Rendered,
    why: Why<'_>,
    ready: Readiness,
) {
    let world = draft.world;
    let Why { summary, request, implied } = why;
    let mut step = step(world, bound.machine, rendered, summary, request);
    let mut operation = operation(world, bound.machine, rendered);
    operation.spec.fingerprint.clone_from(&step.fingerprint);
    operation.spec.request = request.map(str::to_owned);
    step.hold = given_up(bound, &step).or_else(|| world.may_issue(&operation).err());
    let text = format!("{} on {}", step.summary, bound.called());
    let (writes, event) = match ready {
        Readiness::Now => (
            vec![RecordWrite::CreateOperation(Box::new(operation))],
            Some(EventDraft::normal("Installing", text)),
        ),
        Readiness::Later => (Vec::new(), None),
    };
    draft.step(Pending { step, implied, writes, event });
}

/// What was refused so often is not asked for again. The fingerprint changes with every edit, so
/// that an edit begins anew.
fn given_up(bound: &Bound<'_>, step: &Step) -> Option<Hold> {
    let tried = bound.operations.iter().filter(|o| {
        let ended = !o.status.phase.is_open() && !happened(o);
        o.spec.verb == Verb::Reinstall && o.spec.fingerprint == step.fingerprint && ended
    });
    let tried: Vec<_> = tried.collect();
    (tried.len() >= INSTALL_TRIES).then(|| {
        let said = tried.last().map_or("", |o| o.status.message.as_str());
        let message = format!(
            "{} was not reinstalled: {INSTALL_TRIES} tries were refused. Contabo said: {said}. It \
             is tried again when the environment is edited",
            bound.called()
        );
        hold(StandstillKind::Stalled, codes::REFUSED, message)
    })
}
