//! A wire between a client and a server that remembers what the client said, and changes nothing:
//! connections that break on one side break on the other.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

type Heard = Arc<Mutex<Vec<Vec<u8>>>>;

/// The wire. It is cut when this is dropped.
pub struct Tap {
    pub address: SocketAddr,
    /// What each connection carried towards the server.
    heard: Heard,
    task: JoinHandle<()>,
}

/// A request as it was sent.
#[derive(Clone, Debug)]
pub struct Overheard {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Tap {
    pub async fn on(server: SocketAddr) -> Tap {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Heard::default();
        let log = heard.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = {
                    let mut log = log.lock().unwrap();
                    log.push(Vec::new());
                    log.len() - 1
                };
                tokio::spawn(carry(client, server, number, log.clone()));
            }
        });
        Tap { address, heard, task }
    }

    /// Every request so far that came whole.
    pub fn requests(&self) -> Vec<Overheard> {
        self.heard.lock().unwrap().iter().flat_map(|bytes| parse(bytes)).collect()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(client: TcpStream, server: SocketAddr, number: usize, log: Heard) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let forth = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            log.lock().unwrap()[number].extend_from_slice(&buffer[..length]);
            if to_server.write_all(&buffer[..length]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = forth => {}
        _ = copy(&mut from_server, &mut to_client) => {}
    }
}

/// HTTP/1.1 requests with Content-Length, one after the other.
fn parse(mut bytes: &[u8]) -> Vec<Overheard> {
    let mut found = Vec::new();
    while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let mut first = lines.next().unwrap_or("").split(' ');
        let (method, target) = (first.next().unwrap_or(""), first.next().unwrap_or(""));
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.map_or(0, |(_, length)| length.parse().expect("a length"));
        let Some(body) = bytes.get(end + 4..end + 4 + length) else { break };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        found.push(Overheard {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body: body.to_vec(),
        });
        bytes = &bytes[end + 4 + length..];
    }
    found
}
