//! Where traces go: OpenTelemetry's own variables, so that what is set for other programs works
//! here too. Without an endpoint there are none.

use std::net::IpAddr;

use crate::contabo::Sensitive;
use crate::telemetry::{Sampling, TracesConfig};

use super::settings::Warning;
use super::source::{Source, Value};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// The one protocol spoken.
const PROTOCOL: &str = "http/protobuf";
const SERVICE: &str = "devpocket";

/// Reads them; nothing when there is no endpoint, or the SDK is disabled.
pub(super) fn traces(source: &mut Source, warnings: &mut Vec<Warning>) -> Option<TracesConfig> {
    let disabled = source.value("OTEL_SDK_DISABLED");
    if disabled.is_some_and(|value| value.text.eq_ignore_ascii_case("true")) {
        return None;
    }
    let (name, value, endpoint) = match source.value(TRACES_ENDPOINT) {
        // Named for traces alone it is used as it is; the general one has a path for each signal.
        Some(value) => (TRACES_ENDPOINT, value.clone(), value.text),
        None => {
            let value = source.value(ENDPOINT)?;
            let endpoint = format!("{}/v1/traces", value.text.trim_end_matches('/'));
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
    protocol(source);
    let headers = headers(source);
    if !headers.is_empty() && url.scheme() == "http" && !is_loopback(&url) {
        warnings.push(format!("{HEADERS} travels to {} in the clear", url.authority()));
    }
    let service = source.value("OTEL_SERVICE_NAME").map_or(SERVICE.into(), |value| value.text);
    Some(TracesConfig { endpoint, headers, service, sampling: sampling(source) })
}

fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn protocol(source: &mut Source) {
    for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
        let Some(value) = source.value(name).filter(|value| value.text != PROTOCOL) else {
            continue;
        };
        source.invalid(name, &value, format!("is {:?}", value.text), PROTOCOL);
    }
}

/// `name=value`, by comma, percent-encoded as OpenTelemetry has it.
fn headers(source: &mut Source) -> Vec<(String, Sensitive)> {
    let Some(secret) = source.secret(HEADERS, "OTEL_EXPORTER_OTLP_HEADERS_FILE") else {
        return Vec::new();
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
    read.unwrap_or_else(|| {
        let expected = "name=value by comma, such as authorization=Bearer%20TOKEN";
        source.invalid(secret.name, &secret.place, "is not a list of headers", expected);
        Vec::new()
    })
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
