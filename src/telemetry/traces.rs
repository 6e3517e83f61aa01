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
//! [`LAST_WORDS`] when the process stops. The log says once that it fails, and once that it is over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanData,
};
use tokio::runtime::Handle;

use crate::contabo::Sensitive;

/// The spans that are exported.
pub const SPANS: [&str; 3] = ["http", "reconcile", "contabo"];
/// Spans that may wait to be sent; more are dropped.
const QUEUE_MAX: usize = 4_096;
/// Spans sent at once.
const BATCH_MAX: usize = 512;
/// Longest a span waits for others to travel with it.
const BATCH_EVERY: Duration = Duration::from_secs(2);
/// Longest wait for the collector to take a batch.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest that a stop waits for the last spans to be sent.
pub const LAST_WORDS: Duration = Duration::from_secs(2);
/// The longest answer of a collector that is read.
const ANSWER_BYTES: usize = 64 * 1024;

/// Where traces go.
#[derive(Clone, Debug)]
pub struct TracesConfig {
    /// The whole address, with its path.
    pub endpoint: String,
    pub headers: Vec<(String, Sensitive)>,
    /// `service.name` of this process.
    pub service: String,
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

/// Why traces cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    #[error("the HTTP client for traces cannot be set up: {0}")]
    Client(#[source] reqwest::Error),
    #[error("traces cannot be exported: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// The running export.
#[derive(Clone, Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Sets the export up; nothing is sent yet. Needs a runtime, which sends.
    pub fn start(config: &TracesConfig) -> Result<Traces, TracesError> {
        crate::crypto::install_provider();
        let http = reqwest::Client::builder()
            .timeout(SEND_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("devpocket/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(TracesError::Client)?;
        let headers = config.headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), value.reveal().to_owned()));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender { http, runtime: Handle::current() })
            .with_endpoint(&config.endpoint)
            .with_timeout(SEND_TIMEOUT)
            .with_headers(headers.collect())
            .build()?;
        let exporter = Watched {
            exporter,
            endpoint: config.endpoint.clone(),
            failing: AtomicBool::new(false),
        };
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
        let resource = Resource::builder()
            .with_service_name(config.service.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(
                BatchSpanProcessor::builder(exporter).with_batch_config(batches).build(),
            )
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_resource(resource)
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

async fn send(
    http: &reqwest::Client,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let mut reply = http.execute(request.try_into()?).await?;
    let status = reply.status();
    let mut body = Vec::new();
    while let Some(chunk) = reply.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES {
            return Err(format!("the answer is larger than {ANSWER_BYTES} bytes").into());
        }
    }
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    Ok(response)
}

/// Counts what is sent, and tells the log when it begins to fail and when that is over.
#[derive(Debug)]
struct Watched {
    exporter: SpanExporter,
    endpoint: String,
    failing: AtomicBool,
}

impl opentelemetry_sdk::trace::SpanExporter for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let outcome = self.exporter.export(batch).await;
        let word = if outcome.is_ok() { "sent" } else { "dropped" };
        metrics::counter!("devpocket_trace_spans_total", "outcome" => word).increment(spans);
        match (&outcome, self.failing.swap(outcome.is_err(), Ordering::Relaxed)) {
            (Err(error), false) => tracing::warn!(
                endpoint = self.endpoint,
                "traces are not taken, and dropped until they are: {error}"
            ),
            (Ok(()), true) => tracing::info!(endpoint = self.endpoint, "traces are taken again"),
            _ => {}
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
