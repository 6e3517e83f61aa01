//! Traces for an OpenTelemetry collector, over OTLP (HTTP, protobuf). Off unless an endpoint is
//! configured.
//!
//! # What is exported
//! Requests of the API, reconciles, and calls of Contabo's API ([`SPANS`]): names, codes, ids and
//! times. No log line, body, query, header or token.
//!
//! # Guarantees
//! A collector that is slow, away or wrong holds nothing up: spans go into a queue of bounded size
//! and what does not fit is dropped; they are sent by a thread of their own, and the last ones get
//! [`LAST_WORDS`] when the process stops.

use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanData,
};
use tokio::runtime::Handle;

use super::collector::{
    CollectorConfig, ExportError, LAST_WORDS, SEND_TIMEOUT, Taken, client, resource, send,
};

/// The spans that are exported.
pub const SPANS: [&str; 3] = ["http", "reconcile", "contabo"];
/// Spans that may wait to be sent; more are dropped.
const QUEUE_MAX: usize = 4_096;
/// Spans sent at once.
const BATCH_MAX: usize = 512;
/// Longest a span waits for others to travel with it.
const BATCH_EVERY: Duration = Duration::from_secs(2);

/// Where traces go.
#[derive(Clone, Debug)]
pub struct TracesConfig {
    pub collector: CollectorConfig,
    pub sampling: Sampling,
}

/// Which traces are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sampling {
    All,
    None,
    /// From 0 to 1.
    Share(f64),
}

/// The running export.
#[derive(Clone, Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Sets the export up; nothing is sent yet. Needs a runtime, which sends.
    pub fn start(config: &TracesConfig, instance: &str) -> Result<Traces, ExportError> {
        let collector = &config.collector;
        let http = client()?;
        let headers = collector.headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), value.reveal().to_owned()));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender { http, runtime: Handle::current() })
            .with_endpoint(&collector.endpoint)
            .with_timeout(SEND_TIMEOUT)
            .with_headers(headers.collect())
            .build()?;
        let taken = Taken::new("traces", "dropped until they are", collector);
        let exporter = Watched { exporter, taken };
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE_MAX)
            .with_max_export_batch_size(BATCH_MAX)
            .with_scheduled_delay(BATCH_EVERY)
            .build();
        let sampler = match config.sampling {
            Sampling::All => Sampler::AlwaysOn,
            Sampling::None => Sampler::AlwaysOff,
            Sampling::Share(ratio) => Sampler::TraceIdRatioBased(ratio),
        };
        let provider = SdkTracerProvider::builder()
            .with_span_processor(
                BatchSpanProcessor::builder(exporter).with_batch_config(batches).build(),
            )
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_resource(resource(collector, instance))
            .build();
        Ok(Traces { provider })
    }

    pub(super) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("devpocket")
    }

    /// Sends what is left, for [`LAST_WORDS`] at most.
    pub async fn stop(self) {
        let stopped =
            tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(LAST_WORDS));
        // What is not sent by then is lost, and was announced as failing.
        let _ = tokio::time::timeout(LAST_WORDS * 2, stopped).await;
    }
}

/// Sends from the exporter's thread through the runtime's client.
#[derive(Debug)]
struct Sender {
    http: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sent = self.runtime.spawn(async move { send(&http, request).await });
        sent.await?
    }
}

/// Counts what is sent, and tells the log when it begins to fail and when that is over.
#[derive(Debug)]
struct Watched {
    exporter: SpanExporter,
    taken: Taken,
}

impl opentelemetry_sdk::trace::SpanExporter for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let outcome = self.exporter.export(batch).await;
        let word = if outcome.is_ok() { "sent" } else { "dropped" };
        metrics::counter!("devpocket_trace_spans_total", "outcome" => word).increment(spans);
        self.taken.note(outcome.as_ref().copied().map_err(ToString::to_string));
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
