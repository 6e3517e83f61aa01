//! The lines of an installation, over cut connections: each once, in order.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use devpocket_specs::object::Key;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use reqwest::Method;
use serde_json::Value;

use super::{Api, ApiError, path};

/// Longest document of a log: a line, escaped, and what surrounds it.
const DOCUMENT_BYTES: usize = 256 * 1024;
/// How long one answer lasts before it is begun anew; a connection nobody closed is noticed by then.
const LASTS: Duration = Duration::from_secs(300);
/// Pauses between attempts while the server does not answer, and how many in a row.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 15;

/// Reads the log of one environment.
pub struct LogReader {
    api: Api,
    key: Key,
    follow: bool,
    tail: Option<u64>,
    /// Number of the last line that was read.
    seen: Option<i64>,
    stream: Option<BoxStream<'static, Result<Bytes, reqwest::Error>>>,
    buffer: Vec<u8>,
    ready: VecDeque<Value>,
    failures: u32,
    over: bool,
}

impl LogReader {
    pub fn new(api: &Api, key: &Key, follow: bool, tail: Option<u64>) -> LogReader {
        LogReader {
            api: api.clone(),
            key: key.clone(),
            follow,
            tail,
            seen: None,
            stream: None,
            buffer: Vec::new(),
            ready: VecDeque::new(),
            failures: 0,
            over: false,
        }
    }

    /// The next line, or the end as the last document; nothing after that. Cancelling the wait loses
    /// nothing.
    ///
    /// # Errors
    /// What will not pass by itself, or a server that has been silent for long.
    pub async fn next(&mut self) -> Result<Option<Value>, ApiError> {
        loop {
            if let Some(document) = self.ready.pop_front() {
                match document["number"].as_i64() {
                    Some(number) if document["end"].is_null() && document["line"].is_string() => {
                        self.seen = Some(number);
                    }
                    _ => self.over = true,
                }
                return Ok(Some(document));
            }
            if self.over {
                return Ok(None);
            }
            match self.step().await {
                Ok(()) => {}
                Err(error) if error.is_passing() && self.failures < ATTEMPTS => {
                    self.stream = None;
                    self.failures += 1;
                    let pause = PAUSE * 2u32.saturating_pow(self.failures - 1);
                    tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn step(&mut self) -> Result<(), ApiError> {
        let Some(stream) = &mut self.stream else { return self.open().await };
        match stream.next().await {
            // Cut: the server restarts, or it lasted long enough. It goes on after what was read.
            None => self.stream = None,
            Some(Err(error)) => return Err(ApiError::cut(self.api.server(), &error)),
            Some(Ok(bytes)) => self.read(&bytes)?,
        }
        Ok(())
    }

    async fn open(&mut self) -> Result<(), ApiError> {
        let mut query = vec![("follow", self.follow.to_string())];
        match (self.seen, self.tail) {
            (Some(seen), _) => query.push(("after", seen.to_string())),
            (None, Some(tail)) => query.push(("tailLines", tail.to_string())),
            (None, None) => {}
        }
        let address = format!("{}/log", path::object(&self.key));
        let request = self.api.request(Method::GET, &address).query(&query).timeout(LASTS);
        let response = self.api.connect(request).await?;
        let response = self.api.accepted(response).await?;
        self.buffer.clear();
        self.stream = Some(response.bytes_stream().boxed());
        Ok(())
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        self.failures = 0;
        self.buffer.extend_from_slice(bytes);
        let mut begin = 0;
        while let Some(length) = self.buffer[begin..].iter().position(|byte| *byte == b'\n') {
            let document = serde_json::from_slice(&self.buffer[begin..begin + length]);
            let document = document.map_err(|error| self.api.foreign(&error.to_string()))?;
            self.ready.push_back(document);
            begin += length + 1;
        }
        self.buffer.drain(..begin);
        if self.buffer.len() > DOCUMENT_BYTES {
            return Err(self.api.foreign("a line without end"));
        }
        Ok(())
    }
}
