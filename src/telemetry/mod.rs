//! Logs and metrics of the process.
//!
//! Log lines are structured: fields carry `environment`, `machine`, `instance_id`, `operation` and
//! `request_id`, so that one purchase can be followed from the record to the reply. JSON where a
//! machine reads, text where a person does. They go to stderr: stdout is for answers.

use std::io::IsTerminal;
use std::sync::Arc;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Renders all metrics in the Prometheus text format.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// What is logged when nothing is asked for.
const DEFAULT_FILTER: &str = "info,sqlx=warn,hyper=warn,postgresql_embedded=warn";
/// Upper bounds of the histograms, in seconds.
const SECONDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("LOG_LEVEL is not a log filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    #[error("the metrics cannot be set up: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
}

/// Starts logging. `json`: yes, no, or as the terminal suggests. Idempotent: the first call wins.
pub fn start_logs(filter: Option<&str>, json: Option<bool>) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(filter.unwrap_or(DEFAULT_FILTER))?;
    let terminal = std::io::stderr().is_terminal();
    let registry = tracing_subscriber::registry().with(filter);
    let _ = if json.unwrap_or(!terminal) {
        let layer = tracing_subscriber::fmt::layer().json().flatten_event(true);
        registry.with(layer.with_writer(std::io::stderr)).try_init()
    } else {
        let layer = tracing_subscriber::fmt::layer().with_ansi(terminal).with_target(false);
        registry.with(layer.with_writer(std::io::stderr)).try_init()
    };
    Ok(())
}

/// Starts metrics, and answers what renders them for `/metrics`.
pub fn start_metrics() -> Result<MetricsText, TelemetryError> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?;
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    // A second recorder in one process (tests) keeps the first one's numbers.
    let _ = metrics::set_global_recorder(recorder);
    Ok(Arc::new(move || {
        handle.run_upkeep();
        handle.render()
    }))
}
