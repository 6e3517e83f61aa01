//! The one seam under every SSH connection: from a machine's address to a TCP stream.

use std::io;

use async_trait::async_trait;
use serde::Deserialize;
use tokio::net::TcpStream;

/// The port of sshd.
const SSH_PORT: u16 = 22;

/// Opens a stream to the SSH port of the machine at an address.
#[async_trait]
pub trait Dialer: Send + Sync + 'static {
    async fn dial(&self, address: &str) -> io::Result<TcpStream>;
}

/// The network as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Direct;

#[async_trait]
impl Dialer for Direct {
    async fn dial(&self, address: &str) -> io::Result<TcpStream> {
        TcpStream::connect((address, SSH_PORT)).await
    }
}

/// Machines of a simulated Contabo: its control plane says on which loopback port each listens.
#[derive(Clone, Debug)]
pub struct Simulated {
    url: String,
    http: reqwest::Client,
}

/// The part of the control plane's answer that matters here.
#[derive(Deserialize)]
struct Place {
    address: String,
    port: Option<u16>,
}

impl Simulated {
    /// `control`: the address of the control plane.
    pub fn new(control: &str) -> Simulated {
        crate::crypto::install_provider();
        let url = format!("{}/guests", control.trim_end_matches('/'));
        Simulated { url, http: reqwest::Client::new() }
    }
}

#[async_trait]
impl Dialer for Simulated {
    async fn dial(&self, address: &str) -> io::Result<TcpStream> {
        let asked = async { self.http.get(&self.url).send().await?.json::<Vec<Place>>().await };
        let places = asked.await.map_err(io::Error::other)?;
        let place = places.into_iter().find(|place| place.address == address);
        match place.and_then(|place| place.port) {
            Some(port) => TcpStream::connect(("127.0.0.1", port)).await,
            None => Err(io::Error::new(io::ErrorKind::ConnectionRefused, "nothing listens yet")),
        }
    }
}
