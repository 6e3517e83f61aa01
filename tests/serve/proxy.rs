//! Behind the Caddy of `examples/deploy`: a name, TLS, and watches that stay open.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures::StreamExt;
use reqwest::{Certificate, Method};
use serde_json::{Value, json};

use crate::process::{eventually, within};
use crate::world::{ENVIRONMENTS, Serve, TOKEN, World};

const NAME: &str = "dev.example.com";
/// Longer than a proxy with time-outs of seconds, or with a buffer, would let a watch be quiet.
const QUIET: Duration = Duration::from_secs(8);
/// A change that is passed on at once is here long before; one that waits for a buffer never.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Says if Caddy is missing; under `CI=true` that is a failure.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("caddy"));
    let found = found.into_iter().find(|file| file.is_file());
    if found.is_none() {
        let text = "caddy is missing: the Caddyfile of examples/deploy is not tried";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
        eprintln!("{text}");
    }
    found
}

/// Caddy as it is deployed, but for three things a test cannot have: its certificate is of its own
/// authority, its ports are free ones, and it has no control port.
struct Caddy {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Caddy {
    fn start(program: PathBuf, upstream: &str) -> Caddy {
        let folder = tempfile::tempdir().unwrap();
        let free = || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let (http, port) = (free(), free());
        let deployed = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/deploy/Caddyfile");
        let options = format!(
            "email {{$ACME_EMAIL}}\n\tadmin off\n\tskip_install_trust\n\tlocal_certs\n\
             \tdefault_bind 127.0.0.1\n\thttp_port {http}\n\thttps_port {port}\n"
        );
        let text = std::fs::read_to_string(deployed).unwrap();
        let changed = text.replacen("email {$ACME_EMAIL}\n", &options, 1);
        assert_ne!(changed, text);
        let file = folder.path().join("Caddyfile");
        std::fs::write(&file, changed).unwrap();
        let child = Command::new(program)
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(&file)
            .env_clear()
            .env("HOME", folder.path())
            .env("XDG_DATA_HOME", folder.path())
            .env("DEVPOCKET_SITE", NAME)
            .env("DEVPOCKET_UPSTREAM", upstream)
            .env("ACME_EMAIL", "ops@example.com")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        Caddy { child, port, folder }
    }

    /// A client that trusts Caddy's authority and finds the name on this computer.
    async fn client(&self) -> reqwest::Client {
        let root = self.folder.path().join("caddy/pki/authorities/local/root.crt");
        let authority = eventually("Caddy's authority", async || std::fs::read(&root).ok()).await;
        reqwest::Client::builder()
            .no_proxy()
            .tls_certs_merge([Certificate::from_pem(&authority).unwrap()])
            .resolve(NAME, ([127, 0, 0, 1], self.port).into())
            .build()
            .unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("https://{NAME}:{}{path}", self.port)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Caddy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_caddyfile_serves_the_name_and_lets_a_quiet_watch_through() {
    let Some(program) = program() else { return };
    let (mut world, database) = World::empty().await;
    world.set("ALLOWED_HOSTS", NAME);
    let serve = world.leading_with(&["--behind-proxy"]).await;
    let caddy = Caddy::start(program, serve.url.trim_start_matches("http://"));
    let http = caddy.client().await;
    let ready = eventually("an answer through Caddy", async || {
        http.get(caddy.url("/health/ready")).send().await.ok()
    })
    .await;
    assert_eq!(ready.status().as_u16(), 200, "{}", caddy.log());
    assert!(ready.headers()["strict-transport-security"].to_str().unwrap().contains("max-age"));
    let anybody = http.get(caddy.url(ENVIRONMENTS)).send().await.unwrap();
    assert_eq!(anybody.status().as_u16(), 401, "a token is asked for behind it too");

    // Who asks is whom Caddy heard, not whom the client says it is.
    let namespace = json!({"metadata": {"name": "from-afar"}});
    let made = http.post(caddy.url("/kube/api/v1/namespaces")).bearer_auth(TOKEN).json(&namespace);
    let made = made.header("x-forwarded-for", "203.0.113.7").header("x-real-ip", "203.0.113.7");
    assert_eq!(made.send().await.unwrap().status().as_u16(), 201);
    let sql = "SELECT address FROM audit WHERE name = 'from-afar'";
    let pool = database.pool().await;
    let address: Option<String> = sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap();
    assert_eq!(address.as_deref(), Some("127.0.0.1"));

    let watch = http.get(caddy.url(&format!("{ENVIRONMENTS}?watch=1"))).bearer_auth(TOKEN);
    let mut stream = watch.send().await.unwrap().bytes_stream();
    let silent = tokio::time::timeout(QUIET, stream.next()).await;
    assert!(silent.is_err(), "nothing was to be told: {silent:?}");
    change(&serve).await;
    let told = tokio::time::timeout(AT_ONCE, stream.next()).await.expect("it is told at once");
    let event: Value = serde_json::from_slice(&told.unwrap().unwrap()).unwrap();
    assert_eq!(event["object"]["metadata"]["name"], "quiet");

    let body = format!("{{\"x\": \"{}\"}}", "x".repeat(3 * 1024 * 1024));
    let large = http.post(caddy.url(ENVIRONMENTS)).bearer_auth(TOKEN).body(body);
    let large = large.header("content-type", "application/json").send().await;
    // DevPocket's own limit, with an answer or by an end while it is still being sent, for which
    // Caddy says 502.
    let refused = |reply: &reqwest::Response| [413, 502].contains(&reply.status().as_u16());
    assert!(large.as_ref().is_err() || large.as_ref().is_ok_and(refused), "{large:?}");
    within(AT_ONCE * 4, "it goes on answering", async || {
        let reply = http.get(caddy.url("/health/ready")).send().await.ok()?;
        (reply.status().as_u16() == 200).then_some(())
    })
    .await;
}

async fn change(serve: &Serve) {
    let environment = json!({
        "apiVersion": "devpocket.dev/v1alpha1", "kind": "Environment",
        "metadata": {"name": "quiet"},
        "spec": {"size": "vps-10-nvme", "region": "EU", "paused": {"until": "2100-01-01T00:00:00Z"}},
    });
    let (code, reply) = serve.send(Method::POST, ENVIRONMENTS, Some(&environment)).await;
    assert_eq!(code, 201, "{reply}");
}
