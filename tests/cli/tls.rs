//! The program over https: whom it trusts, and what it says about whom it does not.

use std::net::SocketAddr;
use std::sync::Arc;

use devpocket::server::LocalTls;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::world::{Ended, World};

/// Nothing was sent to what is not trusted: that is said each time.
const NOTHING_SENT: &str = "  so far   nothing was sent, the token neither";

async fn world() -> (World, LocalTls, String) {
    devpocket::crypto::install_provider();
    let folder = tempfile::tempdir().unwrap();
    let tls = LocalTls::open(folder.path()).unwrap();
    let world = World::with_tls(tls.clone()).await;
    let server = format!("https://{}", world.address);
    (world, tls, server)
}

/// A server with a certificate for these names, valid in this year; its authority as PEM.
async fn stranger(names: &[&str], year: i32) -> (SocketAddr, String) {
    devpocket::crypto::install_provider();
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut own = CertificateParams::new(names).unwrap();
    own.not_before = date_time_ymd(year, 1, 1);
    own.not_after = date_time_ymd(year + 1, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = own.signed_by(&key, &issuer).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // It is the client that is judged: whatever becomes of the handshake is its affair.
            let _ = acceptor.accept(stream).await;
        }
    });
    (address, authority_pem)
}

fn told(ended: Ended, first_line: &str, because: &str) {
    let ended = ended.refused(6, first_line).says(&[NOTHING_SENT]);
    let text = ended.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(because), "{}", ended.err);
}

#[tokio::test]
async fn with_the_authority_of_the_context_everything_goes_over_tls() {
    let (world, tls, server) = world().await;
    world.sign_in_at(&server, Some(tls.authority()));
    world.declare("web").await;
    let listed = world.run(&["get", "env", "-o", "name"]).await.done();
    assert_eq!(listed.out, "env/web\n");
    let status = world.run(&["status"]).await.done();
    assert!(status.out.contains(&server), "{}", status.out);
    let mut watching = world.start(&["get", "env", "-w", "-o", "name"]);
    assert_eq!(watching.answer().await.as_deref(), Some("env/web"));
    world.declare("db").await;
    assert_eq!(watching.answer().await.as_deref(), Some("env/db"));
}

#[tokio::test]
async fn the_context_of_plain_http_vouches_for_tls_on_the_same_port_and_nowhere_else() {
    let (world, tls, server) = world().await;
    world.sign_in_at(&format!("http://{}", world.address), Some(tls.authority()));
    world.run(&["get", "env", "--server", &server]).await.done();
    let (other, _, elsewhere) = self::world().await;
    let ended = world.run(&["get", "env", "--server", &elsewhere]).await;
    assert_eq!(ended.code, 6, "{}", ended.err);
    drop(other);
}

#[tokio::test]
async fn login_takes_the_authority_from_a_file_and_remembers_it() {
    let (world, tls, server) = world().await;
    world.file("ca.pem", tls.authority());
    world.file("token", crate::world::TOKEN);
    let login = ["login", &server, "--name", "dev", "--token-file", "token"];
    let first = format!("error[server-untrusted]: nobody who is trusted here vouches for {server}");
    told(world.run(&login).await, &first, "signed by an authority that neither this system");
    let trusted = [&login[..], &["--certificate-authority", "ca.pem"]].concat();
    world.run(&trusted).await.done();
    world.run(&["get", "env", "--context", "dev"]).await.done();
}

#[tokio::test]
async fn an_unknown_authority_is_named_with_the_way_to_trust_it() {
    let (world, _, server) = world().await;
    world.sign_in_at(&server, None);
    let ended = world.run(&["get", "env"]).await;
    let first = format!("error[server-untrusted]: nobody who is trusted here vouches for {server}");
    let remedy = format!(
        "devpocket login {server} --token-file FILE --certificate-authority FILE    \
         trusts the authority in that file, for this server only"
    );
    told(ended.says(&[&format!("  try      {remedy}")]), &first, "its certificate is signed by");
}

#[tokio::test]
async fn another_servers_certificate_is_not_taken_for_this_one() {
    let (world, ..) = world().await;
    let (address, authority) = stranger(&["dev.example.com", "10.1.2.3"], 2026).await;
    let server = format!("https://{address}");
    world.sign_in_at(&server, Some(&authority));
    let ended = world.run(&["get", "env"]).await;
    let first = format!("error[server-untrusted]: what answers at {server} is another server");
    told(ended, &first, "its certificate is for dev.example.com, 10.1.2.3, not for 127.0.0.1");
}

#[tokio::test]
async fn a_certificate_that_is_over_is_told_apart() {
    let (world, ..) = world().await;
    let (address, authority) = stranger(&["127.0.0.1"], 2001).await;
    let server = format!("https://{address}");
    world.sign_in_at(&server, Some(&authority));
    let ended = world.run(&["get", "env"]).await;
    let first = format!("error[server-untrusted]: the certificate of {server} is not valid today");
    told(ended, &first, "or this computer's clock is wrong");
}

#[tokio::test]
async fn a_server_without_tls_is_named_as_such() {
    let world = World::new().await;
    let server = format!("https://{}", world.address);
    world.sign_in_at(&server, None);
    let ended = world.run(&["get", "env"]).await;
    let remedy = format!("devpocket version --server http://{}", world.address);
    let first = format!("error[server-untrusted]: {server} does not speak TLS");
    told(ended.says(&[&format!("  try      {remedy}    asks without TLS")]), &first, "another");
}

#[tokio::test]
async fn a_spoiled_authority_in_the_context_is_named() {
    let (world, _, server) = world().await;
    let spoiled = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    world.sign_in_at(&server, Some(spoiled));
    let ended = world.run(&["get", "env"]).await;
    let first =
        format!("error[server-untrusted]: the certificates to trust for {server} cannot be read");
    told(ended, &first, "because");
}
