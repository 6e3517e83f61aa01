//! TCP connections through the machine, both ways, within its own network.

use std::collections::BTreeMap;

use russh::server::{ChannelOpenHandle, Handle, Msg};
use russh::{Channel, ChannelOpenFailure};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Ports one connection may have the machine listen on.
const LISTENERS_MAX: usize = 16;

/// What a client asked the machine to connect to.
pub(super) async fn connect(
    channel: Channel<Msg>,
    host: String,
    port: u32,
    reply: ChannelOpenHandle,
) {
    let Ok(port) = u16::try_from(port) else {
        return reply.reject(ChannelOpenFailure::ConnectFailed).await;
    };
    match TcpStream::connect((host.as_str(), port)).await {
        Ok(mut there) => {
            reply.accept().await;
            let mut here = channel.into_stream();
            let _ = copy_bidirectional(&mut here, &mut there).await;
        }
        Err(_) => reply.reject(ChannelOpenFailure::ConnectFailed).await,
    }
}

/// Ports the machine listens on for a client. They close with the connection.
#[derive(Default)]
pub(super) struct Forwards {
    listeners: BTreeMap<(String, u32), AbortHandle>,
}

impl Forwards {
    /// Listens; a port of 0 becomes the one that was taken.
    pub async fn listen(&mut self, address: &str, port: &mut u32, handle: Handle) -> bool {
        let Ok(wanted) = u16::try_from(*port) else { return false };
        // As sshd without GatewayPorts: loopback, whatever was asked for.
        let Ok(listener) = TcpListener::bind(("127.0.0.1", wanted)).await else { return false };
        let Ok(bound) = listener.local_addr() else { return false };
        if self.listeners.len() >= LISTENERS_MAX {
            return false;
        }
        *port = u32::from(bound.port());
        let (name, number) = (address.to_owned(), *port);
        let task = tokio::spawn(accept(listener, name.clone(), number, handle));
        self.listeners.insert((name, number), task.abort_handle());
        true
    }

    pub fn cancel(&mut self, address: &str, port: u32) -> bool {
        let found = self.listeners.remove(&(address.to_owned(), port));
        found.inspect(AbortHandle::abort).is_some()
    }
}

impl Drop for Forwards {
    fn drop(&mut self) {
        self.listeners.values().for_each(AbortHandle::abort);
    }
}

async fn accept(listener: TcpListener, address: String, port: u32, handle: Handle) {
    while let Ok((mut here, peer)) = listener.accept().await {
        let opened = handle
            .channel_open_forwarded_tcpip(
                address.clone(),
                port,
                peer.ip().to_string(),
                u32::from(peer.port()),
            )
            .await;
        let Ok(channel) = opened else { continue };
        tokio::spawn(async move {
            let mut there = channel.into_stream();
            let _ = copy_bidirectional(&mut here, &mut there).await;
        });
    }
}
