//! The outbox, against a mail server that fails in each phase of a conversation.

use std::process::{Command, Stdio};
use std::sync::Arc;

use devpocket::access::seal::Sealer;
use devpocket::clock::RandomIds;
use devpocket::mail::{
    Letter, MailConfig, Mailboxes, Outbox, Sender, Smtp, SmtpCarrier, SmtpSecurity,
};
use sqlx::{PgPool, Row};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::smtp::{MailServer, Phase};
use super::support::postgres::TestDatabase;
use super::world::{PATIENCE, eventually};

/// Debian's own, which has its packages.
const PYTHON: &str = "/usr/bin/python3";
const LINK: &str = "https://dev.example.com/verify#c0de-c0de";

fn verify(name: &str) -> Letter {
    Letter::VerifyEmail { name: name.into(), link: LINK.into(), hours: 24 }
}

/// An outbox with a sender to a mail server.
struct Post {
    outbox: Outbox,
    pool: PgPool,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Post {
    fn new(pool: PgPool) -> Post {
        let outbox = Outbox::new(Arc::new(Sealer::new([7; 32])));
        Post { outbox, pool, stop: CancellationToken::new(), task: None }
    }

    fn sending(mut self, server: &MailServer) -> Post {
        let boxes = Mailboxes::read("DevPocket <noreply@example.com>", Some("help@example.com"));
        let smtp = Smtp {
            host: server.address.ip().to_string(),
            port: server.address.port(),
            security: SmtpSecurity::None,
            credentials: None,
        };
        let config = MailConfig { smtp, boxes: boxes.unwrap() };
        let sender = Sender {
            outbox: self.outbox.clone(),
            pool: self.pool.clone(),
            carrier: Arc::new(SmtpCarrier::new(config).unwrap()),
            ids: Arc::new(RandomIds),
        };
        self.task = Some(tokio::spawn(sender.run(self.stop.clone())));
        self
    }

    /// Posts a letter in a transaction of its own, and commits it if asked to.
    async fn post(&self, to: &str, letter: &Letter, commit: bool) -> Uuid {
        let id = Uuid::new_v4();
        let mut transaction = self.pool.begin().await.unwrap();
        let now = "2026-11-25T10:00:00Z".parse().unwrap();
        self.outbox.post(&mut transaction, id, to, letter, now).await.unwrap();
        match commit {
            true => transaction.commit().await.unwrap(),
            false => transaction.rollback().await.unwrap(),
        }
        id
    }

    async fn row(&self, id: Uuid) -> Seen {
        let sql = "SELECT sealed, attempts, sent_at IS NOT NULL AS sent, \
                   dead_at IS NOT NULL AS dead, problem FROM outbox WHERE id = $1";
        let row = sqlx::query(sql).bind(id).fetch_one(&self.pool).await.unwrap();
        Seen {
            sealed: row.get("sealed"),
            attempts: row.get("attempts"),
            sent: row.get("sent"),
            dead: row.get("dead"),
            problem: row.get("problem"),
        }
    }

    /// As if the pause after a failure were over.
    async fn hurry(&self) {
        let sql = "UPDATE outbox SET due_at = clock_timestamp() WHERE claim IS NULL";
        sqlx::query(sql).execute(&self.pool).await.unwrap();
    }

    /// Waits until nothing waits.
    async fn drained(&self) {
        eventually("all are sent", async || {
            let sql = "SELECT count(*) FROM outbox WHERE sent_at IS NULL AND dead_at IS NULL";
            let left: i64 = sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap();
            (left == 0).then_some(())
        })
        .await;
    }

    async fn stop(self) {
        self.stop.cancel();
        if let Some(task) = self.task {
            tokio::time::timeout(PATIENCE, task).await.expect("it stops").unwrap();
        }
    }
}

#[derive(Debug)]
struct Seen {
    sealed: String,
    attempts: i32,
    sent: bool,
    dead: bool,
    problem: Option<String>,
}

#[tokio::test]
async fn a_letter_goes_out_when_its_transaction_commits_and_leaves_nothing_readable() {
    let database = TestDatabase::new().await;
    let server = MailServer::start().await;
    let quiet = Post::new(database.pool().await);
    quiet.post("nobody@example.com", &verify("nobody"), false).await;
    let id = quiet.post("ann@example.com", &verify("ann"), true).await;
    let waiting = quiet.row(id).await;
    assert!(!waiting.sealed.contains("c0de") && waiting.sealed.starts_with("sealed:v1:"));

    let post = Post::new(database.pool().await).sending(&server);
    let letter = eventually("the letter arrives", async || server.letters().pop()).await;
    assert!(
        letter.to.contains("<ann@example.com>") && letter.from.contains("<noreply@example.com>")
    );
    assert_eq!(letter.header("Message-ID"), format!("<{id}@example.com>"));
    assert_eq!(letter.header("Subject"), "Verify your e-mail address");
    assert_eq!(letter.header("Reply-To"), "help@example.com");
    assert!(letter.header("Content-Type").starts_with("multipart/alternative"));
    assert!(letter.text.contains(LINK), "{}", letter.text);
    eventually("it is written down", async || post.row(id).await.sent.then_some(())).await;
    let row = post.row(id).await;
    assert_eq!((row.sealed.as_str(), row.attempts), ("", 1));
    // A second one wakes the sender that waits.
    post.post("bob@example.com", &verify("bob"), true).await;
    eventually("the second arrives", async || (server.letters().len() == 2).then_some(())).await;
    post.stop().await;
    quiet.stop().await;
}

#[tokio::test]
async fn a_failure_in_any_phase_is_tried_again_and_nothing_comes_twice_but_under_one_name() {
    let database = TestDatabase::new().await;
    let server = MailServer::start().await;
    let post = Post::new(database.pool().await).sending(&server);
    for phase in Phase::ALL {
        // What woke the sender in the phase before must not meet the failure of this one.
        post.drained().await;
        let before = server.letters().len();
        server.fail(phase, "451 come back later", 1);
        let id = post.post("ann@example.com", &verify("ann"), true).await;
        let failed = eventually("it fails once", async || {
            let row = post.row(id).await;
            row.problem.is_some().then_some(row)
        })
        .await;
        assert!(!failed.sent && !failed.dead && failed.attempts == 1, "{phase:?}: {failed:?}");
        eventually("it is sent after all", async || {
            post.hurry().await;
            // Another letter wakes the sender, as it would find this one by itself in time.
            if !post.row(id).await.sent {
                post.post("other@example.com", &verify("other"), true).await;
            }
            post.row(id).await.sent.then_some(())
        })
        .await;
        let mine = format!("<{id}@example.com>");
        let letters = server.letters();
        let copies = letters[before..].iter().filter(|l| l.header("Message-ID") == mine).count();
        let expected = if phase == Phase::Lost { 2 } else { 1 };
        assert_eq!(copies, expected, "{phase:?}");
    }
    post.stop().await;
}

#[tokio::test]
async fn a_recipient_that_does_not_exist_makes_a_dead_letter_and_a_refused_sender_does_not() {
    let database = TestDatabase::new().await;
    let server = MailServer::start().await;
    let post = Post::new(database.pool().await).sending(&server);
    server.fail(Phase::To, "550 no such user", 1);
    let id = post.post("ghost@example.com", &verify("ghost"), true).await;
    let dead = eventually("it is given up", async || {
        let row = post.row(id).await;
        row.dead.then_some(row)
    })
    .await;
    assert_eq!((dead.sealed.as_str(), dead.attempts, dead.sent), ("", 1, false));
    assert!(dead.problem.unwrap().contains("550"));
    server.fail(Phase::From, "535 who are you", 1);
    let id = post.post("ann@example.com", &verify("ann"), true).await;
    let waiting = eventually("it failed", async || {
        let row = post.row(id).await;
        row.problem.is_some().then_some(row)
    })
    .await;
    assert!(!waiting.dead, "that is for the operator to mend: {waiting:?}");
    post.stop().await;
}

#[tokio::test]
async fn what_ran_out_before_anybody_took_it_is_not_sent_any_more() {
    let database = TestDatabase::new().await;
    let server = MailServer::start().await;
    let quiet = Post::new(database.pool().await);
    let id = quiet.post("ann@example.com", &verify("ann"), true).await;
    let sql = "UPDATE outbox SET expires_at = clock_timestamp() WHERE id = $1";
    sqlx::query(sql).bind(id).execute(&quiet.pool).await.unwrap();
    let post = Post::new(database.pool().await).sending(&server);
    eventually("it is given up", async || post.row(id).await.dead.then_some(())).await;
    assert_eq!(server.conversations(), 0);
    post.stop().await;
}

#[tokio::test]
async fn two_senders_share_an_outbox_and_send_each_letter_once() {
    let database = TestDatabase::new().await;
    let server = MailServer::start().await;
    let quiet = Post::new(database.pool().await);
    let mut ids = Vec::new();
    for number in 0..40 {
        let to = format!("user{number}@example.com");
        ids.push(quiet.post(&to, &verify("somebody"), true).await);
    }
    let one = Post::new(database.pool().await).sending(&server);
    let two = Post::new(database.pool().await).sending(&server);
    quiet.drained().await;
    let mut sent: Vec<String> =
        server.letters().iter().map(|letter| letter.header("Message-ID")).collect();
    sent.sort();
    let mut expected: Vec<String> = ids.iter().map(|id| format!("<{id}@example.com>")).collect();
    expected.sort();
    assert_eq!(sent, expected);
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_letter_whose_sender_died_is_taken_over_when_its_time_is_up() {
    let database = TestDatabase::new().await;
    let server = MailServer::start().await;
    let quiet = Post::new(database.pool().await);
    let id = quiet.post("ann@example.com", &verify("ann"), true).await;
    // A process claimed it and was killed.
    let sql = "UPDATE outbox SET claim = $2, attempts = 1, \
               due_at = clock_timestamp() + interval '5 minutes' WHERE id = $1";
    sqlx::query(sql).bind(id).bind(Uuid::new_v4()).execute(&quiet.pool).await.unwrap();
    let post = Post::new(database.pool().await).sending(&server);
    post.post("bob@example.com", &verify("bob"), true).await;
    eventually("the other arrives", async || (server.letters().len() == 1).then_some(())).await;
    assert!(!post.row(id).await.sent, "it is somebody else's for now");
    let sql = "UPDATE outbox SET due_at = clock_timestamp() WHERE id = $1";
    sqlx::query(sql).bind(id).execute(&quiet.pool).await.unwrap();
    post.post("carl@example.com", &verify("carl"), true).await;
    eventually("it is taken over", async || post.row(id).await.sent.then_some(())).await;
    post.stop().await;
}

#[tokio::test]
async fn without_a_sender_nothing_is_posted_and_it_says_so() {
    let database = TestDatabase::new().await;
    let pool = database.pool().await;
    let outbox = Outbox::default();
    assert!(!outbox.sends());
    let mut connection = pool.acquire().await.unwrap();
    let now = "2026-11-25T10:00:00Z".parse().unwrap();
    let (id, letter) = (Uuid::new_v4(), verify("a"));
    let refused = outbox.post(&mut connection, id, "a@b.example", &letter, now).await;
    assert!(refused.unwrap_err().to_string().contains("SMTP_URL"));
    let open = Outbox::new(Arc::new(Sealer::new([7; 32])));
    for wrong in ["ann", "ann@example.com\r\nBcc: all@example.com", ""] {
        let id = Uuid::new_v4();
        assert!(open.post(&mut connection, id, wrong, &verify("a"), now).await.is_err());
    }
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&pool).await.unwrap();
    assert_eq!(left, 0);
}

/// A mail server that others wrote takes the letters too, and Python's mail library reads them.
#[tokio::test]
async fn a_mail_server_of_others_takes_the_letters() {
    const SERVER: &str = include_str!("mail_server.py");
    let has = Command::new(PYTHON).args(["-c", "import aiosmtpd"]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        let text = "python3-aiosmtpd is missing: letters are not tried with a server of others";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
        eprintln!("{text}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = tokio::process::Command::new(PYTHON)
        .args(["-c", SERVER])
        .arg(folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let read = async |name: &str| std::fs::read_to_string(folder.path().join(name)).ok();
    let port = eventually("it listens", async || read("port").await).await;
    let smtp = Smtp {
        host: "127.0.0.1".into(),
        port: port.trim().parse().unwrap(),
        security: SmtpSecurity::None,
        credentials: None,
    };
    let boxes = Mailboxes::read("DevPocket <noreply@example.com>", None).unwrap();
    let database = TestDatabase::new().await;
    let mut post = Post::new(database.pool().await);
    let carrier = SmtpCarrier::new(MailConfig { smtp, boxes }).unwrap();
    let sender = Sender {
        outbox: post.outbox.clone(),
        pool: post.pool.clone(),
        carrier: Arc::new(carrier),
        ids: Arc::new(RandomIds),
    };
    post.task = Some(tokio::spawn(sender.run(post.stop.clone())));
    let name = "Žofie <script>\r\n.\r\nBcc: all@example.com";
    let letter = Letter::Invitation {
        inviter: name.into(),
        team: "Größe".into(),
        role: "editor".into(),
        link: "https://dev.example.com/invite#c0de".into(),
        days: 7,
    };
    post.post("ann@example.com", &letter, true).await;
    let seen = eventually("it arrives", async || read("letter.json").await).await;
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["to"], serde_json::json!(["ann@example.com"]));
    let headers = seen["headers"].as_object().unwrap();
    assert!(!headers.contains_key("Bcc"), "{headers:?}");
    let subject = headers["Subject"].as_str().unwrap();
    assert!(subject.starts_with("Žofie") && subject.ends_with("Größe"), "{subject}");
    assert!(seen["plain"].as_str().unwrap().contains("https://dev.example.com/invite#c0de"));
    let html = seen["html"].as_str().unwrap();
    assert!(html.contains("&lt;script&gt;") && !html.contains("<script>"), "{html}");
    post.stop().await;
    child.kill().await.unwrap();
}
