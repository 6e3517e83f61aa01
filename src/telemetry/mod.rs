//! Logs, metrics and traces of the process.
//!
//! Log lines are structured: fields carry `environment`, `machine`, `instance_id`, `operation` and
//! `request_id`, so that one purchase can be followed from the record to the reply. JSON where a
//! machine reads, text where a person does. They go to stderr: stdout is for answers.

mod collector;
mod export;
mod exposition;
pub mod metrics;
mod otlp;
mod traces;

use std::io::IsTerminal;
use std::sync::Arc;

use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

pub use collector::{CollectorConfig, ExportError, LAST_WORDS};
pub use export::{MetricsConfig, MetricsExport};
pub use traces::{SPANS, Sampling, Traces, TracesConfig};

/// Renders all metrics in the Prometheus text format.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// What is logged when nothing is asked for.
const DEFAULT_FILTER: &str = "info,sqlx=warn,hyper=warn,postgresql_embedded=warn";

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("LOG_LEVEL is not a log filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error("the metrics cannot be set up: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
}

/// Starts logging. `json`: yes, no, or as the terminal suggests. Idempotent: the first call wins.
pub fn start_logs(filter: Option<&str>, json: Option<bool>) -> Result<(), TelemetryError> {
    start(filter, json, None)
}

/// Starts logging, and traces where they are configured, in which `instance` tells this process
/// from its replicas. What is answered is stopped last.
pub fn start_logs_and_traces(
    filter: Option<&str>,
    json: Option<bool>,
    traces: Option<&TracesConfig>,
    instance: &str,
) -> Result<Option<Traces>, TelemetryError> {
    let traces = traces.map(|config| Traces::start(config, instance)).transpose()?;
    start(filter, json, traces.as_ref())?;
    Ok(traces)
}

/// Each layer has a filter of its own: what is traced does not depend on what is logged.
fn start(
    filter: Option<&str>,
    json: Option<bool>,
    traces: Option<&Traces>,
) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(filter.unwrap_or(DEFAULT_FILTER))?;
    let terminal = std::io::stderr().is_terminal();
    let logs = if json.unwrap_or(!terminal) {
        let layer = tracing_subscriber::fmt::layer().json().flatten_event(true);
        layer.with_writer(std::io::stderr).with_filter(filter).boxed()
    } else {
        let layer = tracing_subscriber::fmt::layer().with_ansi(terminal).with_target(false);
        layer.with_writer(std::io::stderr).with_filter(filter).boxed()
    };
    let spans = traces.map(|traces| {
        tracing_opentelemetry::layer()
            .with_tracer(traces.tracer())
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|of| of.is_span() && SPANS.contains(&of.name())))
    });
    let _ = tracing_subscriber::registry().with(logs).with(spans).try_init();
    Ok(())
}

/// Starts metrics, and answers what renders them for `/metrics`. Needs a runtime.
pub fn start_metrics() -> Result<MetricsText, TelemetryError> {
    Ok(metrics::start()?)
}

/// What is wrong with a log filter, if anything is.
pub fn check_filter(filter: &str) -> Result<(), String> {
    EnvFilter::try_new(filter).map(drop).map_err(|error| error.to_string())
}
