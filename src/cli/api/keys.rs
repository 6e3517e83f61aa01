//! The sealing keys.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Api, ApiError};
use crate::keys::{KeyUse, Step};

const PATH: &str = "/apis/devpocket.dev/v1alpha1/sealingkeys";

impl Api {
    /// Every key that is configured or in use.
    pub async fn sealing_keys(&self) -> Result<Vec<KeyUse>, ApiError> {
        let mut view: Value = self.send(self.request(Method::GET, PATH)).await?;
        let items = view["items"].take();
        serde_json::from_value(items).map_err(|error| self.foreign(&error.to_string()))
    }

    /// One step of moving everything onto the first key.
    pub async fn rotate_keys(&self, limit: usize, dry_run: bool) -> Result<Step, ApiError> {
        let mut request = self.request(Method::POST, &format!("{PATH}/rotate"));
        if dry_run {
            request = request.query(&[("dryRun", "All")]);
        }
        self.send(request.json(&json!({"limit": limit}))).await
    }
}
