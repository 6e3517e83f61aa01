//! The metrics there are. `docs/metrics.md` explains them to people; a test holds the two together.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

use super::MetricsText;

/// Upper bounds of the histograms of times, in seconds.
const SECONDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];
/// Upper bounds of the sizes of batches.
const SIZES: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// How often what was measured is folded into its buckets. Until then each measurement takes memory
/// of its own; without this, a server that nobody asks for its metrics would grow without end.
const FOLD_EVERY: Duration = Duration::from_secs(30);

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Counter,
    /// A counter without labels: shown from the start, so that its first increase is seen too.
    CounterFromZero,
    Gauge,
    Seconds,
    Sizes,
}

/// Name, shape and what it says of every metric.
pub const FAMILIES: [(&str, Shape, &str); 43] = [
    ("devpocket_queue_depth", Shape::Gauge, "Records that wait for a reconcile"),
    ("devpocket_reconciles_total", Shape::Counter, "Reconciles by how they ended"),
    ("devpocket_reconcile_seconds", Shape::Seconds, "Time a reconcile took"),
    ("devpocket_reconcile_panics_total", Shape::Counter, "Reconciles that panicked: bugs"),
    ("devpocket_leader", Shape::Gauge, "1 while this process leads"),
    ("devpocket_leader_losses_total", Shape::CounterFromZero, "Leases lost without being given up"),
    ("devpocket_cloud_calls_total", Shape::Counter, "Calls of Contabo's API by what they proved"),
    ("devpocket_cloud_sign_ins_total", Shape::Counter, "Tokens asked of Contabo, by outcome"),
    ("devpocket_cloud_rate", Shape::Gauge, "Calls a second the limiter allows now"),
    (
        "devpocket_contabo_reachable",
        Shape::Gauge,
        "0 while Contabo is silent or refuses to sign in",
    ),
    ("devpocket_sweeps_total", Shape::Counter, "Lists of the whole account by outcome"),
    ("devpocket_inventory_trusted", Shape::Gauge, "0 while the last list is not believed"),
    ("devpocket_instances", Shape::Gauge, "Instances in the last list of the account"),
    ("devpocket_operations_total", Shape::Counter, "Effects that were answered, by outcome"),
    (
        "devpocket_operations_resolved_total",
        Shape::Counter,
        "Effects without a known answer that were found out about",
    ),
    ("devpocket_purchases_total", Shape::CounterFromZero, "Machines bought"),
    ("devpocket_drift_total", Shape::Counter, "Changes made outside DevPocket, by what changed"),
    ("devpocket_drift_healed_total", Shape::CounterFromZero, "Drift that is over"),
    (
        "devpocket_alarms_total",
        Shape::Counter,
        "What environments may need a person for, by reason",
    ),
    ("devpocket_brakes_total", Shape::Counter, "Effects a brake or a limit held, by its code"),
    ("devpocket_store_commit_seconds", Shape::Seconds, "Time a commit took"),
    ("devpocket_store_batch_size", Shape::Sizes, "Writes that went out in one transaction"),
    ("devpocket_store_retries_total", Shape::CounterFromZero, "Transactions tried again"),
    (
        "devpocket_store_ambiguous_commits_total",
        Shape::CounterFromZero,
        "Commits whose answer was lost",
    ),
    ("devpocket_watch_lag_seconds", Shape::Seconds, "From a commit to its arrival in the cache"),
    ("devpocket_watchers", Shape::Gauge, "Watches being served"),
    ("devpocket_cache_objects", Shape::Gauge, "Objects in the watch cache"),
    ("devpocket_cache_revision", Shape::Gauge, "Revision the watch cache has reached"),
    ("devpocket_cache_resets_total", Shape::CounterFromZero, "Times the cache was filled anew"),
    ("devpocket_reflector_relists_total", Shape::Counter, "Mirrors that had to list again"),
    (
        "devpocket_reflector_unreadable_total",
        Shape::Counter,
        "Records the controllers could not read, and skipped",
    ),
    ("devpocket_events_dropped_total", Shape::Counter, "Events not recorded, and why"),
    (
        "devpocket_trace_spans_total",
        Shape::Counter,
        "Spans for the collector of traces, by outcome",
    ),
    (
        "devpocket_metric_exports_total",
        Shape::Counter,
        "Exports of these metrics to the collector, by outcome",
    ),
    ("devpocket_http_request_seconds", Shape::Seconds, "Time a request of the API took"),
    ("devpocket_rate_limited_total", Shape::Counter, "Requests refused for their number, by whose"),
    (
        "devpocket_rate_limit_alone_total",
        Shape::CounterFromZero,
        "Times the database did not answer and limits were counted by this process alone",
    ),
    (
        "devpocket_tls_certificate_end_seconds",
        Shape::Gauge,
        "When the certificate runs out, in seconds since 1970",
    ),
    (
        "devpocket_tls_reload_failures_total",
        Shape::CounterFromZero,
        "New certificates that were not used because they are broken",
    ),
    (
        "devpocket_mail_letters_total",
        Shape::Counter,
        "Letters by what became of a try to send them",
    ),
    (
        "devpocket_sign_ins_total",
        Shape::Counter,
        "Passwords that were tried, by whether they were accepted",
    ),
    (
        "devpocket_password_queue_full_total",
        Shape::Counter,
        "Passwords that were not looked at because too many waited",
    ),
    (
        "devpocket_refresh_reused_total",
        Shape::Counter,
        "Sign-ins ended because a refresh token was used again",
    ),
];

/// Starts metrics, and answers what renders them for `/metrics`.
pub fn start() -> Result<MetricsText, BuildError> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_size".into()), &SIZES)?;
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    // A second recorder in one process (tests) keeps the first one's numbers.
    let _ = metrics::set_global_recorder(recorder);
    describe();
    let folded = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(FOLD_EVERY).await;
            folded.run_upkeep();
        }
    });
    Ok(Arc::new(move || {
        handle.run_upkeep();
        handle.render()
    }))
}

fn describe() {
    for (name, shape, help) in FAMILIES {
        match shape {
            Shape::Counter => describe_counter!(name, help),
            Shape::CounterFromZero => {
                describe_counter!(name, help);
                counter!(name).increment(0);
            }
            Shape::Gauge => describe_gauge!(name, help),
            Shape::Seconds => describe_histogram!(name, Unit::Seconds, help),
            Shape::Sizes => describe_histogram!(name, Unit::Count, help),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::FAMILIES;

    /// Names given to the recording macros in these sources.
    fn recorded(folder: &Path, names: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                recorded(&path, names);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                for macro_name in ["counter!(", "gauge!(", "histogram!("] {
                    for (at, _) in text.match_indices(macro_name) {
                        let rest = text[at + macro_name.len()..].trim_start();
                        if let Some(rest) = rest.strip_prefix("\"devpocket_") {
                            let name = rest.split('"').next().unwrap();
                            names.insert(format!("devpocket_{name}"));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_recorded_is_described_and_explained() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut names = BTreeSet::new();
        recorded(&root.join("src"), &mut names);
        recorded(&root.join("controllers/src"), &mut names);
        assert!(names.len() > 20, "the search itself broke: {names:?}");
        let described: BTreeSet<String> =
            FAMILIES.iter().map(|(name, ..)| (*name).to_owned()).collect();
        assert_eq!(names, described);
        let page = fs::read_to_string(root.join("docs/metrics.md")).unwrap();
        for name in &described {
            assert!(page.contains(&format!("`{name}`")), "docs/metrics.md does not explain {name}");
        }
    }
}
