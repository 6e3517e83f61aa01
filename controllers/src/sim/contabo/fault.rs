//! Faults: what goes wrong, on which calls, how often.
//!
//! A failure comes in two flavours that look the same to a client: [`FaultKind::Fail`] happens
//! before anything was done, [`FaultKind::Lose`] after the account did it. Of each class (failure,
//! list, behaviour) at most one armed fault fires per call, the one armed first.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::operation::OperationName;
use super::reply::{Body, Delivery, Reply};
use super::seed::{self, Stream};
use super::target::Target;

/// Armed faults at once; more are refused.
pub const FAULT_LIMIT: usize = 256;

/// A fault as somebody arms it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    pub on: Target,
    #[serde(flatten)]
    pub kind: FaultKind,
    /// How often it fires; `None` is until it is cleared or `until` passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Matching calls to let pass first.
    #[serde(default)]
    pub skip: u32,
    /// Chance in 0..=1 with which a matching call is hit, drawn from the seed; `None` is always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// No longer armed from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Only calls about an instance whose id equals this or whose display name (for an order: the
    /// one ordered) contains it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matching: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum FaultKind {
    /// The call fails and nothing was done.
    Fail { how: Failure },
    /// The call is carried out and its reply is lost in this way.
    Lose { how: Failure },
    /// The reply comes late.
    Delay { by: SignedDuration },
    /// The reply comes drop by drop: whole, but only after this long.
    Slow { over: SignedDuration },
    /// A list without elements, and totals to match: an outage that looks like an answer.
    EmptyList,
    /// A list that knows only its first `keep` elements; its totals agree with the lie.
    PartialList { keep: u32 },
    /// Every page lacks its last `drop` elements; totals are right.
    ShortPage { drop: u32 },
    /// This page is empty; totals are right.
    MissingPage { page: u32 },
    /// Pages after the first begin so many elements later, as if some had gone meanwhile: those are
    /// missed. Negative: earlier, and elements of the page before come again. Totals are right.
    ShiftedPages { by: i32 },
    /// What becomes of an order. The order itself is accepted, and paid.
    Order { outcome: Outcome },
    /// The contract may not be cancelled through the API: 422.
    NotCancellable,
    /// A reinstallation that never ends.
    StuckReinstall,
    /// The display name falls back to "" once a reinstallation ends.
    RevertDisplayName,
    /// Accepted (201), audited, and nothing happens: a guest that ignores ACPI.
    Ignore,
    /// The change never appears in the audits.
    NoAudit,
}

/// How an order turns out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// provisioning, installing, running.
    #[default]
    Normal,
    PendingPayment,
    ProductNotAvailable,
    ManualProvisioning,
    VerificationRequired,
    StuckProvisioning,
    StuckInstalling,
    /// `error` with this `errorMessage` where running would be.
    Error(String),
    /// A status nobody has documented, where running would be.
    UnknownStatus(String),
}

/// An armed fault and what it has done so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArmedFault {
    pub id: u64,
    #[serde(flatten)]
    pub fault: Fault,
    /// Matching calls that were let pass by `skip`.
    pub skipped: u32,
    /// Draws of `probability`.
    pub draws: u64,
    pub fired: u32,
}

/// The faults of an account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Faults {
    pub armed: Vec<ArmedFault>,
    next_id: u64,
}

/// What hits one call.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Drawn {
    pub failure: Option<FaultKind>,
    pub list: Option<FaultKind>,
    pub behaviour: Option<FaultKind>,
    /// Whether any armed fault changed its counters.
    pub touched: bool,
}

impl Fault {
    /// A fault that fires once.
    pub fn once(on: Target, kind: FaultKind) -> Fault {
        Fault { times: Some(1), ..Fault::always(on, kind) }
    }

    /// A fault that fires until it is cleared.
    pub fn always(on: Target, kind: FaultKind) -> Fault {
        Fault { on, kind, times: None, skip: 0, probability: None, until: None, matching: None }
    }

    /// Contabo is silent until then: every call fails without effect.
    pub fn outage(until: Timestamp, how: Failure) -> Fault {
        let fault = Fault::always(Target::Any, FaultKind::Fail { how });
        Fault { until: Some(until), ..fault }
    }

    /// What is wrong with it, in a sentence.
    pub fn check(&self) -> Result<(), String> {
        if self.probability.is_some_and(|chance| !(0.0..=1.0).contains(&chance)) {
            return Err("probability must lie between 0 and 1".to_owned());
        }
        match (&self.kind, self.on) {
            (FaultKind::Lose { how: Failure::Status(401 | 403) }, _) => {
                Err("a 401 or 403 comes before any effect; arm it as `fail`".to_owned())
            }
            (FaultKind::Fail { how } | FaultKind::Lose { how }, _) => how.check(),
            (FaultKind::Order { .. }, on) if !on.hits(OperationName::CreateInstance) => {
                Err(format!("`order` is about create-instance, which {on} does not hit"))
            }
            (FaultKind::NotCancellable, on) if !on.hits(OperationName::CancelInstance) => {
                Err(format!("`not-cancellable` is about cancel-instance, which {on} does not hit"))
            }
            _ => Ok(()),
        }
    }
}

impl Faults {
    pub fn arm(&mut self, fault: Fault) -> Result<u64, String> {
        fault.check()?;
        if self.armed.len() >= FAULT_LIMIT {
            return Err(format!("{FAULT_LIMIT} faults are armed already; clear some"));
        }
        self.next_id += 1;
        let id = self.next_id;
        self.armed.push(ArmedFault { id, fault, skipped: 0, draws: 0, fired: 0 });
        Ok(id)
    }

    /// Decides what hits a call, and counts it. `subjects` are the ids and names it is about.
    pub fn draw(
        &mut self,
        name: OperationName,
        subjects: &[String],
        now: Timestamp,
        seed: u64,
    ) -> Drawn {
        let mut drawn = Drawn::default();
        self.armed.retain(|armed| armed.fault.until.is_none_or(|until| now < until));
        for armed in &mut self.armed {
            let slot = match armed.fault.kind {
                FaultKind::Fail { .. }
                | FaultKind::Lose { .. }
                | FaultKind::Delay { .. }
                | FaultKind::Slow { .. } => &mut drawn.failure,
                FaultKind::EmptyList
                | FaultKind::PartialList { .. }
                | FaultKind::ShortPage { .. }
                | FaultKind::MissingPage { .. }
                | FaultKind::ShiftedPages { .. } => &mut drawn.list,
                _ => &mut drawn.behaviour,
            };
            if slot.is_some() || !armed.fault.concerns(name, subjects) {
                continue;
            }
            drawn.touched = true;
            if armed.fires(seed) {
                *slot = Some(armed.fault.kind.clone());
            }
        }
        self.armed.retain(|armed| armed.fault.times.is_none_or(|times| armed.fired < times));
        drawn
    }
}

impl Fault {
    fn concerns(&self, name: OperationName, subjects: &[String]) -> bool {
        let applies = match self.kind {
            FaultKind::Order { .. } => name == OperationName::CreateInstance,
            FaultKind::NotCancellable => name == OperationName::CancelInstance,
            FaultKind::RevertDisplayName | FaultKind::StuckReinstall => {
                name == OperationName::ReinstallInstance
            }
            _ => true,
        };
        applies
            && self.on.hits(name)
            && self.matching.as_ref().is_none_or(|wanted| {
                subjects.iter().any(|subject| subject.contains(wanted.as_str()))
            })
    }
}

impl ArmedFault {
    fn fires(&mut self, seed: u64) -> bool {
        if self.skipped < self.fault.skip {
            self.skipped += 1;
            return false;
        }
        if let Some(chance) = self.fault.probability {
            let number = self.id.wrapping_mul(1 << 32).wrapping_add(self.draws);
            self.draws += 1;
            if seed::unit(seed, Stream::Fault, number) >= chance {
                return false;
            }
        }
        self.fired += 1;
        true
    }
}

/// The whole list as a faulty one has it: totals will agree with the lie.
pub(super) fn bend_list<T>(mut items: Vec<T>, fault: Option<&FaultKind>) -> Vec<T> {
    match fault {
        Some(FaultKind::EmptyList) => items.clear(),
        Some(FaultKind::PartialList { keep }) => items.truncate(*keep as usize),
        _ => {}
    }
    items
}

/// Where a page begins in a faulty list; the first one is right.
pub(super) fn shift(skip: u64, fault: Option<&FaultKind>) -> u64 {
    match fault {
        Some(FaultKind::ShiftedPages { by }) if skip > 0 => {
            skip.saturating_add_signed(i64::from(*by))
        }
        _ => skip,
    }
}

/// One page as a faulty list delivers it: totals stay true.
pub(super) fn bend_page<T>(items: &mut Vec<T>, page: u64, fault: Option<&FaultKind>) {
    match fault {
        Some(FaultKind::ShortPage { drop }) => {
            items.truncate(items.len().saturating_sub(*drop as usize));
        }
        Some(FaultKind::MissingPage { page: missing }) if u64::from(*missing) == page => {
            items.clear();
        }
        _ => {}
    }
}

impl Drawn {
    /// What the client gets of a call that was carried out.
    pub fn apply(&self, real: Reply) -> Reply {
        match &self.failure {
            Some(FaultKind::Lose { how }) => how.reply(Some(real)),
            Some(FaultKind::Delay { by }) => Reply { delivery: Delivery::Late(*by), ..real },
            Some(FaultKind::Slow { over }) => Reply { delivery: Delivery::Slow(*over), ..real },
            _ => real,
        }
    }

    /// The failure that comes before anything is done, if one does.
    pub fn refuses(&self) -> Option<Reply> {
        match &self.failure {
            Some(FaultKind::Fail { how }) => Some(how.reply(None)),
            _ => None,
        }
    }

    pub fn ignores(&self) -> bool {
        self.behaviour == Some(FaultKind::Ignore)
    }

    pub fn audited(&self) -> bool {
        self.behaviour != Some(FaultKind::NoAudit)
    }

    /// A truncated or mistyped delivery needs a body; an empty one is reset instead.
    pub fn deliverable(reply: Reply) -> Reply {
        match (&reply.body, reply.delivery) {
            (Body::Empty, Delivery::Truncated | Delivery::Mistyped) => {
                Reply { delivery: Delivery::Reset, ..reply }
            }
            // Headers without a body are the whole answer.
            (Body::Empty, Delivery::Stalled | Delivery::Half) => {
                Reply { delivery: Delivery::Hang, ..reply }
            }
            _ => reply,
        }
    }
}
