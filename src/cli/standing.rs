//! Where an environment stands, in the fixed words: ordered, installing, ready, stopped, released;
//! and the five ways of standing still, which are never mixed. What failed on a machine is in
//! [`failed`].

mod failed;

use devpocket_specs::condition::{self, Condition, ConditionStatus};
use devpocket_specs::environment::{Environment, Phase, Power, conditions};
use devpocket_specs::install::{InstallState, InstallStatus};
use jiff::{SignedDuration, Timestamp};

pub use failed::{Failed, failed};

use super::output::{Ink, Sign};

/// What is said of a declaration that was not looked at yet.
const UNSEEN: &str = "declared anew, not looked at yet";

/// How far an environment is whose machine is ordered, and one whose machine is installed.
const ORDERED: u8 = 30;
const CONFIGURING: u8 = 85;
/// Percent of an installation nobody tells of yet.
const UNKNOWN: u8 = 20;

/// One environment at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub word: &'static str,
    pub sign: Sign,
    /// How far towards ready, as a share of the stages there are.
    pub percent: u8,
    /// What it waits for; empty when nothing.
    pub message: String,
    /// What is done now, in a word or two; empty where the word says it all.
    pub step: String,
    /// When it is usually over, as far as that is known.
    pub ends: Option<Timestamp>,
    /// Nothing more will change by itself.
    pub at_rest: bool,
}

/// The five names, with their condition, in the order of what a person must know first.
const STANDSTILLS: [(&str, &str); 5] = [
    (conditions::PAUSED, "paused"),
    (conditions::STALLED, "stalled"),
    (conditions::WAITING, "waiting"),
    (conditions::HELD, "held"),
    (conditions::UNOBSERVED, "unknown"),
];

impl Standing {
    pub fn of(environment: &Environment) -> Standing {
        let status = &environment.status;
        let stage = stage(environment);
        if !is_current(environment) && !environment.metadata.is_deleting() {
            return unseen(environment, stage);
        }
        let still = standstill(environment);
        let ready = is_ready(environment);
        let message = match (&still, status.message.as_str()) {
            (Some((_, condition)), _) if !condition.message.is_empty() => &condition.message,
            (_, message) => message,
        };
        let message = bare(message, environment, still.map(|(word, _)| word)).to_owned();
        let base = Standing {
            word: stage.0,
            sign: Sign::UnderWay,
            percent: stage.1,
            message,
            step: step(environment),
            ends: ends(environment),
            at_rest: false,
        };
        match still {
            Some((word @ ("paused" | "waiting"), _)) => {
                Standing { word, sign: Sign::Waits, at_rest: true, ..base }
            }
            Some((word @ "stalled", _)) => {
                Standing { word, sign: Sign::Failed, at_rest: true, ..base }
            }
            Some((word @ "unknown", _)) if !ready => Standing { word, sign: Sign::Unknown, ..base },
            Some((word @ "held", _)) if !ready => Standing { word, sign: Sign::Waits, ..base },
            _ if ready => Standing { sign: Sign::Done, at_rest: true, percent: 100, ..base },
            _ if failed(environment).is_some() => {
                Standing { sign: Sign::Failed, at_rest: true, ..base }
            }
            _ if status.phase == Phase::Error || is_refused(environment) => {
                Standing { sign: Sign::Failed, ..base }
            }
            _ => base,
        }
    }

    /// The same, where somebody has just asked for another try.
    pub fn begun_again(self) -> Standing {
        let message = "asked for; not begun yet".to_owned();
        Standing { word: "declared", sign: Sign::UnderWay, at_rest: false, message, ..self }
    }

    /// The same, while something else than rest is waited for.
    pub fn awaiting(self, what: &str) -> Standing {
        if !self.at_rest || self.sign != Sign::Done {
            return self;
        }
        Standing { sign: Sign::UnderWay, at_rest: false, message: what.to_owned(), ..self }
    }

    /// The same, where it is what was waited for.
    pub fn reached(self) -> Standing {
        Standing { sign: Sign::Done, at_rest: true, ..self }
    }
}

/// What is known is of an older declaration: how it stands says nothing about this one.
fn unseen(environment: &Environment, (word, percent): (&'static str, u8)) -> Standing {
    let unobserved = condition::find(&environment.status.conditions, conditions::UNOBSERVED)
        .filter(|condition| condition.status == ConditionStatus::True);
    let word = if word == "failed" { "declared" } else { word };
    Standing {
        word,
        sign: if unobserved.is_some() { Sign::Unknown } else { Sign::UnderWay },
        percent,
        message: match unobserved {
            Some(condition) => format!("{UNSEEN}: {}", condition.message),
            None => UNSEEN.to_owned(),
        },
        step: String::new(),
        ends: None,
        at_rest: false,
    }
}

/// The message without what stands before it wherever it is shown: whose it is, and that it waits.
/// `env/api waits: at most 3 ...` is `at most 3 ...`, `env/api is paused until ...` is `until ...`.
pub fn bare<'a>(message: &'a str, environment: &Environment, still: Option<&str>) -> &'a str {
    let name = format!("env/{} ", environment.metadata.name);
    let Some(rest) = message.strip_prefix(&name) else { return message };
    let said = still.and_then(|word| rest.strip_prefix("is ")?.strip_prefix(word));
    let said = said.or_else(|| rest.strip_prefix("waits:")).map(str::trim_start);
    said.filter(|rest| !rest.is_empty()).unwrap_or(message)
}

/// `held: at most 3 ...`, `paused until ...`, and no word twice.
pub fn joined(word: &str, message: &str) -> String {
    let said = message.strip_prefix(word).is_some_and(|rest| rest.starts_with([' ', ':', ',']));
    match message {
        "" => word.to_owned(),
        _ if said || message == word => message.to_owned(),
        _ if message.starts_with("until ") => format!("{word} {message}"),
        _ => format!("{word}: {message}"),
    }
}

/// What goes on within the stage.
fn step(environment: &Environment) -> String {
    let step = match environment.status.phase {
        Phase::Provisioning => "Contabo makes the machine",
        Phase::Installing => match under_way(environment) {
            Some(install) if !install.step.is_empty() => &install.step,
            _ => "the system",
        },
        Phase::Configuring if not_configured(environment).is_some() => "user and variables",
        Phase::Configuring => "first start",
        _ => "",
    };
    step.to_owned()
}

/// The installation, while the machine tells of it.
pub fn under_way(environment: &Environment) -> Option<&InstallStatus> {
    let install = environment.status.install.as_ref();
    install.filter(|install| install.state == InstallState::Running)
}

/// When others of this kind were installed, if that many were.
fn ends(environment: &Environment) -> Option<Timestamp> {
    let install = under_way(environment)?;
    let usual = SignedDuration::from_secs(i64::from(install.usual_seconds?));
    install.started_at?.checked_add(usual).ok()
}

/// Installing is the way from an ordered machine to its first start, by the machine's own percent.
fn installed(environment: &Environment) -> u8 {
    let (begin, end) = (ORDERED, CONFIGURING);
    let percent = under_way(environment).map_or(UNKNOWN, |install| install.percent.min(100));
    begin + u8::try_from(u16::from(end - begin) * u16::from(percent) / 100).unwrap_or(0)
}

fn stage(environment: &Environment) -> (&'static str, u8) {
    if environment.metadata.is_deleting() {
        return ("releasing", 50);
    }
    match environment.status.phase {
        Phase::Creating => ("ordering", 10),
        Phase::Provisioning => ("ordered", ORDERED),
        Phase::Installing => ("installing", installed(environment)),
        Phase::Configuring if not_configured(environment).is_some() => ("configuring", 95),
        Phase::Configuring => ("installing", CONFIGURING),
        Phase::Running if is_ready(environment) => ("ready", 100),
        Phase::Running => ("running", 90),
        Phase::Stopping => ("stopping", 60),
        Phase::Stopped => ("stopped", 90),
        Phase::Restarting => ("restarting", 60),
        Phase::Resizing => ("resizing", 50),
        Phase::Error => ("failed", 0),
        Phase::Terminated => ("released", 100),
    }
}

/// Whether the newest declaration was looked at. A record just made has nothing to be behind of.
pub fn is_current(environment: &Environment) -> bool {
    environment.status.observed_generation >= environment.metadata.generation
        || environment.status.conditions.is_empty()
}

/// Whether a condition is about the newest declaration. While Contabo cannot be seen, some are kept
/// that are about an older one.
pub fn is_about_now(environment: &Environment, condition: &Condition) -> bool {
    let generation = environment.metadata.generation;
    environment.status.observed_generation >= generation
        && condition.observed_generation.is_none_or(|observed| observed >= generation)
}

/// Whether what is told of its power and readiness is about the newest declaration.
pub fn is_seen(environment: &Environment) -> bool {
    let ready = condition::find(&environment.status.conditions, conditions::READY);
    ready.is_some_and(|ready| is_about_now(environment, ready))
}

/// As declared, as far as the newest declaration was looked at. A machine that is stopped because
/// that was declared is as it should be, though nobody can work on it.
pub fn is_ready(environment: &Environment) -> bool {
    let status = &environment.status;
    let ready = condition::find(&status.conditions, conditions::READY);
    let Some(ready) = ready.filter(|ready| is_about_now(environment, ready)) else { return false };
    let stopped = status.phase == Phase::Stopped && wanted(environment) == Power::Stopped;
    stopped || ready.status == ConditionStatus::True
}

/// The power that holds now.
pub fn wanted(environment: &Environment) -> Power {
    let effective = environment.status.effective_power.as_ref();
    effective.map_or(environment.spec.power, |effective| effective.power)
}

/// The condition of user and variables, while they are not on the machine as declared.
fn not_configured(environment: &Environment) -> Option<&Condition> {
    let all = &environment.status.conditions;
    let configured = condition::find(all, conditions::GUEST_CONFIGURED);
    configured.filter(|condition| condition.status == ConditionStatus::False)
}

/// Whether the machine has something against them: tried again, but nobody should only wait for it.
fn is_refused(environment: &Environment) -> bool {
    let refused = |condition: &Condition| condition.reason == "NotConfigured";
    environment.status.phase == Phase::Configuring
        && not_configured(environment).is_some_and(refused)
}

/// Which of the five it is, if it stands still.
pub fn standstill(environment: &Environment) -> Option<(&'static str, &Condition)> {
    STANDSTILLS.iter().find_map(|(kind, word)| {
        let condition = condition::find(&environment.status.conditions, kind)?;
        (condition.status == ConditionStatus::True).then_some((*word, condition))
    })
}

/// The colour of a phase in tables.
pub fn ink(environment: &Environment) -> Ink {
    match Standing::of(environment) {
        Standing { sign: Sign::Done, .. } => Ink::Green,
        Standing { sign: Sign::Failed, .. } => Ink::Red,
        _ => Ink::Yellow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standstill_is_told_once() {
        assert_eq!(
            joined("paused", "until 14:00; nothing is done"),
            "paused until 14:00; nothing is done"
        );
        assert_eq!(joined("held", "at most 3 an hour"), "held: at most 3 an hour");
        assert_eq!(joined("ordered", "ordered at 14:02"), "ordered at 14:02");
        assert_eq!(joined("ready", ""), "ready");
        let metadata = devpocket_specs::metadata::ObjectMeta::named("main", "api");
        let (spec, status) = Default::default();
        let environment = Environment { metadata, spec, status };
        let bare = |text, still| bare(text, &environment, still).to_owned();
        assert_eq!(bare("env/api waits: at most 3", Some("held")), "at most 3");
        assert_eq!(bare("env/api is paused until 14:00", Some("paused")), "until 14:00");
        assert_eq!(bare("env/apiary waits: x", None), "env/apiary waits: x");
        assert_eq!(bare("something else", Some("held")), "something else");
    }

    #[test]
    fn what_a_machine_has_against_its_configuration_is_no_spinner() {
        let metadata = devpocket_specs::metadata::ObjectMeta::named("main", "api");
        let (spec, status) = Default::default();
        let mut environment = Environment { metadata, spec, status };
        environment.status.phase = Phase::Configuring;
        let standing = Standing::of(&environment);
        assert_eq!((standing.word, standing.step.as_str()), ("installing", "first start"));
        for (reason, sign) in [("Configuring", Sign::UnderWay), ("NotConfigured", Sign::Failed)] {
            environment.status.conditions = vec![Condition {
                r#type: conditions::GUEST_CONFIGURED.into(),
                status: ConditionStatus::False,
                reason: reason.into(),
                message: String::new(),
                last_transition_time: Timestamp::UNIX_EPOCH,
                observed_generation: None,
            }];
            let standing = Standing::of(&environment);
            assert_eq!((standing.word, standing.sign), ("configuring", sign), "{reason}");
            assert_eq!(standing.step, "user and variables");
        }
    }
}
