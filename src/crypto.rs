//! The one place that chooses how TLS is done.
//!
//! reqwest and rustls are built without a default provider, so that the binary links one
//! implementation (ring); building a client before a provider is installed panics, even for plain
//! HTTP. Everything that builds one calls this first.

/// Installs ring as the process's TLS provider. Idempotent; a provider that is already there stays.
pub fn install_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
