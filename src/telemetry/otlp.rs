//! The metrics of `/metrics` in OpenTelemetry's form.
//!
//! Names stay as they are, as OpenTelemetry's rules for Prometheus have it: whatever turns them
//! back into Prometheus' form finds the suffixes there, and the dashboard and the alerts fit both
//! ways. Counters are cumulative and begin with the process; so are histograms.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::exposition::{Family, Kind, Sample, Unreadable};

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// Since when the counters count, and when they were read; in nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub start: u64,
    pub now: u64,
}

/// One export of all families.
pub(super) fn request(
    families: &[Family<'_>],
    resource: Resource,
    times: Times,
) -> Result<ExportMetricsServiceRequest, Unreadable> {
    let metrics: Result<Vec<Metric>, Unreadable> =
        families.iter().map(|family| metric(family, times)).collect();
    let scope = InstrumentationScope {
        name: "devpocket".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        ..InstrumentationScope::default()
    };
    let scope = ScopeMetrics { scope: Some(scope), metrics: metrics?, schema_url: String::new() };
    Ok(ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource),
            scope_metrics: vec![scope],
            schema_url: String::new(),
        }],
    })
}

fn metric(family: &Family<'_>, times: Times) -> Result<Metric, Unreadable> {
    let (kind, data) = match family.kind {
        Kind::Counter => {
            let data_points = points(family, |sample| {
                let value = number::<u64>(sample)?;
                let value = number_data_point::Value::AsInt(value.try_into().unwrap_or(i64::MAX));
                Ok(point(sample, times.start, times.now, value))
            })?;
            let aggregation_temporality = CUMULATIVE;
            let sum = Sum { data_points, aggregation_temporality, is_monotonic: true };
            ("counter", Data::Sum(sum))
        }
        Kind::Gauge => {
            // A gauge has no beginning.
            let data_points = points(family, |sample| {
                let value = number_data_point::Value::AsDouble(number(sample)?);
                Ok(point(sample, 0, times.now, value))
            })?;
            ("gauge", Data::Gauge(Gauge { data_points }))
        }
        Kind::Histogram => {
            let data_points = histogram(family, times)?;
            let histogram = Histogram { data_points, aggregation_temporality: CUMULATIVE };
            ("histogram", Data::Histogram(histogram))
        }
    };
    Ok(Metric {
        name: family.name.to_owned(),
        description: family.help.clone(),
        unit: unit(family.name).to_owned(),
        metadata: vec![attribute("prometheus.type", kind)],
        data: Some(data),
    })
}

/// What the name says. Everything else is a plain number, for which OpenTelemetry's `1` would be
/// read as a ratio.
fn unit(name: &str) -> &'static str {
    if name.ends_with("_seconds") { "s" } else { "" }
}

fn points(
    family: &Family<'_>,
    read: impl Fn(&Sample<'_>) -> Result<NumberDataPoint, Unreadable>,
) -> Result<Vec<NumberDataPoint>, Unreadable> {
    family.samples.iter().map(read).collect()
}

fn point(
    sample: &Sample<'_>,
    start: u64,
    now: u64,
    value: number_data_point::Value,
) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(sample).collect(),
        start_time_unix_nano: start,
        time_unix_nano: now,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

/// The lines of a series follow each other: its buckets, each with those below it in it, then its
/// sum, then its count.
fn histogram(family: &Family<'_>, times: Times) -> Result<Vec<HistogramDataPoint>, Unreadable> {
    let mut points = Vec::new();
    let mut point = HistogramDataPoint::default();
    let mut below = 0;
    for sample in &family.samples {
        match sample.name.strip_prefix(family.name) {
            Some("_bucket") => {
                let up_to = number::<u64>(sample)?;
                point.bucket_counts.push(up_to.saturating_sub(below));
                below = up_to;
                let bound = sample.labels.iter().find(|(name, _)| *name == BOUND);
                let bound = bound.ok_or_else(|| unreadable(sample))?.1.as_str();
                if bound != "+Inf" {
                    point.explicit_bounds.push(bound.parse().map_err(|_| unreadable(sample))?);
                }
            }
            Some("_sum") => point.sum = Some(number(sample)?),
            Some("_count") => {
                point.count = number(sample)?;
                point.attributes = attributes(sample).collect();
                point.start_time_unix_nano = times.start;
                point.time_unix_nano = times.now;
                points.push(std::mem::take(&mut point));
                below = 0;
            }
            _ => return Err(unreadable(sample)),
        }
    }
    Ok(points)
}

/// The label of a bucket's upper bound.
const BOUND: &str = "le";

fn number<T: std::str::FromStr>(sample: &Sample<'_>) -> Result<T, Unreadable> {
    sample.value.parse().map_err(|_| unreadable(sample))
}

fn unreadable(sample: &Sample<'_>) -> Unreadable {
    Unreadable(format!("{} {:?} {}", sample.name, sample.labels, sample.value))
}

fn attributes(sample: &Sample<'_>) -> impl Iterator<Item = KeyValue> {
    sample.labels.iter().map(|(name, value)| attribute(name, value))
}

fn attribute(name: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: name.to_owned(), value, ..KeyValue::default() }
}
