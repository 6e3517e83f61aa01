//! What traces and metrics share on their way to an OpenTelemetry collector: the client, who this
//! process is, and what the log is told.
//!
//! A collector that is slow, away or wrong holds nothing up. Waits and answers are bounded, and the
//! log says once that it fails, and once that it is over.

use std::error::Error;
use std::iter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::{Key, KeyValue};
use opentelemetry_http::{Bytes, HttpError, Request, Response};
use opentelemetry_sdk::Resource;

use crate::contabo::Sensitive;

/// Longest wait for the collector to take what it is sent.
pub(super) const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest that a stop waits for the last of a signal to be sent.
pub const LAST_WORDS: Duration = Duration::from_secs(2);
/// The longest answer of a collector that is read.
const ANSWER_BYTES: usize = 64 * 1024;
/// The attribute that tells replicas apart.
const INSTANCE: Key = Key::from_static_str("service.instance.id");

/// Where a signal goes.
#[derive(Clone, Debug)]
pub struct CollectorConfig {
    /// The whole address, with its path.
    pub endpoint: String,
    pub headers: Vec<(String, Sensitive)>,
    /// `service.name` of this process.
    pub service: String,
}

/// Why nothing can be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("the HTTP client for the OpenTelemetry collector cannot be set up: {0}")]
    Client(#[source] reqwest::Error),
    #[error("traces cannot be exported: {0}")]
    Traces(#[from] opentelemetry_otlp::ExporterBuildError),
}

pub(super) fn client() -> Result<reqwest::Client, ExportError> {
    crate::crypto::install_provider();
    reqwest::Client::builder()
        .timeout(SEND_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("devpocket/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(ExportError::Client)
}

/// Who this process is. `OTEL_RESOURCE_ATTRIBUTES` adds to it, and may name the instance.
pub(super) fn resource(config: &CollectorConfig, instance: &str) -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let own = Resource::builder().with_service_name(config.service.clone()).with_attribute(version);
    let of_others = Resource::builder().build();
    match of_others.get_ref(&INSTANCE) {
        Some(_) => own.build(),
        None => own.with_attribute(KeyValue::new(INSTANCE, instance.to_owned())).build(),
    }
}

/// Sends, and reads an answer of any code.
pub(super) async fn send(
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

/// The innermost cause; the outer ones repeat the address.
pub(super) fn cause(error: &(dyn Error + 'static)) -> String {
    let causes = iter::successors(Some(error), |error| (*error).source());
    causes.last().unwrap_or(error).to_string()
}

/// Tells the log when a collector begins not to take something, and when that is over.
#[derive(Debug)]
pub(super) struct Taken {
    /// `traces` or `metrics`.
    pub what: &'static str,
    /// What happens to them while they are not taken.
    pub meanwhile: &'static str,
    pub endpoint: String,
    failing: AtomicBool,
}

impl Taken {
    pub fn new(what: &'static str, meanwhile: &'static str, config: &CollectorConfig) -> Taken {
        Taken {
            what,
            meanwhile,
            endpoint: config.endpoint.clone(),
            failing: AtomicBool::new(false),
        }
    }

    pub fn note(&self, outcome: Result<(), String>) {
        let Taken { what, meanwhile, endpoint, .. } = self;
        match (outcome, self.failing.load(Ordering::Relaxed)) {
            (Err(error), false) => {
                tracing::warn!(endpoint, "{what} are not taken, and {meanwhile}: {error}");
                self.failing.store(true, Ordering::Relaxed);
            }
            (Ok(()), true) => {
                tracing::info!(endpoint, "{what} are taken again");
                self.failing.store(false, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}
