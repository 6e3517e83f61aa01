//! Following objects as they change, over cut connections and forgotten histories.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use devpocket_specs::kind::Kind;
use devpocket_specs::status::Reason;
use futures::StreamExt;
use futures::stream::BoxStream;
use reqwest::Method;
use serde_json::Value;
use tokio::time::Instant;

use super::{Api, ApiError, path};

/// Longest line of a watch: an object and what surrounds it.
const LINE_BYTES: usize = 4 * 1024 * 1024;
/// Seconds a watch lasts before it is begun anew; a connection nobody closed is noticed by then.
const LASTS: u64 = 300;
/// Pauses between attempts while the server does not answer.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often the list is read where a token may list and not watch.
const POLL: Duration = Duration::from_secs(2);
/// Attempts in a row before the silence is an error: about two minutes.
const ATTEMPTS: u32 = 15;

/// One change of one object.
#[derive(Clone, Debug)]
pub enum Change {
    Present(Value),
    Gone(Value),
}

/// Follows all objects of a kind. The first changes are the objects there are.
pub struct Watcher {
    api: Api,
    kind: Kind,
    namespace: String,
    version: Option<String>,
    known: BTreeMap<(String, String), Value>,
    ready: VecDeque<Change>,
    stream: Option<BoxStream<'static, Result<Bytes, reqwest::Error>>>,
    buffer: Vec<u8>,
    failures: u32,
    /// When the list is read again, where watching is refused.
    poll_at: Option<Instant>,
}

impl Watcher {
    /// An empty namespace means every one.
    pub fn new(api: &Api, kind: Kind, namespace: &str) -> Watcher {
        Watcher {
            api: api.clone(),
            kind,
            namespace: namespace.to_owned(),
            version: None,
            known: BTreeMap::new(),
            ready: VecDeque::new(),
            stream: None,
            buffer: Vec::new(),
            failures: 0,
            poll_at: None,
        }
    }

    /// Whether the server has not answered since it was last asked.
    pub fn is_silent(&self) -> bool {
        self.failures > 0
    }

    /// The next change. Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// What will not pass by itself, or a server that has been silent for long.
    pub async fn next(&mut self) -> Result<Change, ApiError> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Ok(change);
            }
            let stepped = self.step().await;
            self.bear(stepped).await?;
        }
    }

    /// Reads the list that everything begins with: after this, what is not [`known`](Self::known)
    /// is not there.
    pub async fn start(&mut self) -> Result<(), ApiError> {
        while self.version.is_none() {
            let listed = self.relist().await;
            self.bear(listed).await?;
        }
        Ok(())
    }

    /// Waits after an error that will pass.
    async fn bear(&mut self, outcome: Result<(), ApiError>) -> Result<(), ApiError> {
        match outcome {
            Ok(()) => {
                self.failures = 0;
                Ok(())
            }
            Err(error) if error.is_passing() && self.failures < ATTEMPTS => {
                self.stream = None;
                self.failures += 1;
                let pause = PAUSE * 2u32.saturating_pow(self.failures - 1);
                tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// All objects known, after a change or before the first.
    pub fn known(&self) -> impl Iterator<Item = &Value> {
        self.known.values()
    }

    async fn step(&mut self) -> Result<(), ApiError> {
        let Some(version) = self.version.clone() else { return self.relist().await };
        if let Some(at) = self.poll_at {
            tokio::time::sleep_until(at).await;
            self.poll_at = Some(Instant::now() + POLL);
            return self.relist().await;
        }
        if self.stream.is_none() {
            let request = self
                .api
                .request(Method::GET, &path::collection(self.kind, &self.namespace))
                .query(&[("watch", "true"), ("allowWatchBookmarks", "true")])
                .query(&[("resourceVersion", version.as_str())])
                .query(&[("timeoutSeconds", LASTS)])
                .timeout(Duration::from_secs(LASTS + 30));
            let response = self.api.connect(request).await?;
            match self.api.accepted(response).await {
                Ok(response) => {
                    self.buffer.clear();
                    self.stream = Some(response.bytes_stream().boxed());
                }
                Err(error) if error.reason() == Some(Reason::Expired) => self.version = None,
                // The list was given: who may look may look again.
                Err(error) if error.is_forbidden() => self.poll_at = Some(Instant::now() + POLL),
                Err(error) => return Err(error),
            }
            return Ok(());
        }
        let chunk = match &mut self.stream {
            Some(stream) => stream.next().await,
            None => None,
        };
        match chunk {
            None => self.stream = None,
            Some(Err(error)) => return Err(ApiError::cut(self.api.server(), &error)),
            Some(Ok(bytes)) => self.read(&bytes)?,
        }
        Ok(())
    }

    async fn relist(&mut self) -> Result<(), ApiError> {
        let listing = self.api.list(self.kind, &self.namespace, "").await?;
        let mut before = std::mem::take(&mut self.known);
        for item in listing.items {
            let key = key(&item);
            let old = before.remove(&key);
            if old.as_ref() != Some(&item) {
                self.ready.push_back(Change::Present(item.clone()));
            }
            self.known.insert(key, item);
        }
        self.ready.extend(before.into_values().map(Change::Gone));
        self.version = Some(listing.version);
        Ok(())
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        self.buffer.extend_from_slice(bytes);
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let event: Value = serde_json::from_slice(&line)
                .map_err(|_| self.api.foreign("a watch that is not JSON"))?;
            self.event(event);
        }
        if self.buffer.len() > LINE_BYTES {
            return Err(self.api.foreign("a watch event without end"));
        }
        Ok(())
    }

    fn event(&mut self, mut event: Value) {
        let object = event["object"].take();
        let word = event["type"].as_str().unwrap_or_default();
        if word == "ERROR" {
            // The history is gone: what happened meanwhile shows in a new list.
            self.version = None;
            self.stream = None;
            return;
        }
        if let Some(version) = object["metadata"]["resourceVersion"].as_str() {
            self.version = Some(version.to_owned());
        }
        match word {
            "ADDED" | "MODIFIED" => {
                self.known.insert(key(&object), object.clone());
                self.ready.push_back(Change::Present(object));
            }
            "DELETED" => {
                self.known.remove(&key(&object));
                self.ready.push_back(Change::Gone(object));
            }
            _ => {}
        }
    }
}

fn key(object: &Value) -> (String, String) {
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}
