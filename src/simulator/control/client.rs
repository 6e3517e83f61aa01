//! The control plane as a command line sees it.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    Advance, Armed, ArmedFault, AuditEntry, Calls, Clock, Complaint, CreateInstance, Disarmed,
    Fault, GuestFault, GuestView, Health, Instance, Ledger, Meant, Named, Panel, PanelAction,
    Scenario, Settings, Spoil, Told,
};

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A client of one simulator's control plane.
#[derive(Clone, Debug)]
pub struct ControlClient {
    http: reqwest::Client,
    url: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("no client can be set up: {0}")]
    Setup(#[source] reqwest::Error),
    #[error("the simulator's control plane at {url} does not answer: {source}")]
    Unreachable { url: String, source: reqwest::Error },
    /// The simulator said no; the sentence is its own.
    #[error("{message}")]
    Refused { status: u16, message: String },
    #[error("what answers at {url} is not this simulator's control plane: {problem}")]
    Foreign { url: String, problem: String },
}

impl ControlClient {
    /// `url` is the control plane's address, as [`Simulator::control_url`] names it.
    ///
    /// [`Simulator::control_url`]: crate::simulator::Simulator::control_url
    pub fn new(url: &str) -> Result<ControlClient, ControlError> {
        crate::crypto::install_provider();
        // A proxy has no business between a person and a simulator on the same computer.
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(TIMEOUT)
            .build()
            .map_err(ControlError::Setup)?;
        Ok(ControlClient { http, url: url.trim_end_matches('/').to_owned() })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn health(&self) -> Result<Health, ControlError> {
        self.send(self.request(Method::GET, "/healthz")).await
    }

    /// All instances that ever were.
    pub async fn instances(&self) -> Result<Vec<Instance>, ControlError> {
        self.send(self.request(Method::GET, "/instances")).await
    }

    /// Existing instances a person means by this text.
    pub async fn find(&self, text: &str) -> Result<Vec<Instance>, ControlError> {
        self.send(self.request(Method::GET, "/instances").query(&[("match", text)])).await
    }

    pub async fn instance(&self, id: i64) -> Result<Instance, ControlError> {
        self.send(self.request(Method::GET, &format!("/instances/{id}"))).await
    }

    pub async fn ledger(&self) -> Result<Ledger, ControlError> {
        self.send(self.request(Method::GET, "/ledger")).await
    }

    pub async fn audits(&self) -> Result<Vec<AuditEntry>, ControlError> {
        self.send(self.request(Method::GET, "/audits")).await
    }

    /// The latest `last` calls, and the counts of all.
    pub async fn calls(&self, last: usize) -> Result<Calls, ControlError> {
        self.send(self.request(Method::GET, "/calls").query(&[("last", last)])).await
    }

    pub async fn faults(&self) -> Result<Vec<ArmedFault>, ControlError> {
        self.send(self.request(Method::GET, "/faults")).await
    }

    /// Arms a fault; the answer is its id.
    pub async fn arm(&self, fault: &Fault) -> Result<u64, ControlError> {
        let armed: Armed = self.send(self.request(Method::POST, "/faults").json(fault)).await?;
        Ok(armed.id)
    }

    pub async fn disarm(&self, id: u64) -> Result<(), ControlError> {
        let request = self.request(Method::DELETE, &format!("/faults/{id}"));
        self.send::<Disarmed>(request).await.map(|_| ())
    }

    /// Disarms all faults; the answer is how many there were.
    pub async fn disarm_all(&self) -> Result<usize, ControlError> {
        let disarmed: Disarmed = self.send(self.request(Method::DELETE, "/faults")).await?;
        Ok(disarmed.disarmed)
    }

    pub async fn clock(&self) -> Result<Clock, ControlError> {
        self.send(self.request(Method::GET, "/clock")).await
    }

    /// Moves the clock of the whole world by `30d`, `2h 15m`.
    pub async fn advance(&self, by: &str) -> Result<Clock, ControlError> {
        let body = Advance { by: by.to_owned() };
        self.send(self.request(Method::POST, "/clock/advance").json(&body)).await
    }

    /// Does something in the panel to the instance that `instance` means: an id, a name or a part
    /// of the display name.
    pub async fn panel(&self, instance: &str, action: PanelAction) -> Result<Meant, ControlError> {
        let body = Panel { instance: instance.to_owned(), action };
        self.send(self.request(Method::POST, "/panel").json(&body)).await
    }

    /// Somebody buys a machine in the panel.
    pub async fn panel_purchase(&self, order: &CreateInstance) -> Result<Meant, ControlError> {
        self.send(self.request(Method::POST, "/panel/purchase").json(order)).await
    }

    /// The machines themselves, and where they are on this computer.
    pub async fn guests(&self) -> Result<Vec<GuestView>, ControlError> {
        self.send(self.request(Method::GET, "/guests")).await
    }

    /// Makes a machine's day bad, or without a fault good again, or puts another in its place.
    pub async fn spoil(
        &self,
        instance: &str,
        fault: Option<GuestFault>,
        replace: bool,
    ) -> Result<Meant, ControlError> {
        let body = Spoil { instance: instance.to_owned(), fault, replace };
        self.send(self.request(Method::POST, "/guests").json(&body)).await
    }

    pub async fn settings(&self) -> Result<Settings, ControlError> {
        self.send(self.request(Method::GET, "/settings")).await
    }

    /// A merge patch, for example `{"speed": 60}`.
    pub async fn change_settings(&self, patch: &Value) -> Result<Settings, ControlError> {
        self.send(self.request(Method::PATCH, "/settings").json(patch)).await
    }

    /// All tokens issued so far are refused from now on.
    pub async fn revoke_tokens(&self) -> Result<Settings, ControlError> {
        self.send(self.request(Method::POST, "/tokens/revoke").json(&json!({}))).await
    }

    /// The whole model, as JSON.
    pub async fn state(&self) -> Result<Value, ControlError> {
        self.send(self.request(Method::GET, "/state")).await
    }

    /// Takes the place of the account there is, with what [`ControlClient::state`] saved.
    pub async fn load(&self, state: &Value) -> Result<Clock, ControlError> {
        self.send(self.request(Method::PUT, "/state").json(state)).await
    }

    /// A bad day; the answer says what has happened.
    pub async fn scenario(&self, scenario: Scenario) -> Result<String, ControlError> {
        let body = Named { name: scenario.as_str().to_owned() };
        let told: Told = self.send(self.request(Method::POST, "/scenario").json(&body)).await?;
        Ok(told.told)
    }

    /// Every call since the start, as [`replay`](crate::simulator::replay) reads them.
    pub async fn journal(&self) -> Result<String, ControlError> {
        let unreachable = |source| ControlError::Unreachable { url: self.url.clone(), source };
        let response = self.request(Method::GET, "/journal").send().await.map_err(unreachable)?;
        let status = response.status();
        let text = response.text().await.map_err(unreachable)?;
        if status.is_success() {
            return Ok(text);
        }
        Err(ControlError::Refused { status: status.as_u16(), message: text })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ControlError> {
        let unreachable = |source| ControlError::Unreachable { url: self.url.clone(), source };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(unreachable)?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|problem| self.foreign(&problem));
        }
        let complaint: Complaint =
            serde_json::from_slice(&bytes).map_err(|problem| self.foreign(&problem))?;
        Err(ControlError::Refused { status: status.as_u16(), message: complaint.message })
    }

    fn foreign(&self, problem: &serde_json::Error) -> ControlError {
        ControlError::Foreign { url: self.url.clone(), problem: problem.to_string() }
    }
}
