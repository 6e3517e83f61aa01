//! TLS with a certificate from files, replaced under open connections.

use std::path::Path;

use devpocket::server::{FileTls, TlsFiles};
use futures::StreamExt as _;
use reqwest::{Certificate, Client};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::world::{ADMIN, NAMESPACES, PATIENCE, Setup, World, answer, eventually};

const NAME: &str = "dev.example.com";

/// Writes a new pair, the key first, as some renewals do; answers the certificate.
fn renew(folder: &Path) -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec![NAME.to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
    certificate.pem()
}

fn trusting(certificate: &str, world: &World) -> Client {
    Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .tls_certs_only([Certificate::from_pem(certificate.as_bytes()).unwrap()])
        .resolve(NAME, world.address)
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_without_dropping_anybody_and_a_broken_one_is_not() {
    devpocket::crypto::install_provider();
    let folder = tempfile::tempdir().unwrap();
    let old = renew(folder.path());
    let files =
        TlsFiles { certificate: folder.path().join("tls.crt"), key: folder.path().join("tls.key") };
    let tls = FileTls::open(files).unwrap();
    let world = World::start(Setup { tls: Some(tls), ..Setup::default() }).await;
    let url = format!("https://{NAME}:{}{NAMESPACES}", world.address.port());
    let first = trusting(&old, &world);
    let get = async |client: &Client| {
        let answer = client.get(&url).bearer_auth(ADMIN).send().await;
        answer.map(|answer| answer.status().as_u16()).ok()
    };
    assert_eq!(get(&first).await, Some(200));
    let watch = first.get(format!("{url}?watch=1")).bearer_auth(ADMIN);
    let mut watch = watch.send().await.unwrap().bytes_stream();

    let new = renew(folder.path());
    let second = eventually("the new certificate is served", async || {
        let client = trusting(&new, &world);
        get(&client).await.map(|code| (client, code))
    })
    .await;
    assert_eq!(second.1, 200);
    assert_eq!(get(&trusting(&old, &world)).await, None, "new connections get the new one");
    // What was open before is told what happens now.
    let body = serde_json::json!({"metadata": {"name": "team-a"}});
    let post = second.0.post(&url).bearer_auth(ADMIN).json(&body);
    assert_eq!(answer(post).await.code, 201);
    let told = tokio::time::timeout(PATIENCE, watch.next()).await.expect("the watch goes on");
    assert!(String::from_utf8_lossy(&told.unwrap().unwrap()).contains("team-a"));

    // Half a file, for longer than the server takes to look.
    std::fs::write(folder.path().join("tls.crt"), &new[..100]).unwrap();
    tokio::time::sleep(devpocket::server::LOOK_EVERY + std::time::Duration::from_secs(1)).await;
    assert_eq!(get(&trusting(&new, &world)).await, Some(200), "the last good one is kept");
    world.stop().await;
}

#[tokio::test]
async fn one_that_has_run_out_is_served_and_told_where_people_look() {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(2024, 2, 1);
    let certificate = parameters.self_signed(&key).unwrap();
    std::fs::write(folder.path().join("tls.key"), key.serialize_pem()).unwrap();
    std::fs::write(folder.path().join("tls.crt"), certificate.pem()).unwrap();
    let files =
        TlsFiles { certificate: folder.path().join("tls.crt"), key: folder.path().join("tls.key") };
    let tls = FileTls::open(files).unwrap();
    let world = World::start(Setup { tls: Some(tls), ..Setup::default() }).await;
    let url = format!("https://{NAME}:{}/health", world.address.port());
    assert!(trusting(&certificate.pem(), &world).get(&url).send().await.is_err(), "clients see it");
    // Who looks all the same is told.
    let careless = Client::builder().no_proxy().timeout(PATIENCE).resolve(NAME, world.address);
    let careless = careless.tls_danger_accept_invalid_certs(true).build().unwrap();
    let health = answer(careless.get(&url)).await;
    assert_eq!((health.code, &health.body["status"]), (200, &"ok".into()), "{health:?}");
    let told = health.body["warnings"][0].as_str().unwrap();
    assert!(told.contains("ran out at 2024-02-01T00:00:00Z"), "{told}");
    // A newer one is taken, and the warning goes.
    let good = renew(folder.path());
    eventually("the warning is gone", async || {
        let health = trusting(&good, &world).get(&url).send().await.ok()?;
        let health: serde_json::Value = health.json().await.unwrap();
        health["warnings"].is_null().then_some(())
    })
    .await;
    world.stop().await;
}

#[tokio::test]
async fn plain_http_is_told_to_speak_tls() {
    let folder = tempfile::tempdir().unwrap();
    renew(folder.path());
    let files =
        TlsFiles { certificate: folder.path().join("tls.crt"), key: folder.path().join("tls.key") };
    let tls = FileTls::open(files).unwrap();
    let world = World::start(Setup { tls: Some(tls), ..Setup::default() }).await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: dev.example.com\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // The end of the connection may come as a reset: what was sent is not read.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("https://"), "{answer}");
    world.stop().await;
}
