//! Whether the account was looked at since the server started. A database that was brought back says
//! what was known when it was written, and nothing of what happened since.

use devpocket_specs::installation::Installation;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::cli::api::Api;
use crate::cli::error::{Failure, Report, Retry, exit};
use crate::cli::session::Session;

/// The times compared are whole seconds of two clocks.
const SLACK: SignedDuration = SignedDuration::from_secs(2);

/// Whether what the installation says of the account is younger than the server's start; `health`
/// is the server's own word.
pub(super) fn since_start(installation: &Installation, health: &Value, now: Timestamp) -> bool {
    let Some(sweep) = &installation.status.sweep else { return false };
    // A server that does not tell is older than this program.
    let Some(uptime) = health["uptime_seconds"].as_i64() else { return true };
    now.duration_since(sweep.as_of) <= SignedDuration::from_secs(uptime) + SLACK
}

/// Refuses where nobody can know yet what differs.
pub(super) async fn required(
    session: &Session,
    api: &Api,
    installation: &Installation,
) -> Result<(), Report> {
    let health = api.health().await.map_err(|error| session.report(&error))?;
    if since_start(installation, &health, session.now()) {
        return Ok(());
    }
    let because = match &installation.status.sweep {
        None => "no list of its machines was read yet".to_owned(),
        Some(sweep) => format!("its machines were last listed at {}", sweep.as_of),
    };
    Err(Failure::held("not-observed", "the account was not looked at since this server started")
        .exit(exit::REFUSED)
        .because(because)
        .so_far(
            "nothing was changed. Nothing is bought, wiped or cancelled before it was looked at",
        )
        .attempt("devpocket status", "who looks, and what differs once it was looked at")
        .retry(Retry::Later(None))
        .into())
}

#[cfg(test)]
mod tests {
    use devpocket_specs::installation::{InstallationSpec, InstallationStatus, NAME, Sweep};
    use devpocket_specs::metadata::ObjectMeta;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_look_from_before_the_start_is_none() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let mut installation = Installation {
            metadata: ObjectMeta::named("", NAME),
            spec: InstallationSpec::default(),
            status: InstallationStatus::default(),
        };
        let up = |seconds: i64| json!({"uptime_seconds": seconds});
        let now = at("2026-01-01T10:00:00Z");
        assert!(!since_start(&installation, &up(600), now));
        let as_of = at("2026-01-01T09:59:00Z");
        let sweep = Sweep { as_of, instances: 0, complete: true, trusted: true, count: 1 };
        installation.status.sweep = Some(sweep);
        assert!(since_start(&installation, &up(60), now));
        assert!(!since_start(&installation, &up(30), now));
        assert!(since_start(&installation, &json!({}), now));
    }
}
