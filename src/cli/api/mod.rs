//! The server as the command line sees it: the Kubernetes-style API over HTTP.
//!
//! A request that never reached the server is told apart from one that was refused, because only
//! of the first it is certain that nothing was sent.

mod attach;
mod error;
mod keys;
mod log;
mod options;
mod path;
mod renewal;
mod rest;
mod time;
mod watch;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use devpocket_specs::decision::DecisionRecord;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::{Key, Object, Resource};
use reqwest::{Certificate, Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::contabo::Sensitive;

pub use error::{ApiError, Doubt};
pub use log::LogReader;
pub use options::{Listing, WriteOptions};
pub use renewal::Renewal;
pub use time::ServerTime;
pub use watch::{Change, Watcher};

/// Path of the API under the server's address.
const PREFIX: &str = "/kube";
/// Longest wait for an answer that is not a watch.
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a connection is tried; nothing was sent before there is one.
const TRIES: u32 = 3;
/// Wait before the second try; doubled for the third.
const PAUSE: Duration = Duration::from_millis(1500);
/// The longest answer that is read: a list of everything.
const ANSWER_BYTES: usize = 256 * 1024 * 1024;

/// Field manager of `apply` and `create`.
pub const APPLY_MANAGER: &str = "devpocket-cli";
/// Field manager of single edits (`stop`, `pause`): what they set is not the file's any more.
pub const EDIT_MANAGER: &str = "devpocket-edit";

/// A server, and how to sign in there.
#[derive(Clone, Debug)]
pub struct Api {
    http: reqwest::Client,
    server: String,
    /// Shared by clones: one of them may have got a new one.
    token: Arc<Mutex<Option<Sensitive>>>,
    renewal: Option<Arc<Renewal>>,
    time: ServerTime,
}

impl Api {
    /// `authority` are certificates (PEM) to trust beside those of the system. `time` learns from
    /// each answer what time it is at the server.
    pub fn new(
        server: &str,
        token: Option<Sensitive>,
        authority: Option<&str>,
        time: ServerTime,
    ) -> Result<Api, ApiError> {
        crate::crypto::install_provider();
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("devpocket/", env!("CARGO_PKG_VERSION")));
        let server = server.trim_end_matches('/').to_owned();
        let certificates = Certificate::from_pem_bundle(authority.unwrap_or_default().as_bytes());
        let http = certificates.and_then(|more| http.tls_certs_merge(more).build());
        let http = http.map_err(|error| ApiError::setup(&server, &error))?;
        let token = Arc::new(Mutex::new(token));
        Ok(Api { http, server, token, renewal: None, time })
    }

    /// A token that has run out is renewed, and what was asked is asked again.
    pub fn renewing(self, renewal: Renewal) -> Api {
        Api { renewal: Some(Arc::new(renewal)), ..self }
    }

    fn token(&self) -> Option<Sensitive> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The address, as the person knows it.
    pub fn server(&self) -> &str {
        &self.server
    }

    pub async fn get(&self, key: &Key) -> Result<Value, ApiError> {
        self.send(self.request(Method::GET, &path::object(key))).await
    }

    /// The object, or `None` if there is none.
    pub async fn find<T: Resource>(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<T>, ApiError> {
        match self.get(&Key::new(T::KIND, namespace, name)).await {
            Ok(value) => Ok(Some(self.typed(value)?)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All objects of a kind; an empty namespace means every one.
    pub async fn list(
        &self,
        kind: Kind,
        namespace: &str,
        labels: &str,
    ) -> Result<Listing, ApiError> {
        let mut request = self.request(Method::GET, &path::collection(kind, namespace));
        if !labels.is_empty() {
            request = request.query(&[("labelSelector", labels)]);
        }
        let mut value: Value = self.send(request).await?;
        let version = value["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        let Value::Array(mut items) = value["items"].take() else {
            return Err(self.foreign("a list without items"));
        };
        // Items of a list carry no type of their own; programs that read them want it.
        for item in &mut items {
            item["apiVersion"] = kind.api_version().into();
            item["kind"] = kind.info().name.into();
        }
        Ok(Listing { items, version })
    }

    /// All objects of a kind as their type.
    pub async fn all<T: Resource>(&self, namespace: &str) -> Result<Vec<T>, ApiError> {
        let listing = self.list(T::KIND, namespace, "").await?;
        listing.items.into_iter().map(|item| self.typed(item)).collect()
    }

    /// Server-side apply.
    pub async fn apply(
        &self,
        key: &Key,
        document: &Value,
        options: &WriteOptions,
    ) -> Result<Value, ApiError> {
        let request = self
            .request(Method::PATCH, &path::object(key))
            .query(&[("fieldManager", APPLY_MANAGER), ("fieldValidation", "Strict")])
            .query(&options.query())
            .header("content-type", "application/apply-patch+yaml")
            .body(document.to_string());
        self.send(request).await
    }

    /// A merge patch of an object, or of its status.
    pub async fn merge(
        &self,
        key: &Key,
        part: &str,
        patch: &Value,
        options: &WriteOptions,
    ) -> Result<Value, ApiError> {
        let path = format!("{}{part}", path::object(key));
        let request = self
            .request(Method::PATCH, &path)
            .query(&[("fieldManager", EDIT_MANAGER), ("fieldValidation", "Strict")])
            .query(&options.query())
            .header("content-type", "application/merge-patch+json")
            .body(patch.to_string());
        self.send(request).await
    }

    pub async fn delete(
        &self,
        key: &Key,
        uid: Option<&str>,
        options: &WriteOptions,
    ) -> Result<Value, ApiError> {
        let mut body = json!({"apiVersion": "v1", "kind": "DeleteOptions"});
        if let Some(uid) = uid {
            body["preconditions"] = json!({"uid": uid});
        }
        let request =
            self.request(Method::DELETE, &path::object(key)).query(&options.query()).json(&body);
        self.send(request).await
    }

    /// The plan of a stored environment.
    pub async fn plan(&self, key: &Key) -> Result<Value, ApiError> {
        self.send(self.request(Method::GET, &format!("{}/plan", path::object(key)))).await
    }

    /// The decisions recorded about the environments that have or had this name, newest first.
    pub async fn decisions(&self, key: &Key) -> Result<Vec<DecisionRecord>, ApiError> {
        let request = self.request(Method::GET, &format!("{}/decisions", path::object(key)));
        let mut answer: Value = match self.send(request).await {
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            other => other?,
        };
        let items = serde_json::from_value(answer["items"].take());
        items.map_err(|_| self.foreign("a list of decisions that cannot be read"))
    }

    /// The plan of an environment as it would be after an apply.
    pub async fn plan_of(
        &self,
        key: &Key,
        document: &Value,
        force: bool,
    ) -> Result<Value, ApiError> {
        let options = WriteOptions { force, ..WriteOptions::default() };
        let request = self
            .request(Method::POST, &format!("{}/plan", path::object(key)))
            .query(&[("fieldManager", APPLY_MANAGER), ("fieldValidation", "Strict")])
            .query(&options.query())
            .json(document);
        self.send(request).await
    }

    /// The plan of an environment as it would be after a merge patch.
    pub async fn plan_of_patch(&self, key: &Key, patch: &Value) -> Result<Value, ApiError> {
        let request = self
            .request(Method::POST, &format!("{}/plan", path::object(key)))
            .query(&[("fieldManager", EDIT_MANAGER), ("fieldValidation", "Strict")])
            .query(&[("patch", "true")])
            .json(patch);
        self.send(request).await
    }

    /// The same with the plans the server has shown of it lately.
    pub async fn recent_plans(&self, key: &Key, document: &Value) -> Result<Value, ApiError> {
        let request = self
            .request(Method::POST, &format!("{}/plan", path::object(key)))
            .query(&[("fieldManager", APPLY_MANAGER), ("recent", "true"), ("force", "true")])
            .json(document);
        self.send(request).await
    }

    /// The plan of deleting an environment.
    pub async fn plan_of_deletion(&self, key: &Key) -> Result<Value, ApiError> {
        let request = self.request(Method::GET, &format!("{}/plan", path::object(key)));
        self.send(request.query(&[("deletion", "true")])).await
    }

    /// One of the actions only DevPocket has: `approval`, `undelete`, `resolve`.
    pub async fn act(
        &self,
        key: &Key,
        action: &str,
        body: &Value,
        dry_run: bool,
    ) -> Result<Value, ApiError> {
        let options = WriteOptions { dry_run, ..WriteOptions::default() };
        let path = format!("{}/{action}", path::object(key));
        self.send(self.request(Method::POST, &path).query(&options.query()).json(body)).await
    }

    pub async fn catalogue(&self) -> Result<Value, ApiError> {
        self.send(self.request(Method::GET, "/apis/devpocket.dev/v1alpha1/catalogue")).await
    }

    /// Who the server takes the token's owner for.
    pub async fn whoami(&self) -> Result<String, ApiError> {
        let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let value: Value = self.send(self.request(Method::POST, path).json(&body)).await?;
        Ok(value["status"]["userInfo"]["username"].as_str().unwrap_or("somebody").to_owned())
    }

    /// `/health`, which needs no token; also read when it says that something is wrong.
    pub async fn health(&self) -> Result<Value, ApiError> {
        let request = self.http.get(format!("{}/health", self.server)).timeout(TIMEOUT);
        let response = self.connect(request).await?;
        response.json().await.map_err(|_| self.foreign("no health report"))
    }

    /// The object as its type.
    pub fn typed<T: Resource>(&self, value: Value) -> Result<T, ApiError> {
        let object = Object::from_value(T::KIND, value).and_then(|object| object.to::<T>());
        object.map_err(|error| self.foreign(&error.to_string()))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.request_to(method, &format!("{PREFIX}{path}"))
    }

    fn request_to(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.server));
        let request = request.timeout(TIMEOUT);
        match self.token() {
            Some(token) => request.bearer_auth(token.reveal()),
            None => request,
        }
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ApiError> {
        let response = self.connect(request).await?;
        let response = self.accepted(response).await?;
        let bytes = response.bytes().await.map_err(|error| ApiError::cut(&self.server, &error))?;
        if bytes.len() > ANSWER_BYTES {
            return Err(self.foreign("an answer without end"));
        }
        serde_json::from_slice(&bytes).map_err(|error| self.foreign(&error.to_string()))
    }

    /// Sends; tries again only while there is no connection, when nothing can have been sent.
    async fn connect(&self, request: RequestBuilder) -> Result<reqwest::Response, ApiError> {
        let again = self.renewal.as_ref().and_then(|_| request.try_clone());
        let response = self.connected(request).await?;
        self.time.learn(response.headers());
        match again {
            Some(again) if response.status() == StatusCode::UNAUTHORIZED => {
                Ok(self.renewed(again).await?.unwrap_or(response))
            }
            _ => Ok(response),
        }
    }

    async fn connected(&self, request: RequestBuilder) -> Result<reqwest::Response, ApiError> {
        let started = tokio::time::Instant::now();
        let tries = if is_loopback(&self.server) { 1 } else { TRIES };
        let mut pause = PAUSE;
        let mut tried = 0;
        loop {
            let again = request.try_clone().filter(|_| tried + 1 < tries);
            let Some(copy) = again else {
                let sent = request.send().await;
                return sent.map_err(|e| {
                    ApiError::unreachable(&self.server, &e, tried + 1, started.elapsed())
                });
            };
            match copy.send().await {
                Err(error) if error.is_connect() => {
                    let error = ApiError::unreachable(&self.server, &error, 1, started.elapsed());
                    // A certificate does not get better by waiting.
                    if matches!(error, ApiError::Untrusted { .. }) {
                        return Err(error);
                    }
                }
                Err(error) => return Err(ApiError::cut(&self.server, &error)),
                Ok(response) => return Ok(response),
            }
            tried += 1;
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    async fn accepted(&self, response: reqwest::Response) -> Result<reqwest::Response, ApiError> {
        let code = response.status();
        if code.is_success() {
            return Ok(response);
        }
        let id = response.headers().get("x-request-id");
        let id = id.and_then(|id| id.to_str().ok()).map(str::to_owned);
        let bytes = response.bytes().await.unwrap_or_default();
        if code == StatusCode::UNAUTHORIZED {
            return Err(ApiError::SignedOut {
                server: self.server.clone(),
                with_token: self.token().is_some(),
            });
        }
        match serde_json::from_slice(&bytes) {
            Ok(status) => Err(ApiError::Refused {
                status: Box::new(status),
                code: code.as_u16(),
                request_id: id,
            }),
            Err(_) => Err(self.foreign(&format!("an answer {} that is no Status", code.as_u16()))),
        }
    }

    fn foreign(&self, problem: &str) -> ApiError {
        ApiError::Foreign { server: self.server.clone(), problem: problem.to_owned() }
    }
}

fn is_loopback(server: &str) -> bool {
    let url = reqwest::Url::parse(server).ok();
    let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or_default();
    let bare = host.trim_matches(['[', ']']);
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
