//! Where traces and metrics go: OpenTelemetry's own variables, so that what is set for other
//! programs works here too. Without an endpoint they go nowhere.

use std::net::IpAddr;
use std::time::Duration;

use clap::Args;

use crate::contabo::Sensitive;
use crate::telemetry::{CollectorConfig, MetricsConfig, Sampling, TracesConfig};

use super::settings::{Warning, number};
use super::source::{Source, Value};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const HEADERS_FILE: &str = "OTEL_EXPORTER_OTLP_HEADERS_FILE";
/// The one protocol spoken.
const PROTOCOL: &str = "http/protobuf";
const GENERAL_PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const SERVICE: &str = "devpocket";
/// Time between two exports of the metrics, in milliseconds, as OpenTelemetry has it.
const EVERY_MS: u32 = 60_000;

/// What the variables of one signal are called.
struct Signal {
    exporter: &'static str,
    endpoint: &'static str,
    /// After the endpoint that is for all signals.
    path: &'static str,
    headers: &'static str,
    headers_file: &'static str,
    protocol: &'static str,
    /// What else can be chosen elsewhere, and the only choice here.
    fixed: &'static [(&'static str, &'static str)],
}

const TRACES: Signal = Signal {
    exporter: "OTEL_TRACES_EXPORTER",
    endpoint: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    path: "/v1/traces",
    headers: "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    headers_file: "OTEL_EXPORTER_OTLP_TRACES_HEADERS_FILE",
    protocol: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    fixed: &[],
};

const METRICS: Signal = Signal {
    exporter: "OTEL_METRICS_EXPORTER",
    endpoint: "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    path: "/v1/metrics",
    headers: "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
    headers_file: "OTEL_EXPORTER_OTLP_METRICS_HEADERS_FILE",
    protocol: "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
    fixed: &[
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "cumulative"),
        ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "explicit_bucket_histogram"),
    ],
};

/// The flags about a collector.
#[derive(Args, Clone, Debug, Default)]
pub struct TelemetryArgs {
    #[arg(
        long,
        value_name = "URL",
        help = "OpenTelemetry collector that takes traces and metrics (OTLP/HTTP)"
    )]
    pub otel_exporter_otlp_endpoint: Option<String>,
    #[arg(long, value_name = "LIST", help = "Headers for the collector: name=value, by comma")]
    pub otel_exporter_otlp_headers: Option<String>,
    #[arg(long, value_name = "FILE", help = "File that holds OTEL_EXPORTER_OTLP_HEADERS")]
    pub otel_exporter_otlp_headers_file: Option<String>,
    #[arg(long, value_name = "NAME", help = "Name in traces and metrics [default: devpocket]")]
    pub otel_service_name: Option<String>,
    #[arg(long, value_name = "WORD", help = "otlp, or none: no traces go to the collector")]
    pub otel_traces_exporter: Option<String>,
    #[arg(long, value_name = "WORD", help = "always_on, always_off or traceidratio")]
    pub otel_traces_sampler: Option<String>,
    #[arg(long, value_name = "SHARE", help = "Share of the traces to keep, from 0 to 1")]
    pub otel_traces_sampler_arg: Option<String>,
    #[arg(long, value_name = "WORD", help = "otlp, or none: no metrics go to the collector")]
    pub otel_metrics_exporter: Option<String>,
    #[arg(
        long,
        value_name = "MS",
        help = "Time between two exports of the metrics [default: 60000]"
    )]
    pub otel_metric_export_interval: Option<String>,
}

impl TelemetryArgs {
    /// Each variable with the value of its flag.
    pub(super) fn pairs(&self) -> Vec<(&'static str, &Option<String>)> {
        vec![
            (ENDPOINT, &self.otel_exporter_otlp_endpoint),
            (HEADERS, &self.otel_exporter_otlp_headers),
            (HEADERS_FILE, &self.otel_exporter_otlp_headers_file),
            ("OTEL_SERVICE_NAME", &self.otel_service_name),
            (TRACES.exporter, &self.otel_traces_exporter),
            ("OTEL_TRACES_SAMPLER", &self.otel_traces_sampler),
            ("OTEL_TRACES_SAMPLER_ARG", &self.otel_traces_sampler_arg),
            (METRICS.exporter, &self.otel_metrics_exporter),
            ("OTEL_METRIC_EXPORT_INTERVAL", &self.otel_metric_export_interval),
        ]
    }
}

/// Where traces go; none when there is no endpoint, or they are switched off.
pub(super) fn traces(source: &mut Source, warnings: &mut Vec<Warning>) -> Option<TracesConfig> {
    let collector = collector(source, warnings, &TRACES)?;
    Some(TracesConfig { collector, sampling: sampling(source) })
}

/// The same of metrics.
pub(super) fn metrics(source: &mut Source, warnings: &mut Vec<Warning>) -> Option<MetricsConfig> {
    let collector = collector(source, warnings, &METRICS)?;
    let every = number(source, "OTEL_METRIC_EXPORT_INTERVAL", EVERY_MS, 1_000..=3_600_000);
    Some(MetricsConfig { collector, every: Duration::from_millis(every.into()) })
}

fn collector(
    source: &mut Source,
    warnings: &mut Vec<Warning>,
    signal: &Signal,
) -> Option<CollectorConfig> {
    if !is_wanted(source, signal) {
        return None;
    }
    let (name, value, endpoint) = match source.value(signal.endpoint) {
        // Named for one signal alone it is used as it is; the general one has a path for each.
        Some(value) => (signal.endpoint, value.clone(), value.text),
        None => {
            let value = source.value(ENDPOINT)?;
            let endpoint = format!("{}{}", value.text.trim_end_matches('/'), signal.path);
            (ENDPOINT, value, endpoint)
        }
    };
    let expected = "an address such as http://127.0.0.1:4318";
    let parsed = endpoint.parse::<reqwest::Url>().ok();
    let parsed = parsed.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = parsed else {
        source.invalid(name, &value, "is not an address of http or https", expected);
        return None;
    };
    if !url.username().is_empty() || url.password().is_some() {
        let problem = "has a password in it, which would be logged";
        source.invalid(name, &value.hidden(), problem, "an address; secrets go into the headers");
        return None;
    }
    fixed(source, signal);
    let (name, headers) = headers(source, signal);
    if !headers.is_empty() && url.scheme() == "http" && !is_loopback(&url) {
        let warning = format!("{name} travels to {} in the clear", url.authority());
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    let service = source.value("OTEL_SERVICE_NAME").map_or(SERVICE.into(), |value| value.text);
    Some(CollectorConfig { endpoint, headers, service })
}

/// Whether nobody switched it off.
fn is_wanted(source: &mut Source, signal: &Signal) -> bool {
    let disabled = source.value("OTEL_SDK_DISABLED");
    if disabled.is_some_and(|value| value.text.eq_ignore_ascii_case("true")) {
        return false;
    }
    let Some(exporter) = source.value(signal.exporter) else { return true };
    match exporter.text.as_str() {
        "none" => return false,
        "otlp" => {}
        other => {
            let problem = format!("is {other:?}");
            source.invalid(signal.exporter, &exporter, problem, "otlp or none");
        }
    }
    true
}

fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Refuses what would be ignored.
fn fixed(source: &mut Source, signal: &Signal) {
    let own = source.value(signal.protocol).is_some();
    let protocol = if own { signal.protocol } else { GENERAL_PROTOCOL };
    for (name, expected) in signal.fixed.iter().copied().chain([(protocol, PROTOCOL)]) {
        let Some(value) = source.value(name) else { continue };
        if !value.text.eq_ignore_ascii_case(expected) {
            source.invalid(name, &value, format!("is {:?}", value.text), expected);
        }
    }
}

/// `name=value`, by comma, percent-encoded as OpenTelemetry has it; and the variable they are of.
fn headers(source: &mut Source, signal: &Signal) -> (&'static str, Vec<(String, Sensitive)>) {
    let own = source.secret(signal.headers, signal.headers_file);
    let Some(secret) = own.or_else(|| source.secret(HEADERS, HEADERS_FILE)) else {
        return (HEADERS, Vec::new());
    };
    let pairs = secret.value.reveal().split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let read = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let name = name.trim().parse::<axum::http::HeaderName>().ok()?;
        let value = decoded(value.trim())?;
        axum::http::HeaderValue::from_str(&value).ok()?;
        Some((name.to_string(), Sensitive::new(value)))
    };
    let read: Option<Vec<_>> = pairs.map(read).collect();
    let read = read.unwrap_or_else(|| {
        let expected = "name=value by comma, such as authorization=Bearer%20TOKEN";
        source.invalid(secret.name, &secret.place, "is not a list of headers", expected);
        Vec::new()
    });
    (secret.name, read)
}

pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
    }
    String::from_utf8(bytes).ok()
}

fn sampling(source: &mut Source) -> Sampling {
    const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
    const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
    let Some(value) = source.value(SAMPLER) else { return Sampling::All };
    match value.text.as_str() {
        "always_on" | "parentbased_always_on" => Sampling::All,
        "always_off" | "parentbased_always_off" => Sampling::None,
        "traceidratio" | "parentbased_traceidratio" => {
            let Some(share) = source.value(ARGUMENT) else { return Sampling::All };
            match share.text.parse::<f64>() {
                Ok(ratio) if (0.0..=1.0).contains(&ratio) => Sampling::Share(ratio),
                _ => refuse(source, ARGUMENT, &share, "a share from 0 to 1, such as 0.1"),
            }
        }
        _ => refuse(source, SAMPLER, &value, "always_on, always_off or traceidratio"),
    }
}

fn refuse(source: &mut Source, name: &'static str, value: &Value, expected: &str) -> Sampling {
    source.invalid(name, value, format!("is {:?}", value.text), expected);
    Sampling::All
}
