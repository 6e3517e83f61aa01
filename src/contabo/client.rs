//! The calls.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use jiff::civil::Date;
use reqwest::Method;
use serde_json::{Value, json};
use tracing::Instrument as _;
use uuid::Uuid;

use devpocket_controllers::clock::{Clock, Ids};
use devpocket_controllers::cloud::{
    Action, Audit, AuditLog, AuditQuery, Call, Cloud, CloudError, Image, Instance, Order, Ordered,
    Page, Priority, Reinstall, Tag,
};
use devpocket_specs::installation::Account;

use super::limiter::Limiter;
use super::outcome::{Reply, transport_error};
pub use super::token::Credentials;
use super::token::TokenSource;
use super::{decode, observe};

/// Objects per page; the largest that is known to be honoured.
const PAGE_SIZE: u32 = 100;
/// Longest wait for the answer to a read, limiter included, unless configured.
pub const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Customer number of simulated accounts, which Contabo gives to nobody. A server on this computer
/// may also be a proxy to the real Contabo, and what is bought there must not be called free.
const SIMULATED_CUSTOMER: &str = "90000001";
/// Stands for the address of a simulated account.
const SIMULATED: &str = "simulated";
/// Contabo's own addresses.
const API_URL: &str = "https://api.contabo.com";
const AUTH_URL: &str = "https://auth.contabo.com/auth/realms/contabo/protocol/openid-connect/token";

/// Where Contabo is and how to sign in.
#[derive(Clone, Debug)]
pub struct ContaboConfig {
    /// Base address of the API, without a trailing slash.
    pub api_url: String,
    /// The token endpoint.
    pub auth_url: String,
    pub credentials: Credentials,
    /// Whether this may be DevPocket's own simulator, where nothing costs money; the account that
    /// signs in decides.
    pub simulated: bool,
    /// Longest wait for the answer to a read, limiter included; a half of it is for the answer.
    pub patience: Duration,
}

impl ContaboConfig {
    /// The real Contabo.
    pub fn live(credentials: Credentials) -> ContaboConfig {
        ContaboConfig {
            api_url: API_URL.into(),
            auth_url: AUTH_URL.into(),
            credentials,
            simulated: false,
            patience: READ_TIMEOUT,
        }
    }
}

/// The HTTP client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for Contabo cannot be set up: {0}")]
pub struct SetupError(#[source] reqwest::Error);

/// Contabo over HTTP.
pub struct ContaboClient {
    http: reqwest::Client,
    api_url: String,
    simulated: bool,
    patience: Duration,
    pub(super) tokens: TokenSource,
    limiter: Limiter,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

/// One request, before it has a token.
struct Request<'a> {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<&'a Value>,
    request_id: Uuid,
    trace_id: Option<&'a str>,
    priority: Priority,
    timeout: Duration,
}

impl ContaboClient {
    pub fn new(
        config: ContaboConfig,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<ContaboClient, SetupError> {
        crate::crypto::install_provider();
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // A redirect would send the token, or repeat a POST, somewhere nobody named.
            .redirect(reqwest::redirect::Policy::none())
            // reqwest repeats requests it believes safe to repeat; a purchase never is.
            .retry(reqwest::retry::never())
            .user_agent(concat!("devpocket/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(SetupError)?;
        let tokens = TokenSource::new(http.clone(), &config, clock.clone());
        Ok(ContaboClient {
            http,
            api_url: config.api_url.trim_end_matches('/').to_owned(),
            simulated: config.simulated,
            patience: config.patience,
            tokens,
            limiter: Limiter::new(clock.clone()),
            clock,
            ids,
        })
    }

    /// A read: repeated once with a fresh token after 401.
    pub(super) async fn read(
        &self,
        path: String,
        query: Vec<(&'static str, String)>,
    ) -> Result<Reply, CloudError> {
        let mut request = Request {
            method: Method::GET,
            path,
            query,
            body: None,
            request_id: self.ids.uid(),
            trace_id: None,
            priority: Priority::Background,
            timeout: self.patience,
        };
        let reply = self.exchange(&request).await?;
        if reply.code != 401 {
            return Ok(reply);
        }
        request.request_id = self.ids.uid();
        self.exchange(&request).await
    }

    pub(super) async fn read_json(
        &self,
        path: String,
        query: Vec<(&'static str, String)>,
    ) -> Result<Value, CloudError> {
        let reply = self.read(path, query).await?;
        if reply.is_success() { decode::json(&reply.body) } else { Err(reply.read_error()) }
    }

    /// A mutation: on the wire at most once, whatever happens.
    pub(super) async fn mutate(
        &self,
        method: Method,
        path: String,
        body: Option<&Value>,
        call: &Call,
    ) -> Result<Reply, CloudError> {
        let reply = self
            .exchange(&Request {
                method,
                path,
                query: Vec::new(),
                body,
                request_id: call.request_id,
                trace_id: Some(&call.trace_id),
                priority: call.priority,
                timeout: call.timeout,
            })
            .await?;
        if reply.is_success() { Ok(reply) } else { Err(reply.mutation_error()) }
    }

    /// Takes a token and a place in the limiter, sends once, reads the reply whole.
    async fn exchange(&self, request: &Request<'_>) -> Result<Reply, CloudError> {
        let Request { method, path, request_id, priority, .. } = request;
        let span = observe::span(method, path, *request_id, *priority);
        self.exchanged(request, &span).instrument(span.clone()).await
    }

    async fn exchanged(
        &self,
        request: &Request<'_>,
        span: &tracing::Span,
    ) -> Result<Reply, CloudError> {
        let mutation = request.method != Method::GET;
        let asked_at = self.clock.monotonic();
        let (token, _) = self.tokens.get().await?;
        self.limiter.acquire(request.priority, request.timeout / 2).await?;
        // The caller's lease covers `timeout` and no more: a call that waited too long for its
        // token must not leave any more, or it could act beside a new leader.
        if self.clock.monotonic().saturating_sub(asked_at) > request.timeout / 2 {
            return Err(CloudError::Unavailable {
                message: "no time left to ask, nothing was sent".into(),
            });
        }
        let mut builder = self
            .http
            .request(request.method.clone(), format!("{}{}", self.api_url, request.path))
            .timeout(request.timeout / 2)
            .bearer_auth(token.reveal())
            .header("x-request-id", request.request_id.to_string())
            .query(&request.query);
        if let Some(trace) = request.trace_id {
            builder = builder.header("x-trace-id", trace);
        }
        if let Some(body) = request.body {
            builder = builder.json(body);
        }
        let outcome = self.send(builder, mutation).await;
        let Request { method, path, request_id, .. } = request;
        observe::answered(span, method, path, *request_id, &outcome);
        let reply = outcome?;
        match reply.code {
            429 => self.limiter.throttled(reply.retry_after),
            _ => self.limiter.answered(),
        }
        if reply.code == 401 {
            self.tokens.drop_token(&token).await;
        }
        metrics::gauge!("devpocket_cloud_rate").set(self.limiter.rate());
        Ok(reply)
    }

    async fn send(
        &self,
        builder: reqwest::RequestBuilder,
        mutation: bool,
    ) -> Result<Reply, CloudError> {
        let failed = |error: reqwest::Error| transport_error(&error, mutation);
        let response = builder.send().await.map_err(failed)?;
        let code = response.status().as_u16();
        let retry_after = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let mut body = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.map_err(failed)?);
            if body.len() > decode::BODY_MAX {
                let message = format!("the reply is larger than {} bytes", decode::BODY_MAX);
                return Err(match mutation {
                    true => CloudError::Unknown { message, code: Some(code) },
                    false => CloudError::BadReply { message },
                });
            }
        }
        Ok(Reply { code, retry_after, body })
    }
}

pub(super) fn paged(page: u32) -> Vec<(&'static str, String)> {
    vec![("page", page.max(1).to_string()), ("size", PAGE_SIZE.to_string())]
}

#[async_trait]
impl Cloud for ContaboClient {
    async fn account(&self) -> Result<Account, CloudError> {
        let (_, identity) = self.tokens.get().await?;
        let simulated = self.simulated && identity.customer == SIMULATED_CUSTOMER;
        Ok(Account {
            // The simulated account is the same one on whatever port it is served today.
            api: if simulated { SIMULATED.into() } else { self.api_url.clone() },
            tenant: identity.tenant,
            customer: identity.customer,
            simulated,
        })
    }

    async fn instances(&self, page: u32) -> Result<Page<Instance>, CloudError> {
        let reply = self.read_json("/v1/compute/instances".into(), paged(page)).await?;
        decode::page(&reply, decode::instance)
    }

    async fn instance(&self, id: i64) -> Result<Option<Instance>, CloudError> {
        let reply = self.read(format!("/v1/compute/instances/{id}"), Vec::new()).await?;
        match reply.code {
            404 => Ok(None),
            _ if reply.is_success() => decode::one_instance(&decode::json(&reply.body)?).map(Some),
            _ => Err(reply.read_error()),
        }
    }

    async fn images(&self, page: u32) -> Result<Page<Image>, CloudError> {
        let reply = self.read_json("/v1/compute/images".into(), paged(page)).await?;
        decode::page(&reply, decode::image)
    }

    async fn audits(&self, log: AuditLog, query: &AuditQuery) -> Result<Page<Audit>, CloudError> {
        let path = match log {
            AuditLog::Instances => "/v1/compute/instances/audits",
            AuditLog::Actions => "/v1/compute/instances/actions/audits",
        };
        let mut parameters = paged(query.page);
        if let Some(id) = query.request_id {
            parameters.push(("requestId", id.to_string()));
        }
        if let Some(id) = query.instance_id {
            parameters.push(("instanceId", id.to_string()));
        }
        if let Some(day) = query.since {
            parameters.push(("startDate", day.to_string()));
        }
        let reply = self.read_json(path.into(), parameters).await?;
        decode::page(&reply, decode::audit)
    }

    async fn order(&self, order: &Order, call: &Call) -> Result<Ordered, CloudError> {
        let body = json!({
            "imageId": order.image_id,
            "productId": order.product_id,
            "region": order.region,
            "period": order.period,
            "displayName": order.display_name,
            "userData": order.user_data,
            "defaultUser": "admin",
        });
        let path = "/v1/compute/instances".to_owned();
        let reply = self.mutate(Method::POST, path, Some(&body), call).await?;
        decode::json(&reply.body).and_then(|body| decode::ordered(&body)).map_err(|error| {
            // Accepted, but not told which machine: money may be spent, so it must be looked for.
            CloudError::Unknown { message: error.to_string(), code: Some(reply.code) }
        })
    }

    async fn rename(&self, id: i64, display_name: &str, call: &Call) -> Result<(), CloudError> {
        let body = json!({ "displayName": display_name });
        let path = format!("/v1/compute/instances/{id}");
        self.mutate(Method::PATCH, path, Some(&body), call).await.map(drop)
    }

    async fn reinstall(&self, id: i64, how: &Reinstall, call: &Call) -> Result<(), CloudError> {
        let mut body = json!({ "imageId": how.image_id, "defaultUser": "admin" });
        if let Some(user_data) = &how.user_data {
            body["userData"] = user_data.as_str().into();
        }
        let path = format!("/v1/compute/instances/{id}");
        self.mutate(Method::PUT, path, Some(&body), call).await.map(drop)
    }

    async fn cancel(&self, id: i64, call: &Call) -> Result<Option<Date>, CloudError> {
        let path = format!("/v1/compute/instances/{id}/cancel");
        let reply = self.mutate(Method::POST, path, Some(&json!({})), call).await?;
        Ok(decode::json(&reply.body).ok().as_ref().and_then(decode::cancel_date))
    }

    async fn act(&self, id: i64, action: Action, call: &Call) -> Result<(), CloudError> {
        let path = format!("/v1/compute/instances/{id}/actions/{}", action.word());
        self.mutate(Method::POST, path, None, call).await.map(drop)
    }

    async fn tags(&self, page: u32) -> Result<Page<Tag>, CloudError> {
        let reply = self.read_json("/v1/tags".into(), paged(page)).await?;
        decode::page(&reply, decode::tag)
    }

    async fn create_tag(&self, name: &str, call: &Call) -> Result<Tag, CloudError> {
        let body = json!({ "name": name, "color": "#0A78C3" });
        let reply = self.mutate(Method::POST, "/v1/tags".into(), Some(&body), call).await?;
        decode::json(&reply.body).and_then(|body| decode::one_tag(&body)).map_err(|error| {
            CloudError::Unknown { message: error.to_string(), code: Some(reply.code) }
        })
    }

    async fn rename_tag(&self, id: i64, name: &str, call: &Call) -> Result<(), CloudError> {
        let body = json!({ "name": name });
        self.mutate(Method::PATCH, format!("/v1/tags/{id}"), Some(&body), call).await.map(drop)
    }
}

impl std::fmt::Debug for ContaboClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContaboClient").field("api_url", &self.api_url).finish_non_exhaustive()
    }
}
