//! One SSH connection to the machine: who signs in, and which channels open.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use russh::keys::Certificate;
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelOpenFailure};
use tokio::task::JoinSet;

use super::{Isolation, Machine, forward, session, trust};

/// Channels one connection may have open.
const CHANNELS_MAX: usize = 64;

pub(super) struct Connection {
    machine: Arc<Machine>,
    signed_in: Arc<AtomicBool>,
    /// What the channels run; it ends with the connection.
    work: JoinSet<()>,
    forwards: forward::Forwards,
}

impl Connection {
    pub fn new(machine: Arc<Machine>) -> Connection {
        Connection {
            machine,
            signed_in: Arc::default(),
            work: JoinSet::new(),
            forwards: forward::Forwards::default(),
        }
    }

    pub fn signed_in(&self) -> Arc<AtomicBool> {
        self.signed_in.clone()
    }

    fn has_room(&mut self) -> bool {
        while self.work.try_join_next().is_some() {}
        self.work.len() < CHANNELS_MAX
    }

    /// Only in a network of its own may the machine open connections for a client.
    fn may_forward(&self) -> bool {
        self.machine.boot.isolation == Isolation::Sandbox
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        let known = user == self.machine.boot.user
            && trust::is_authorized(&self.machine.disk, user, key.public_key);
        Ok(if known { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_openssh_certificate(
        &mut self,
        user: &str,
        certificate: &Certificate,
    ) -> Result<Auth, Self::Error> {
        let clock = self.machine.boot_now().map_or(0, |boot| boot.clock);
        let fault = trust::certificate_fault(&self.machine.disk, user, certificate, clock);
        if user == self.machine.boot.user && fault.is_none() {
            return Ok(Auth::Accept);
        }
        tracing::info!(user, ?fault, "a certificate was refused");
        Ok(Auth::reject())
    }

    async fn auth_succeeded(&mut self, _session: &mut Session) -> Result<(), Self::Error> {
        self.signed_in.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if !self.has_room() {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        reply.accept().await;
        self.work.spawn(session::serve(channel, session.handle(), self.machine.clone()));
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _originator: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        if !self.may_forward() || !self.has_room() {
            reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
            return Ok(());
        }
        self.work.spawn(forward::connect(channel, host.to_owned(), port, reply));
        Ok(())
    }

    async fn tcpip_forward(
        &mut self,
        address: &str,
        port: &mut u32,
        session: &mut Session,
    ) -> Result<bool, Self::Error> {
        if !self.may_forward() || !self.has_room() {
            return Ok(false);
        }
        Ok(self.forwards.listen(address, port, session.handle()).await)
    }

    async fn cancel_tcpip_forward(
        &mut self,
        address: &str,
        port: u32,
        _session: &mut Session,
    ) -> Result<bool, Self::Error> {
        Ok(self.forwards.cancel(address, port))
    }
}
