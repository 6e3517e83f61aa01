//! Traces: what a collector on a socket is sent, and that one which is away or silent holds nothing
//! up.

use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;

use crate::collector::{Collector, attributes, nobody};
use crate::process::eventually;
use crate::world::{SEAL_KEY, TOKEN, World};

fn spans(collector: &Collector) -> Vec<Span> {
    let resources = collector.traces().into_iter().flat_map(|request| request.resource_spans);
    resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

fn find(collector: &Collector, name: &str, wanted: &[(&str, &str)]) -> Option<Span> {
    spans(collector).into_iter().find(|span| {
        let has = attributes(&span.attributes);
        span.name == name
            && wanted.iter().all(|(key, value)| has.get(*key).is_some_and(|is| is == value))
    })
}

#[tokio::test]
async fn requests_reconciles_and_calls_of_contabo_arrive_and_nothing_secret_with_them() {
    let (address, collector) = Collector::start().await;
    let (mut world, _database) = World::empty().await;
    world.set("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"));
    world.set("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20c0llector");
    let mut serve = world.leading().await;
    serve.create("demo").await;
    serve.ready("demo").await;
    let base = "/kube/apis/devpocket.dev/v1alpha1/namespaces/{name}/environments";
    let wanted: [(&str, Vec<(&str, &str)>); 4] = [
        (&format!("POST {base}"), vec![("http.response.status_code", "201")]),
        (&format!("GET {base}/{{name}}"), vec![("http.response.status_code", "200")]),
        ("reconcile", vec![("controller", "environment")]),
        (
            "POST /v1/compute/instances",
            vec![("http.response.status_code", "201"), ("url.path", "/v1/compute/instances")],
        ),
    ];
    for (name, wanted) in &wanted {
        eventually(name, async || find(&collector, name, wanted)).await;
    }
    // The order belongs to the reconcile that sent it, and carries the id Contabo audits.
    let order = find(&collector, "POST /v1/compute/instances", &[]).unwrap();
    let parent = eventually("the reconcile of the order", async || {
        spans(&collector).into_iter().find(|span| span.span_id == order.parent_span_id)
    })
    .await;
    assert_eq!(parent.name, "reconcile");
    assert_eq!(attributes(&parent.attributes)["controller"], "operation");
    let audits = serve.get("/kube/apis/devpocket.dev/v1alpha1/operations").await.1;
    let request_id = &attributes(&order.attributes)["request_id"];
    assert!(audits.to_string().contains(request_id.as_str()), "{request_id}");

    assert_eq!(serve.process.terminate().await.code(), Some(0));
    let resource = collector.traces()[0].resource_spans[0].resource.clone().unwrap();
    assert_eq!(attributes(&resource.attributes)["service.name"], "devpocket");
    let password = world.variables["CONTABO_PASSWORD"].as_bytes();
    for sent in collector.all() {
        assert_eq!(sent.authorization.as_deref(), Some("Bearer c0llector"));
        for secret in [TOKEN.as_bytes(), SEAL_KEY.as_bytes(), password] {
            assert!(!sent.body.windows(secret.len()).any(|part| part == secret));
        }
    }
    assert!(!serve.process.log().join("\n").contains("c0llector"), "it logs the header");
}

#[tokio::test]
async fn a_collector_that_is_away_holds_nothing_up_and_is_told_once() {
    let (mut world, _database) = World::empty().await;
    world.set("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", nobody().await));
    let mut serve = world.leading().await;
    serve.create("demo").await;
    serve.ready("demo").await;
    serve.process.entry("traces are not taken").await;
    let dropped = serve.metric("devpocket_trace_spans_total", "dropped").await;
    eventually("more spans are dropped", async || {
        let now = serve.metric("devpocket_trace_spans_total", "dropped").await;
        (now > dropped).then_some(())
    })
    .await;
    let log = serve.process.log().join("\n");
    assert_eq!(log.matches("traces are not taken").count(), 1, "{log}");
    assert_eq!(serve.process.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn a_collector_that_never_answers_does_not_keep_the_process_from_ending() {
    // Connections are taken by the system, and nobody reads.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut world, _database) = World::empty().await;
    world.set("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", silent.local_addr().unwrap()));
    let mut serve = world.leading().await;
    let told = serve.installation().await;
    assert!(told.status.sweep.is_some());
    assert_eq!(serve.process.terminate().await.code(), Some(0));
    assert!(serve.process.log().join("\n").contains("stopped"));
}
