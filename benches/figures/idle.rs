//! What a replica costs that has nothing to do: the real program, a real Postgres, a simulated
//! Contabo in a process of its own, one environment at rest.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sqlx::{PgPool, Row as _};

use super::cpu;
use super::postgres::{Server, runtime};
use super::table::{Row, Scale};

const PROGRAM: &str = env!("CARGO_BIN_EXE_devpocket");
const TOKEN: &str = "bench-token-0123456789-0123456789";
/// Longest wait for the start.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn measure(scale: Scale) -> Vec<Row> {
    let (settle, length) = scale.pick(
        (Duration::ZERO, Duration::from_secs(1)),
        (Duration::from_secs(15), Duration::from_secs(120)),
    );
    runtime().block_on(async {
        let server = Server::start().await;
        let [api, control, port] = free_ports();
        let _contabo = Running::start(
            Command::new(PROGRAM)
                .args(["simulator", "serve", "--port", &api.to_string()])
                .args(["--control-port", &control.to_string()]),
        );
        let replica = Running::start(serve(&server.url(), api, port));
        up(port).await;
        tokio::time::sleep(settle).await;
        let pool = PgPool::connect(&server.url()).await.expect("a connection");
        let (queries, busy) = (transactions(&pool).await, cpu::process_seconds(replica.id()));
        tokio::time::sleep(length).await;
        let queries = transactions(&pool).await - queries;
        let busy = cpu::process_seconds(replica.id()) - busy;
        let resident = cpu::resident_bytes(replica.id());
        drop(replica);
        pool.close().await;
        server.stop().await;
        let seconds = length.as_secs_f64();
        vec![Row::new(
            "idle, one replica that leads",
            format!(
                "{:.2} queries/s, {:.2} % CPU, {:.0} MB",
                queries as f64 / seconds,
                busy / seconds * 100.0,
                resident as f64 / 1e6
            ),
            "<= 1 query/s, <= 0.5 %, <= 60 MB",
        )]
    })
}

fn serve(database: &str, contabo: u16, port: u16) -> &'static mut Command {
    let command = Box::leak(Box::new(Command::new(PROGRAM)));
    let contabo = format!("http://127.0.0.1:{contabo}");
    let token = "/auth/realms/contabo/protocol/openid-connect/token";
    command
        .args(["serve", "--port", &port.to_string()])
        .env("DATABASE_URL", database)
        .env("CONTABO_API_URL", &contabo)
        .env("CONTABO_AUTH_URL", format!("{contabo}{token}"))
        .env("CONTABO_CLIENT_ID", devpocket::simulator::CLIENT_ID)
        .env("CONTABO_CLIENT_SECRET", devpocket::simulator::CLIENT_SECRET)
        .env("CONTABO_USERNAME", devpocket::simulator::API_USER)
        .env("CONTABO_PASSWORD", devpocket::simulator::API_PASSWORD)
        .env("DEVPOCKET_ADMIN_TOKEN", TOKEN)
        .env("DEVPOCKET_SEAL_KEY", "07".repeat(32))
        .env("SECRET_KEY", "08".repeat(32))
}

/// Waits until the replica answers that it is ready.
async fn up(port: u16) {
    let url = format!("http://127.0.0.1:{port}/health/ready");
    let ready = async {
        loop {
            let answer = reqwest::get(&url).await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.expect("the replica starts");
}

/// Transactions in the replica's database so far; each of its queries is one.
async fn transactions(pool: &PgPool) -> i64 {
    let sql = "SELECT xact_commit + xact_rollback AS n FROM pg_stat_database \
               WHERE datname = current_database()";
    let row = sqlx::query(sql).fetch_one(pool).await.expect("the statistics");
    row.try_get("n").expect("a number")
}

/// A process that ends with this value.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Running {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Running(command.spawn().expect("the program starts"))
    }

    fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_ports() -> [u16; 3] {
    // Held together, so that they differ.
    let listeners = [(); 3].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("a port"));
    listeners.map(|listener| listener.local_addr().expect("its address").port())
}
