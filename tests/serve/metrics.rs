//! Metrics for a collector: that they are those of `/metrics`, and that nothing is lost while it is
//! away.

use std::collections::{BTreeMap, BTreeSet};

use devpocket::telemetry::metrics::{FAMILIES, Shape};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, HistogramDataPoint, Metric, NumberDataPoint,
};
use regex::Regex;
use tokio::net::TcpSocket;
use uuid::Uuid;

use crate::collector::{Collector, attributes};
use crate::process::eventually;
use crate::world::World;

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// Values by name and labels, as Prometheus has them.
type Series = BTreeMap<(String, BTreeMap<String, String>), f64>;

fn labelled<const N: usize>(
    name: &str,
    labels: [(&str, &str); N],
) -> (String, BTreeMap<String, String>) {
    (name.to_owned(), labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
}

/// What `/metrics` says.
fn served(text: &str) -> Series {
    let line = Regex::new(r"^(\w+)(?:\{(.*)\})? (\S+)$").unwrap();
    let label = Regex::new(r#"(\w+)="([^"\\]*)""#).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let read = lines.map(|text| {
        let found = line.captures(text).unwrap_or_else(|| panic!("no metric: {text}"));
        let labels = found.get(2).map_or("", |labels| labels.as_str());
        let labels = label.captures_iter(labels);
        let labels = labels.map(|label| (label[1].to_owned(), label[2].to_owned())).collect();
        ((found[1].to_owned(), labels), found[3].parse().unwrap())
    });
    read.collect()
}

fn metrics(request: &ExportMetricsServiceRequest) -> &[Metric] {
    &request.resource_metrics[0].scope_metrics[0].metrics
}

/// What a collector was told, written as Prometheus would.
fn told(request: &ExportMetricsServiceRequest) -> Series {
    let mut series = Series::new();
    for metric in metrics(request) {
        let name = &metric.name;
        match metric.data.as_ref().unwrap() {
            Data::Sum(sum) => series.extend(sum.data_points.iter().map(|p| number(name, p))),
            Data::Gauge(gauge) => series.extend(gauge.data_points.iter().map(|p| number(name, p))),
            Data::Histogram(histogram) => {
                series.extend(histogram.data_points.iter().flat_map(|p| spread(name, p)));
            }
            other => panic!("{name} is {other:?}"),
        }
    }
    series
}

fn number(name: &str, point: &NumberDataPoint) -> ((String, BTreeMap<String, String>), f64) {
    let value = match point.value.unwrap() {
        Number::AsInt(value) => value as f64,
        Number::AsDouble(value) => value,
    };
    ((name.to_owned(), attributes(&point.attributes)), value)
}

fn spread(name: &str, point: &HistogramDataPoint) -> Series {
    let labels = attributes(&point.attributes);
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1, "{name}");
    let bounds = point.explicit_bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
    let mut up_to = 0;
    let mut series = Series::new();
    for (bound, count) in bounds.zip(&point.bucket_counts) {
        up_to += count;
        let mut labels = labels.clone();
        labels.insert("le".to_owned(), bound);
        series.insert((format!("{name}_bucket"), labels), up_to as f64);
    }
    series.insert((format!("{name}_sum"), labels.clone()), point.sum.unwrap());
    series.insert((format!("{name}_count"), labels), point.count as f64);
    series
}

#[tokio::test]
async fn a_collector_is_told_exactly_what_metrics_says() {
    let (address, collector) = Collector::start().await;
    let (mut world, _database) = World::empty().await;
    world.set("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"));
    world.set("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20c0llector");
    world.set("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=tests");
    world.set("OTEL_METRIC_EXPORT_INTERVAL", "1000");
    let serve = world.leading().await;
    serve.create("demo").await;
    serve.ready("demo").await;
    // What stands still around an export must be in it as it stands.
    let before = served(&serve.metrics().await);
    let seen = collector.metrics().len();
    // The first that arrives now may have been made before.
    let sent =
        eventually("two exports", async || collector.metrics().into_iter().nth(seen + 1)).await;
    let after = served(&serve.metrics().await);
    let still: Series = before.into_iter().filter(|(key, v)| after.get(key) == Some(v)).collect();
    let told = told(&sent);
    for (key, value) in &still {
        assert_eq!(told.get(key), Some(value), "{key:?}");
    }
    let created = [("method", "POST"), ("code", "201")];
    for (key, at_least) in [
        (labelled("devpocket_purchases_total", []), 1.0),
        (
            labelled(
                "devpocket_operations_total",
                [("verb", "purchase"), ("outcome", "succeeded")],
            ),
            1.0,
        ),
        (labelled("devpocket_instances", []), 1.0),
        (labelled("devpocket_http_request_seconds_count", created), 1.0),
        (labelled("devpocket_http_request_seconds_sum", created), f64::MIN_POSITIVE),
    ] {
        let value = still.get(&key).unwrap_or_else(|| panic!("{key:?} does not stand still"));
        assert!(*value >= at_least, "{key:?} is {value}");
    }
    let names =
        |series: &Series| series.keys().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>();
    assert_eq!(names(&told), names(&after), "both tell the same families");
    are_of_their_kind(&sent);

    let resource = sent.resource_metrics[0].resource.clone().unwrap();
    let resource = attributes(&resource.attributes);
    assert_eq!(resource["service.name"], "devpocket");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(resource["deployment.environment.name"], "tests");
    let instance = &resource["service.instance.id"];
    assert!(instance.parse::<Uuid>().is_ok(), "{instance}");
    let traces = eventually("traces", async || collector.traces().into_iter().next()).await;
    let of_traces = traces.resource_spans[0].resource.clone().unwrap();
    assert_eq!(attributes(&of_traces.attributes), resource, "a process is one to the collector");
    let credentials = collector.all().into_iter().map(|arrived| arrived.authorization);
    let credentials: BTreeSet<_> = credentials.collect();
    assert_eq!(credentials, [Some("Bearer c0llector".to_owned())].into());
}

/// Shape, unit, help and times of everything that was sent.
fn are_of_their_kind(sent: &ExportMetricsServiceRequest) {
    for metric in metrics(sent) {
        let (name, shape, help) = FAMILIES.iter().find(|(name, ..)| *name == metric.name).unwrap();
        assert_eq!(metric.description, *help, "{name}");
        let seconds = name.ends_with("_seconds");
        assert_eq!(metric.unit, if seconds { "s" } else { "" }, "{name}");
        let times: Vec<(u64, u64)> = match (shape, metric.data.clone().unwrap()) {
            (Shape::Counter | Shape::CounterFromZero, Data::Sum(sum)) => {
                assert!(sum.is_monotonic, "{name}");
                assert_eq!(sum.aggregation_temporality, CUMULATIVE, "{name}");
                let points = sum.data_points.iter();
                points.map(|p| (p.start_time_unix_nano, p.time_unix_nano)).collect()
            }
            (Shape::Seconds | Shape::Sizes, Data::Histogram(histogram)) => {
                assert_eq!(histogram.aggregation_temporality, CUMULATIVE, "{name}");
                let points = histogram.data_points.iter();
                points.map(|p| (p.start_time_unix_nano, p.time_unix_nano)).collect()
            }
            (Shape::Gauge, Data::Gauge(gauge)) => {
                assert!(gauge.data_points.iter().all(|p| p.start_time_unix_nano == 0), "{name}");
                continue;
            }
            (shape, data) => panic!("{name} is {shape:?}, sent as {data:?}"),
        };
        assert!(times.iter().all(|(start, now)| 0 < *start && start < now), "{name}: {times:?}");
    }
}

/// The value of a counter without labels, and since when it counts.
fn counter(request: &ExportMetricsServiceRequest, name: &str) -> (i64, u64) {
    let metric = metrics(request).iter().find(|metric| metric.name == name).unwrap();
    let Some(Data::Sum(sum)) = &metric.data else { panic!("{name} is no counter") };
    let point = &sum.data_points[0];
    let Some(Number::AsInt(value)) = point.value else { panic!("{name}: {point:?}") };
    (value, point.start_time_unix_nano)
}

#[tokio::test]
async fn what_is_counted_while_the_collector_is_away_arrives_when_it_is_back() {
    // Taken, but nobody listens there yet.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let (mut world, _database) = World::empty().await;
    let endpoint = format!("http://{}/v1/metrics", socket.local_addr().unwrap());
    world.set("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", endpoint);
    world.set("OTEL_METRIC_EXPORT_INTERVAL", "1000");
    let mut serve = world.leading().await;
    serve.process.entry("metrics are not taken").await;
    serve.create("demo").await;
    serve.ready("demo").await;
    let failed = serve.metric("devpocket_metric_exports_total", "failed").await;
    eventually("another export fails", async || {
        let now = serve.metric("devpocket_metric_exports_total", "failed").await;
        (now > failed).then_some(())
    })
    .await;
    let log = serve.process.log().join("\n");
    assert_eq!(log.matches("metrics are not taken").count(), 1, "{log}");

    let collector = Collector::listen(socket.listen(64).unwrap());
    serve.process.entry("metrics are taken again").await;
    let first = collector.metrics().remove(0);
    assert_eq!(counter(&first, "devpocket_purchases_total").0, 1);
    assert!(collector.traces().is_empty(), "an endpoint for metrics is none for traces");

    // A collector that takes only some says so, and so does the log.
    let partial =
        ExportMetricsPartialSuccess { rejected_data_points: 3, error_message: "too old".into() };
    collector.answer(&ExportMetricsServiceResponse { partial_success: Some(partial) });
    serve.process.entry("3 values are refused: too old").await;
    collector.answer(&ExportMetricsServiceResponse::default());
    eventually("it is over once more", async || {
        let log = serve.process.log().join("\n");
        (log.matches("metrics are taken again").count() == 2).then_some(())
    })
    .await;
    let (_, since) = counter(&first, "devpocket_purchases_total");
    let last = collector.metrics().pop().unwrap();
    assert_eq!(counter(&last, "devpocket_purchases_total").1, since, "counting began once");
}

#[tokio::test]
async fn the_last_counts_are_sent_when_the_process_ends() {
    let (address, collector) = Collector::start().await;
    let (mut world, _database) = World::empty().await;
    world.set("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"));
    world.set("OTEL_TRACES_EXPORTER", "none");
    world.set("OTEL_METRIC_EXPORT_INTERVAL", "3600000");
    let mut serve = world.leading().await;
    serve.create("demo").await;
    serve.ready("demo").await;
    assert_eq!(serve.process.terminate().await.code(), Some(0));
    let sent = collector.metrics();
    assert_eq!(sent.len(), 2, "one at the start and one at the end");
    let purchases = sent.iter().map(|one| counter(one, "devpocket_purchases_total").0);
    assert_eq!(purchases.collect::<Vec<_>>(), [0, 1]);
    assert_eq!(
        counter(&sent[0], "devpocket_purchases_total").1,
        counter(&sent[1], "devpocket_purchases_total").1
    );
    assert!(collector.traces().is_empty());
}
