//! Getting a machine: taking one back, claiming one that is paid for, or buying one.

use devpocket_specs::environment::Phase;
use devpocket_specs::machine::{Claim, Machine, MachineSpec, MachineState, MachineStatus, Order};
use devpocket_specs::metadata::{ObjectMeta, names as metadata};
use devpocket_specs::operation::{Operation, Verb};
use devpocket_specs::plan::{RiskClass, StandstillKind, Step};
use jiff::ToSpan;
use serde_json::json;

use super::consent::{Implied, approval, identify};
use super::decision::{EventDraft, RecordWrite};
use super::draft::{Draft, Pending};
use super::names;
use super::observed::{Observed, look, may_have_happened};
use super::want::{Wanted, today, wanted};
use super::world::{World, undelete_of};
use crate::guard::{Wish, codes, hold};
use crate::operation::intent;

/// A machine of the pool is claimed only if this many days are left: two days before its next
/// billing date it is cancelled, and that may be under way.
pub const CLAIM_DAYS: i64 = 3;

/// Why a machine is wanted.
#[derive(Clone, Copy)]
pub(super) enum Need<'a> {
    /// The environment never had one: creating the record asked for it.
    First,
    /// The one it had is lost or was refused: a person decides.
    Instead { of: &'a str },
}

impl Need<'_> {
    fn implied(self) -> Implied {
        match self {
            Need::First => Implied::TheRecord,
            Need::Instead { .. } => Implied::Nobody,
        }
    }
}

/// Plans how the environment gets a machine.
pub(super) fn plan(draft: &mut Draft<'_, '_>, need: Need<'_>) {
    let world = draft.world;
    if let (Need::First, Some(_)) = (need, undelete_of(world.environment)) {
        return take_back(draft);
    }
    let wanted = match wanted(world) {
        Ok(wanted) => wanted,
        Err(held) => return draft.hold(held),
    };
    match candidate(world, &wanted) {
        Some(machine) => claim(draft, need, &wanted, machine),
        None => buy(draft, need, &wanted),
    }
}

/// A machine of the pool that fits, the one that is paid for longest.
fn candidate<'a>(world: &World<'a>, wanted: &Wanted<'_>) -> Option<&'a Machine> {
    let last = today(world).checked_add(CLAIM_DAYS.days()).ok()?;
    let fits = |machine: &&&Machine| {
        let spec = &machine.spec;
        let order = spec.order.as_ref();
        let free = spec.managed && spec.pool.is_some() && spec.claim.is_none();
        let same = order
            .is_some_and(|o| o.product_id == wanted.size.product_id && o.region == wanted.region);
        free && same
            && !machine.metadata.is_deleting()
            && spec.paid_through.is_some_and(|day| day >= last)
            && !ends(world, machine)
            && is_sound(world, machine)
    };
    let paid = |m: &&&Machine| (m.spec.paid_through, std::cmp::Reverse(m.metadata.name.clone()));
    world.machines.iter().filter(fits).max_by_key(paid).copied()
}

/// Cancelled, or being cancelled.
fn ends(world: &World<'_>, machine: &Machine) -> bool {
    let seen = machine.status.seen.as_ref().is_some_and(|s| s.cancel_date.is_some());
    let cancelled = |o: &&Operation| {
        o.spec.verb == Verb::Cancel && (o.status.phase.is_open() || may_have_happened(o))
    };
    seen || world.operations_of(machine).iter().any(cancelled)
}

fn is_sound(world: &World<'_>, machine: &Machine) -> bool {
    let Observed::Present(seen, _) = look(machine, world.installation) else { return false };
    let idle = !world.operations_of(machine).iter().any(|o| o.status.phase.is_open());
    let state = machine.status.state;
    idle && seen.power.is_some()
        && !matches!(state, MachineState::Error | MachineState::Blocked | MachineState::Wiping)
}

fn claimed(world: &World<'_>, machine: &Machine) -> Machine {
    let environment = world.environment;
    let mut next = machine.clone();
    next.spec.claim = Some(Claim {
        uid: world.uid(),
        namespace: environment.metadata.namespace.clone(),
        name: environment.metadata.name.clone(),
        at: world.now,
    });
    next.spec.release = None;
    next.spec.display_name =
        names::wanted_display_name(environment, world.installation_id(), &machine.metadata.name);
    label(world, &mut next.metadata);
    next
}

fn label(world: &World<'_>, meta: &mut ObjectMeta) {
    let environment = &world.environment.metadata;
    for (label, value) in [
        (metadata::ENVIRONMENT_UID, world.uid().to_string()),
        (metadata::ENVIRONMENT, environment.name.clone()),
        (metadata::NAMESPACE, environment.namespace.clone()),
    ] {
        meta.labels.insert(label.to_owned(), value);
    }
    counts_for(meta, environment.labels.get(metadata::DECLARED_BY).cloned());
}

/// Writes down whose purchases it counts among.
fn counts_for(meta: &mut ObjectMeta, account: Option<String>) {
    match account {
        Some(account) => meta.labels.insert(metadata::DECLARED_BY.to_owned(), account),
        None => meta.labels.remove(metadata::DECLARED_BY),
    };
}

/// What the machine is called in plans: Contabo's name of it, if it has one.
pub(super) fn called(machine: &Machine) -> &str {
    machine
        .status
        .instance_name
        .as_deref()
        .filter(|n| !n.is_empty())
        .unwrap_or(&machine.metadata.name)
}

/// Binds the machine a deleted environment released; its disk is as it was.
fn take_back(draft: &mut Draft<'_, '_>) {
    let world = draft.world;
    let name = &world.environment.metadata.name;
    let old = undelete_of(world.environment);
    // The annotation is anybody's to write: a machine goes back to the namespace it came from only.
    let namespace = &world.environment.metadata.namespace;
    let released = world.machines.iter().copied().find(|m| {
        let release = m.spec.release.as_ref().filter(|release| release.namespace == *namespace);
        m.spec.claim.is_none() && release.map(|r| r.uid) == old
    });
    let gone = |why: &str| {
        hold(
            StandstillKind::Held,
            codes::UNDELETE_EXPIRED,
            format!(
                "env/{name} cannot be taken back: {why}. Nothing was bought; delete it, and create \
                 it anew for another machine"
            ),
        )
    };
    let Some(machine) = released else {
        return draft.hold(gone("no released machine of it is left"));
    };
    let until = machine.spec.release.as_ref().map(|r| r.until);
    let wiped = world.operations_of(machine).into_iter().any(|o| {
        o.spec.verb == Verb::Reinstall
            && o.spec.environment.is_none()
            && after(o, machine)
            && (o.status.phase.is_open() || may_have_happened(o))
    });
    if wiped || machine.spec.pool.is_some() || until.is_none_or(|until| until <= world.now) {
        return draft.hold(gone("the time to take it back is over"));
    }
    if let Some(fault) = mismatch(world, machine) {
        return draft.hold(hold(
            StandstillKind::Held,
            codes::UNDELETE_MISMATCH,
            format!("env/{name} cannot take {} back: {fault}. Nothing was bought", called(machine)),
        ));
    }
    let step = Step {
        call: "bind".into(),
        machine: machine.metadata.name.clone(),
        summary: format!("take {} back, its disk as it was", called(machine)),
        class: RiskClass::Reversible,
        downtime_seconds: None,
        monthly: machine.spec.order.as_ref().map(|o| o.price.clone()),
        due: None,
        fingerprint: None,
        approved: true,
        hold: None,
    };
    draft.report.not_ready(
        Phase::Creating,
        "TakingBack",
        format!("takes {} back", called(machine)),
    );
    draft.step(Pending {
        event: Some(EventDraft::normal("TakenBack", format!("took {} back", called(machine)))),
        step,
        implied: Implied::TheRecord,
        writes: vec![RecordWrite::UpdateMachine(Box::new(claimed(world, machine)))],
    });
}

fn after(operation: &Operation, machine: &Machine) -> bool {
    let released = machine.spec.release.as_ref().map(|r| r.at);
    released.is_none_or(|at| intent::is_created_since(&operation.metadata, at))
}

fn mismatch(world: &World<'_>, machine: &Machine) -> Option<String> {
    let order = machine.spec.order.as_ref()?;
    let spec = &world.environment.spec;
    let product = world.catalogue.size(&spec.size).map(|s| s.product_id.as_str());
    if product != Some(order.product_id.as_str()) {
        return Some(format!("it is a {}, declared is {}", order.size, spec.size));
    }
    (order.region != spec.region)
        .then(|| format!("it is in {}, declared is {}", order.region, spec.region))
}

/// Claims a paid, wiped machine. It is installed afterwards, see `install`.
fn claim(draft: &mut Draft<'_, '_>, need: Need<'_>, wanted: &Wanted<'_>, machine: &Machine) {
    let world = draft.world;
    let next = claimed(world, machine);
    let price = machine.spec.order.as_ref().map(|o| o.price.clone());
    let mut step = Step {
        call: "claim".into(),
        machine: machine.metadata.name.clone(),
        summary: format!("claim {} from the pool", called(machine)),
        class: RiskClass::Reversible,
        downtime_seconds: None,
        monthly: price,
        due: None,
        fingerprint: None,
        approved: true,
        hold: None,
    };
    if let Need::Instead { of } = need {
        // The new machine starts empty: a person says so, even where it costs no purchase.
        step.class = RiskClass::DataRisk;
        step.summary = format!("{} instead of {of}, with an empty disk", step.summary);
        step.fingerprint =
            Some(identify(world, &step, &wanted.rendered.digest, json!({ "instead_of": of })));
    }
    let install = super::install::operation(world, &next, &wanted.rendered);
    let wish = Wish { operation: &install, size: &wanted.size.name, cost: step.monthly.as_ref() };
    let tenant = world.may_have(&wish).err();
    step.hold = tenant.or_else(|| world.may_issue(&install).err());
    draft.report.not_ready(
        Phase::Creating,
        "Claiming",
        format!("claims {} from the pool", called(machine)),
    );
    draft.step(Pending {
        event: Some(EventDraft::normal(
            "Claimed",
            format!("claimed {} from the pool; nothing was bought", called(machine)),
        )),
        step,
        implied: need.implied(),
        writes: vec![RecordWrite::UpdateMachine(Box::new(next))],
    });
    draft.step(super::install::step_after(world, machine, &wanted.rendered));
}

/// Records the machine to be bought; the record is the order.
fn buy(draft: &mut Draft<'_, '_>, need: Need<'_>, wanted: &Wanted<'_>) {
    let world = draft.world;
    let price = match wanted.price(world) {
        Ok(price) => price,
        Err(held) => return draft.hold(held),
    };
    let of = match need {
        Need::First => "",
        Need::Instead { of } => of,
    };
    let mut step = Step {
        call: Verb::Purchase.word().into(),
        machine: of.to_owned(),
        summary: format!("buy {}", wanted.words()),
        class: RiskClass::Money,
        downtime_seconds: None,
        monthly: Some(price.monthly()),
        due: Some(price.due()),
        fingerprint: None,
        approved: false,
        hold: None,
    };
    let arguments = json!({
        "product": wanted.size.product_id, "region": wanted.region, "months": wanted.months,
        "image": wanted.rendered.image, "instead_of": of,
    });
    let fingerprint = identify(world, &step, &wanted.rendered.digest, arguments);
    let cause = match need {
        Need::First => names::CREATE.to_owned(),
        Need::Instead { .. } => fingerprint.clone(),
    };
    if !of.is_empty() {
        step.summary = format!("{} instead of {of}", step.summary);
    }
    let mut machine = ordered(world, wanted.order(world, &price, &cause));
    if let Need::Instead { .. } = need {
        // Nobody declared this one: it counts for whoever approves it.
        let account = approval(world, &fingerprint).and_then(|approval| approval.account);
        counts_for(&mut machine.metadata, account.map(|account| account.to_string()));
    }
    step.machine = machine.metadata.name.clone();
    step.fingerprint = Some(fingerprint);
    let mut purchase = intent::planned(&machine, Verb::Purchase, step.summary.clone(), []);
    purchase.spec.spends = Some(price.due());
    let due = price.due();
    let wish = Wish { operation: &purchase, size: &wanted.size.name, cost: Some(&due) };
    let tenant = world.may_have(&wish).err();
    step.hold = tenant.or_else(|| world.may_issue(&purchase).err());
    draft.report.not_ready(Phase::Creating, "Ordering", format!("orders {}", wanted.words()));
    draft.step(Pending {
        event: Some(EventDraft::normal(
            "Ordered",
            format!("{} for {}, paid with the order", step.summary, price.due()),
        )),
        step,
        implied: need.implied(),
        writes: vec![RecordWrite::CreateMachine(Box::new(machine))],
    });
    draft.step(installs_itself(wanted));
}

fn ordered(world: &World<'_>, order: Order) -> Machine {
    let name = names::machine_name(world.uid(), &order.demand.cause);
    let mut meta = ObjectMeta::named("", name);
    meta.finalizers = vec![metadata::INSTANCE_FINALIZER.to_owned()];
    let blank = Machine {
        metadata: meta,
        spec: MachineSpec { managed: true, order: Some(order), ..MachineSpec::default() },
        status: MachineStatus::default(),
    };
    claimed(world, &blank)
}

/// The first boot installs what the order's user-data says; shown, not done by us.
fn installs_itself(wanted: &Wanted<'_>) -> Pending {
    Pending {
        step: Step {
            call: "install".into(),
            machine: String::new(),
            summary: format!("install {}", wanted.rendered.software()),
            class: RiskClass::Reversible,
            downtime_seconds: None,
            monthly: None,
            due: None,
            fingerprint: None,
            approved: true,
            hold: None,
        },
        implied: Implied::TheRecord,
        writes: Vec::new(),
        event: None,
    }
}
