//! A session on a machine: the one request that becomes a stream.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use devpocket_specs::object::Key;
use reqwest::StatusCode;

use super::{Api, ApiError, PREFIX, path};

/// A session may wait for a machine whose sshd starts again.
const ATTACH_TIMEOUT: Duration = Duration::from_secs(60);

impl Api {
    /// Opens a session on the environment's machine; what comes back speaks WebSocket.
    pub async fn attach(
        &self,
        key: &Key,
        query: &[(&str, String)],
    ) -> Result<reqwest::Upgraded, ApiError> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|error| self.foreign(&error.to_string()))?;
        let url = format!("{}{PREFIX}{}/exec", self.server, path::object(key));
        let mut request = self.http.get(url).query(query);
        if let Some(token) = self.token() {
            request = request.bearer_auth(token.reveal());
        }
        let request = request
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", STANDARD.encode(nonce))
            .header("sec-websocket-protocol", crate::kube::EXEC_PROTOCOL);
        let asked = tokio::time::timeout(ATTACH_TIMEOUT, self.connect(request)).await;
        let response = asked.map_err(|_| ApiError::Cut {
            server: self.server.clone(),
            evidence: format!("no answer in {} s", ATTACH_TIMEOUT.as_secs()),
        })??;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            self.accepted(response).await?;
            return Err(self.foreign("an answer that is no session"));
        }
        response.upgrade().await.map_err(|error| ApiError::cut(&self.server, &error))
    }
}
