//! Metrics for an OpenTelemetry collector, over OTLP (HTTP, protobuf). Off unless an endpoint is
//! configured.
//!
//! # What is exported
//! What `/metrics` says, made from its very text, so that both say the same.
//!
//! # Guarantees
//! A collector that is slow, away or wrong holds nothing up: one export is under way at a time, and
//! nothing is kept for later. Nothing is lost by that: counters and histograms are sent as they
//! stand since the start, so the next export that is taken has everything in it. The last one is
//! made when the process stops, and gets [`LAST_WORDS`].

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, Request};
use devpocket_controllers::clock::Clock;
use opentelemetry_http::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::collector::{
    CollectorConfig, ExportError, LAST_WORDS, Taken, cause, client, resource, send,
};
use super::otlp::Times;
use super::{MetricsText, exposition, otlp};

/// Where metrics go.
#[derive(Clone, Debug)]
pub struct MetricsConfig {
    pub collector: CollectorConfig,
    /// Time between two exports.
    pub every: Duration,
}

/// The running export.
#[derive(Debug)]
pub struct MetricsExport {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl MetricsExport {
    /// Exports what `text` renders, at once and then periodically. `clock` tells the time of the
    /// points; `instance` tells this process from its replicas. Needs a runtime.
    pub fn start(
        config: &MetricsConfig,
        text: MetricsText,
        clock: Arc<dyn Clock>,
        instance: &str,
    ) -> Result<MetricsExport, ExportError> {
        let collector = &config.collector;
        let exporter = Exporter {
            http: client()?,
            headers: headers(collector),
            resource: attributes(&resource(collector, instance)),
            start: nanoseconds(&*clock),
            taken: Taken::new("metrics", "counted on until they are", collector),
            text,
            clock,
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(exporter.run(config.every, stop.clone()));
        Ok(MetricsExport { stop, task })
    }

    /// Exports a last time.
    pub async fn stop(self) {
        self.stop.cancel();
        let _ = self.task.await;
    }
}

struct Exporter {
    http: reqwest::Client,
    headers: Vec<(HeaderName, HeaderValue)>,
    resource: Resource,
    /// When counting began.
    start: u64,
    taken: Taken,
    text: MetricsText,
    clock: Arc<dyn Clock>,
}

impl Exporter {
    async fn run(self, every: Duration, stop: CancellationToken) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let periodically = async {
            loop {
                ticks.tick().await;
                self.note(self.export().await);
            }
        };
        // One that is under way gives way to the last, which has more in it.
        stop.run_until_cancelled(periodically).await;
        let last = timeout(LAST_WORDS, self.export()).await;
        self.note(last.unwrap_or_else(|_| Err(format!("no answer within {LAST_WORDS:?}"))));
    }

    fn note(&self, outcome: Result<(), String>) {
        let word = if outcome.is_ok() { "taken" } else { "failed" };
        metrics::counter!("devpocket_metric_exports_total", "outcome" => word).increment(1);
        self.taken.note(outcome);
    }

    async fn export(&self) -> Result<(), String> {
        let body = self.body().map_err(|error| error.to_string())?;
        let mut request = Request::post(&self.taken.endpoint)
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(Bytes::from(body))
            .map_err(|error| error.to_string())?;
        request.headers_mut().extend(self.headers.iter().cloned());
        let reply = send(&self.http, request).await.map_err(|error| cause(&*error))?;
        if !reply.status().is_success() {
            return Err(format!("the answer is {}", reply.status()));
        }
        // Other than protobuf or empty it tells nothing more.
        let told = ExportMetricsServiceResponse::decode(&reply.body()[..]).unwrap_or_default();
        match told.partial_success {
            Some(partial) if partial.rejected_data_points > 0 => {
                let (points, why) = (partial.rejected_data_points, partial.error_message);
                Err(format!("{points} values are refused: {why}"))
            }
            _ => Ok(()),
        }
    }

    fn body(&self) -> Result<Vec<u8>, exposition::Unreadable> {
        // A clock that was set back must not put the end before the beginning.
        let now = nanoseconds(&*self.clock).max(self.start + 1);
        let text = (self.text)();
        let families = exposition::read(&text)?;
        let times = Times { start: self.start, now };
        Ok(otlp::request(&families, self.resource.clone(), times)?.encode_to_vec())
    }
}

fn nanoseconds(clock: &dyn Clock) -> u64 {
    u64::try_from(clock.now().as_nanosecond()).unwrap_or_default()
}

/// The configuration refused what is no header.
fn headers(config: &CollectorConfig) -> Vec<(HeaderName, HeaderValue)> {
    let read = config.headers.iter().filter_map(|(name, value)| {
        let mut value = HeaderValue::from_str(value.reveal()).ok()?;
        value.set_sensitive(true);
        Some((name.parse().ok()?, value))
    });
    read.collect()
}

fn attributes(resource: &opentelemetry_sdk::Resource) -> Resource {
    let attribute = |(key, value): (&opentelemetry::Key, &opentelemetry::Value)| KeyValue {
        key: key.to_string(),
        value: Some(value.clone().into()),
        ..KeyValue::default()
    };
    Resource { attributes: resource.iter().map(attribute).collect(), ..Resource::default() }
}
