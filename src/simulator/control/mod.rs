//! The control plane of the simulator: what no client of Contabo may see.
//!
//! Plain HTTP and JSON on a port of its own. Errors are `{"message": ".."}` with 400 (cannot be
//! meant), 404 (no such thing), 409 (more than one machine meant, or not possible now).
//!
//! | request | answer |
//! |---|---|
//! | `GET /healthz` | [`Health`] |
//! | `GET /instances[?match=TEXT]`, `GET /instances/{id}` | [`Instance`]s with all that clients cannot see |
//! | `GET /ledger` | [`Ledger`] |
//! | `GET /audits` | every audit entry, also those no list shows yet |
//! | `GET /calls[?last=N]` | [`Calls`]: the journal and the counts |
//! | `GET /faults`, `POST /faults`, `DELETE /faults`, `DELETE /faults/{id}` | [`ArmedFault`]s, [`Armed`], [`Disarmed`] |
//! | `GET /clock`, `POST /clock/advance` ([`Advance`]) | [`Clock`] |
//! | `POST /panel` ([`Panel`]) | [`Meant`]: the machine it was done to |
//! | `POST /panel/purchase` (an order's fields) | [`Meant`] |
//! | `GET /guests` | [`GuestView`]s: where each machine is on this computer |
//! | `POST /guests` ([`Spoil`]) | [`Meant`]: the machine whose day is bad, or good again |
//! | `GET /settings`, `PATCH /settings` (merge patch) | [`Settings`] |
//! | `POST /tokens/revoke` | [`Settings`]: tokens issued so far are refused from now on |
//! | `POST /scenario` ([`Named`]) | [`Told`]: a bad day by its name |
//! | `GET /journal` | every call since the start, a line each, for [`replay`](super::replay) |
//! | `GET /state`, `PUT /state` | the whole model, to be saved and loaded |
//! | `GET /` | a page for people: machines, ledger, calls, faults |

mod client;
mod guest;
mod scenario;
mod serve;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use serde::{Deserialize, Serialize};

pub use super::guests::{GuestFault, GuestView};
pub use client::{ControlClient, ControlError};
pub use scenario::Scenario;
pub(super) use serve::{Steered, serve};

// What the answers are made of, so that who asks needs only this module.
pub use devpocket_controllers::sim::contabo::{
    ArmedFault, AuditEntry, CreateInstance, Failure, Fault, FaultKind, Instance, JournalEntry,
    Ledger, LedgerEntry, OperationName, Outcome, PanelAction, Settings, Target,
};

/// The furthest a clock is moved at once: renewals are carried out one by one.
pub const ADVANCE_LIMIT: SignedDuration = SignedDuration::from_hours(24 * 366 * 5);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    pub status: String,
    pub now: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Clock {
    pub now: Timestamp,
    /// When the next thing happens by itself.
    pub next: Option<Timestamp>,
}

/// How far to move the clock: `30d`, `2h 15m`, `P1W`; days have 24 hours, months are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Advance {
    pub by: String,
}

/// Something a person does in the panel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Panel {
    /// An instance id, a name (`vmi2563139`) or a part of the display name.
    pub instance: String,
    #[serde(flatten)]
    pub action: PanelAction,
}

/// The machine that was meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meant {
    pub instance_id: i64,
    pub name: String,
    pub display_name: String,
    pub status: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Armed {
    pub id: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disarmed {
    pub disarmed: usize,
}

/// The latest calls, oldest first, and how many there were of each operation since the journal
/// began or the simulator was last killed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Calls {
    pub total: u64,
    pub counts: BTreeMap<OperationName, u64>,
    pub calls: Vec<JournalEntry>,
}

/// What becomes of a machine's day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spoil {
    /// An instance id, a name (`vmi2563139`) or a part of the display name.
    pub instance: String,
    /// Nothing heals it.
    #[serde(default)]
    pub fault: Option<GuestFault>,
    /// Another machine is in its place: other host keys, an empty disk.
    #[serde(default)]
    pub replace: bool,
}

/// A scenario, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    pub name: String,
}

/// What has happened, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub told: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Complaint {
    pub message: String,
}

/// No clock of a simulated world is moved beyond this: contracts renew for ever.
pub const LATEST: &str = "2200-01-01T00:00:00Z";

/// Reads a duration such as `30d` or `2h 15m`, with days of 24 hours.
pub fn parse_duration(text: &str) -> Result<SignedDuration, String> {
    let span: Span =
        text.trim().parse().map_err(|_| format!("{text:?} is no duration; write 30d or 2h 15m"))?;
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| format!("{text:?} has no fixed length; write it in days or hours"))?;
    if duration.is_negative() {
        return Err("time does not go back".to_owned());
    }
    if duration > ADVANCE_LIMIT {
        return Err(format!("{text:?} is too far; at most five years at once"));
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(parse_duration("30d"), Ok(SignedDuration::from_hours(720)));
        assert_eq!(parse_duration("2h 15m"), Ok(SignedDuration::from_mins(135)));
        assert_eq!(parse_duration("PT90S"), Ok(SignedDuration::from_secs(90)));
        for wrong in ["", "soon", "1 month", "-3h", "99999d"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_panel_action_is_one_flat_object() {
        let json = r#"{"instance":"demo","action":"rename","displayName":"x"}"#;
        let panel: Panel = serde_json::from_str(json).unwrap();
        assert_eq!(panel.action, PanelAction::Rename { display_name: "x".to_owned() });
        assert_eq!(serde_json::to_string(&panel).unwrap(), json);
    }
}
