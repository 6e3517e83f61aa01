//! The listener and its connections.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures::future::Either;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::certificate::FileTls;
use super::limits::{
    ACCEPT_PAUSE, CONNECTIONS, DRAIN, HEADER_BYTES, HEADER_TIME, HEADERS, READ_BYTES,
};
use super::request::Peer;
use super::state::AppState;
use super::tls::LocalTls;

/// First byte of a TLS connection: a handshake record. No HTTP request begins with it.
const TLS_HANDSHAKE: u8 = 0x16;
/// For whoever speaks plain HTTP where only TLS is spoken. What they sent was in the clear already.
const PLAIN_REFUSED: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n\
    content-length: 41\r\nconnection: close\r\n\r\nthis port speaks TLS only: use https://\n\n";

/// Why the server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("{0} is in use by another process")]
    Taken(SocketAddr),
    #[error("{0} can be reached from other machines, where tokens would travel in the clear")]
    NotLoopback(SocketAddr),
    #[error("cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
}

/// Who may reach the listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exposure {
    /// This machine only.
    #[default]
    Loopback,
    /// Anybody: something in front of it terminates TLS.
    BehindProxy,
    /// Anybody, by TLS: [`Server::with_certificate`] follows.
    Tls,
}

/// How connections are made secret.
#[derive(Clone, Debug)]
enum Tls {
    /// Plain HTTP is spoken on the same port.
    Local(LocalTls),
    Files(FileTls),
}

/// A bound listener that does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
}

impl Server {
    /// Takes the address. Port 0 lets the system choose, see [`Server::address`].
    pub async fn bind(address: SocketAddr, exposure: Exposure) -> Result<Server, ServerError> {
        if exposure == Exposure::Loopback && !address.ip().is_loopback() {
            return Err(ServerError::NotLoopback(address));
        }
        let refused = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => ServerError::Taken(address),
            _ => ServerError::Listen { address, source },
        };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Server { listener, address, tls: None })
    }

    /// Speaks TLS as well, on the same port: what begins with a handshake is TLS, the rest is plain.
    pub fn with_tls(self, tls: LocalTls) -> Server {
        Server { tls: Some(Tls::Local(tls)), ..self }
    }

    /// Speaks TLS only, with a certificate from files that may be replaced while it runs.
    pub fn with_certificate(self, tls: FileTls) -> Server {
        Server { tls: Some(Tls::Files(tls)), ..self }
    }

    /// The certificate from files, where there is one.
    pub fn certificate(&self) -> Option<&FileTls> {
        match &self.tls {
            Some(Tls::Files(tls)) => Some(tls),
            Some(Tls::Local(_)) | None => None,
        }
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until [`AppState::shutdown`] is cancelled and the connections are drained.
    pub async fn serve(self, state: Arc<AppState>) {
        let shutdown = state.shutdown.clone();
        let router = super::router(state);
        let connections = TaskTracker::new();
        if let Some(Tls::Files(tls)) = &self.tls {
            connections.spawn(tls.clone().follow(shutdown.clone()));
        }
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                accepted = accept(&self.listener, &room) => accepted,
            };
            let (stream, peer, permit) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let service = router
                .clone()
                .map_request(move |request: hyper::Request<Incoming>| with_peer(request, peer));
            let (tls, shutdown) = (self.tls.clone(), shutdown.clone());
            connections.spawn(async move {
                if let Err(error) = connection(stream, tls, service, shutdown).await {
                    tracing::trace!(%error, %peer, "a connection ended early");
                }
                drop(permit);
            });
        }
        drop(self.listener);
        connections.close();
        if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
            tracing::warn!("some requests were still under way after {} s", DRAIN.as_secs());
        }
    }
}

/// Finds out what a connection speaks, and serves it.
async fn connection<S>(
    stream: TcpStream,
    tls: Option<Tls>,
    service: S,
    shutdown: CancellationToken,
) -> io::Result<()>
where
    S: Service,
    S::Future: Send,
{
    let Some(tls) = tls else {
        return converse(stream, service, shutdown).await.map_err(io::Error::other);
    };
    let opening = async {
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 || first[0] != TLS_HANDSHAKE {
            return match tls {
                Tls::Local(_) => Ok(Either::Left(stream)),
                Tls::Files(_) => Err(refuse_plain(stream).await),
            };
        }
        let acceptor = match &tls {
            Tls::Local(tls) => tls.acceptor.clone(),
            Tls::Files(tls) => tls.acceptor(),
        };
        acceptor.accept(stream).await.map(Either::Right)
    };
    // Whoever connects and says nothing holds no place, as with the headers.
    let opened = tokio::select! {
        biased;
        () = shutdown.cancelled() => return Ok(()),
        opened = tokio::time::timeout(HEADER_TIME, opening) => opened??,
    };
    match opened {
        Either::Left(plain) => converse(plain, service, shutdown).await,
        Either::Right(secret) => converse(secret, service, shutdown).await,
    }
    .map_err(io::Error::other)
}

async fn refuse_plain(mut stream: TcpStream) -> io::Error {
    // Best effort: it is refused whether it hears why or not.
    let _ = stream.write_all(PLAIN_REFUSED).await;
    let _ = stream.shutdown().await;
    io::Error::other("plain HTTP where only TLS is spoken")
}

/// What a connection's requests are handed to.
trait Service:
    tower::Service<hyper::Request<Incoming>, Response = Response, Error = Infallible>
    + Clone
    + Send
    + 'static
{
}

impl<S> Service for S where
    S: tower::Service<hyper::Request<Incoming>, Response = Response, Error = Infallible>
        + Clone
        + Send
        + 'static
{
}

/// Serves one connection; once the server stops, only to the end of the request under way.
async fn converse<T, S>(
    stream: T,
    service: S,
    shutdown: CancellationToken,
) -> Result<(), hyper::Error>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Service,
    S::Future: Send,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_headers(HEADERS)
        .max_header_size(HEADER_BYTES)
        .max_buf_size(READ_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        ended = connection.as_mut() => return ended,
        () = shutdown.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Small replies and watch events must not wait for more to come.
    stream.set_nodelay(true)?;
    Ok((stream, peer, permit))
}

fn with_peer(request: hyper::Request<Incoming>, peer: SocketAddr) -> Request {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(Peer(peer));
    request
}
