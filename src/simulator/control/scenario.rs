//! Bad days by name: what a person wants to see without knowing which faults make it.

use std::fmt;
use std::str::FromStr;

use devpocket_controllers::sim::contabo::{
    Failure, Fault, FaultKind, OperationName, Outcome, Settings, Target,
};
use jiff::{SignedDuration, Timestamp};

use super::super::engine::Command;

/// How long an outage lasts.
const OUTAGE: SignedDuration = SignedDuration::from_hours(2);
/// How much longer than usual a slow installation takes.
const SLOWER: i32 = 10;

/// A bad day, or the end of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Installations take ten times as long.
    SlowInstall,
    /// The next order ends in `error`.
    InstallFails,
    /// Nothing is answered but 503, for two hours.
    Outage,
    /// Every token issued so far is refused.
    TokenExpired,
    /// The next order waits for its payment.
    PaymentPending,
    /// The next order is carried out, and its reply lost.
    LostReply,
    /// Every second call or so is answered 429.
    Throttled,
    /// All faults are over and the settings are those of a new account; pace and tokens stay.
    Normal,
}

impl Scenario {
    pub const ALL: [Scenario; 8] = [
        Scenario::SlowInstall,
        Scenario::InstallFails,
        Scenario::Outage,
        Scenario::TokenExpired,
        Scenario::PaymentPending,
        Scenario::LostReply,
        Scenario::Throttled,
        Scenario::Normal,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Scenario::SlowInstall => "slow-install",
            Scenario::InstallFails => "install-fails",
            Scenario::Outage => "outage",
            Scenario::TokenExpired => "token-expired",
            Scenario::PaymentPending => "payment-pending",
            Scenario::LostReply => "lost-reply",
            Scenario::Throttled => "throttled",
            Scenario::Normal => "normal",
        }
    }

    /// What has happened now, in a sentence.
    pub fn told(self) -> &'static str {
        match self {
            Scenario::SlowInstall => "installations take ten times as long from now on",
            Scenario::InstallFails => "the next order ends in an error",
            Scenario::Outage => "Contabo answers 503 to everything for two hours",
            Scenario::TokenExpired => "every token issued so far is refused",
            Scenario::PaymentPending => "the next order waits for its payment",
            Scenario::LostReply => "the next order is carried out, and its reply is lost",
            Scenario::Throttled => "half of all calls are answered 429",
            Scenario::Normal => "all faults are over, and the settings are the usual ones",
        }
    }

    /// What makes it happen.
    pub(super) fn commands(self, settings: &Settings, now: Timestamp) -> Vec<Command> {
        let set = |settings: Settings| vec![Command::Settings(Box::new(settings))];
        let arm = |fault: Fault| vec![Command::Arm(Box::new(fault))];
        let order = Target::One(OperationName::CreateInstance);
        let becomes = |outcome: Outcome| arm(Fault::once(order, FaultKind::Order { outcome }));
        match self {
            Scenario::SlowInstall => {
                let usual = Settings::default().installing;
                set(Settings { installing: usual * SLOWER, ..settings.clone() })
            }
            Scenario::InstallFails => {
                becomes(Outcome::Error("the installation has failed".to_owned()))
            }
            Scenario::Outage => {
                let until = now.saturating_add(OUTAGE).unwrap_or(Timestamp::MAX);
                arm(Fault::outage(until, Failure::Status(503)))
            }
            Scenario::TokenExpired => {
                let token_epoch = settings.token_epoch.saturating_add(1);
                set(Settings { token_epoch, ..settings.clone() })
            }
            Scenario::PaymentPending => becomes(Outcome::PendingPayment),
            Scenario::LostReply => arm(Fault::once(order, FaultKind::Lose { how: Failure::Reset })),
            Scenario::Throttled => {
                let kind = FaultKind::Fail { how: Failure::Status(429) };
                arm(Fault { probability: Some(0.5), ..Fault::always(Target::Any, kind) })
            }
            Scenario::Normal => {
                let usual = Settings {
                    speed: settings.speed,
                    account: settings.account.clone(),
                    token_epoch: settings.token_epoch,
                    ..Settings::default()
                };
                vec![Command::DisarmAll, Command::Settings(Box::new(usual))]
            }
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scenario {
    type Err = String;
    fn from_str(text: &str) -> Result<Scenario, String> {
        Scenario::ALL.into_iter().find(|scenario| scenario.as_str() == text).ok_or_else(|| {
            let all: Vec<&str> = Scenario::ALL.iter().map(|scenario| scenario.as_str()).collect();
            format!("there is no scenario {text:?}; there are {}", all.join(", "))
        })
    }
}
