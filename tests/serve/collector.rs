//! An OpenTelemetry collector on a socket, which keeps what it is sent.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use prost::Message;
use tokio::net::TcpListener;

/// One request.
#[derive(Clone)]
pub struct Arrived {
    pub path: String,
    pub authorization: Option<String>,
    pub body: Bytes,
}

#[derive(Clone, Default)]
pub struct Collector {
    arrived: Arc<Mutex<Vec<Arrived>>>,
    answer: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    /// At a free port.
    pub async fn start() -> (SocketAddr, Collector) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        (listener.local_addr().unwrap(), Collector::listen(listener))
    }

    pub fn listen(listener: TcpListener) -> Collector {
        let collector = Collector::default();
        let kept = collector.clone();
        let take = move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let authorization =
                headers.get("authorization").map(|v| v.to_str().unwrap().to_owned());
            let path = uri.path().to_owned();
            let kind = headers.get("content-type").unwrap().to_str().unwrap();
            let taken = kind == "application/x-protobuf" && path.starts_with("/v1/");
            if taken {
                kept.arrived.lock().unwrap().push(Arrived { path, authorization, body });
            }
            let answer = kept.answer.lock().unwrap().clone();
            let code = if taken { StatusCode::OK } else { StatusCode::NOT_FOUND };
            async move { (code, answer) }
        };
        let app = Router::new().fallback(take);
        tokio::spawn(async move { axum::serve(listener, app).await });
        collector
    }

    /// Answers this from now on.
    pub fn answer(&self, message: &impl Message) {
        *self.answer.lock().unwrap() = message.encode_to_vec();
    }

    /// All that arrived so far, oldest first.
    pub fn all(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }

    fn decoded<T: Message + Default>(&self, path: &str) -> Vec<T> {
        let all = self.all();
        let of_path = all.iter().filter(|arrived| arrived.path == path);
        of_path.map(|arrived| T::decode(&arrived.body[..]).unwrap()).collect()
    }

    pub fn traces(&self) -> Vec<ExportTraceServiceRequest> {
        self.decoded("/v1/traces")
    }

    pub fn metrics(&self) -> Vec<ExportMetricsServiceRequest> {
        self.decoded("/v1/metrics")
    }
}

pub fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &KeyValue| match value.value.as_ref()?.value.as_ref()? {
        Any::StringValue(text) => Some(text.clone()),
        Any::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    };
    attributes.iter().filter_map(|a| Some((a.key.clone(), text(a)?))).collect()
}

/// An address at which nobody listens.
pub async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}
