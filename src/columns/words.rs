//! Words that need more than one field.

use devpocket_specs::environment::{Environment, Phase};
use jiff::Timestamp;
use serde_json::Value;

/// Parts of the names of managers nobody declares anything through.
const OWN_MANAGERS: [&str; 2] = ["-controller", "system:"];

/// An age in one unit: `12s` `6m` `3h` `41d`. The future is 0.
pub fn ago(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// The phase as its word, deletion included.
pub fn phase(environment: &Environment) -> String {
    if environment.metadata.is_deleting() && environment.status.phase != Phase::Terminated {
        return "releasing".to_owned();
    }
    format!("{:?}", environment.status.phase).to_ascii_lowercase()
}

/// The template as declared, and whether there is a newer version than the installed one:
/// `python (3 is out)`.
pub fn template(environment: &Environment) -> Option<String> {
    let declared = environment.spec.template.clone()?;
    let newer = environment.status.template.as_ref().and_then(|installed| installed.newer);
    Some(match newer {
        Some(version) => format!("{declared} ({version} is out)"),
        None => declared,
    })
}

/// `power, 2 in 1d`
pub fn drift(environment: &Environment, now: Timestamp) -> Option<String> {
    let drift = &environment.status.drift;
    let last = drift.last()?;
    let alike = || drift.iter().filter(|other| other.what == last.what);
    let first = alike().map(|other| other.since).min()?;
    Some(match alike().count() {
        1 => format!("{}, {} ago", last.what, ago(last.since, now)),
        times => format!("{}, {times} in {}", last.what, ago(first, now)),
    })
}

/// Managers that declared fields, without DevPocket's own parts.
pub fn owners(managed_fields: &[Value]) -> Vec<String> {
    let mut owners: Vec<String> = Vec::new();
    for entry in managed_fields {
        let manager = entry["manager"].as_str().unwrap_or_default();
        let ours = OWN_MANAGERS.iter().any(|part| manager.contains(part));
        let of_status = entry["subresource"] == "status";
        if !manager.is_empty() && !ours && !of_status && !owners.iter().any(|o| o == manager) {
            owners.push(manager.to_owned());
        }
    }
    owners
}
