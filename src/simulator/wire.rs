//! Connections that can be cut: what a lost reply looks like from outside.
//!
//! Every accepted stream has a [`Line`]; the handler of a request gets it as connect info and can
//! cut it, so that not one more byte leaves and the client sees its connection close.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use futures::{StreamExt, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// One connection, as its handlers see it.
#[derive(Clone)]
pub(super) struct Line(Arc<State>);

#[derive(Default)]
struct State {
    cut: AtomicBool,
    /// Whether somebody waits for what was written to leave.
    awaited: AtomicBool,
    flushed: Notify,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("cut", &self.0.cut).finish_non_exhaustive()
    }
}

impl Line {
    /// From now on nothing leaves.
    pub fn cut(&self) {
        self.0.cut.store(true, Ordering::SeqCst);
    }

    /// A body that delivers `start`, and cuts the line once that has left.
    pub fn torn_body(&self, start: Bytes) -> Body {
        let line = self.clone();
        let end = self.clone();
        let start = stream::once(async move {
            line.0.awaited.store(true, Ordering::SeqCst);
            Ok(start)
        });
        let cut = stream::once(async move {
            end.0.flushed.notified().await;
            end.cut();
            Err(io::Error::from(io::ErrorKind::ConnectionReset))
        });
        Body::from_stream(start.chain(cut))
    }
}

impl Connected<IncomingStream<'_, CuttableListener>> for Line {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Line {
        stream.remote_addr().1.clone()
    }
}

/// A listener whose connections can be cut.
pub(super) struct CuttableListener(pub TcpListener);

impl Listener for CuttableListener {
    type Io = CuttableStream;
    type Addr = (SocketAddr, Line);

    async fn accept(&mut self) -> (CuttableStream, (SocketAddr, Line)) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Replies are small and awaited; holding them back would only add a delay.
        let _ = stream.set_nodelay(true);
        let line = Line(Arc::default());
        (CuttableStream { stream, line: line.clone() }, (address, line))
    }

    fn local_addr(&self) -> io::Result<(SocketAddr, Line)> {
        Ok((self.0.local_addr()?, Line(Arc::default())))
    }
}

pub(super) struct CuttableStream {
    stream: TcpStream,
    line: Line,
}

impl CuttableStream {
    fn check(&self) -> io::Result<()> {
        if self.line.0.cut.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if flushed.is_ready() && self.line.0.awaited.swap(false, Ordering::SeqCst) {
            self.line.0.flushed.notify_one();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
