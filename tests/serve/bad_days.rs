//! The database goes away under a running server, and comes back.

use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::process::{LOOK, eventually};
use crate::support::postgres::OwnServer;
use crate::world::{ENVIRONMENTS, Serve, World};

/// Looks at a server without its database: five seconds of them.
const LOOKS: usize = 50;
/// Log lines and calls of Contabo that are plenty for these looks, and few for a hot loop.
const PLENTY: usize = 150;

/// Follows the environments as a client does: where a watch ends, from what it saw last.
struct Follower {
    seen: Vec<(String, String, Value)>,
    after: String,
}

impl Follower {
    async fn new(serve: &Serve) -> Follower {
        let (code, list) = serve.get(ENVIRONMENTS).await;
        assert_eq!(code, 200, "{list}");
        let after = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
        Follower { seen: Vec::new(), after }
    }

    /// Watches until an event satisfies `wanted`.
    async fn until(&mut self, serve: &Serve, wanted: impl Fn(&Value) -> bool) {
        loop {
            let path = format!("{ENVIRONMENTS}?watch=1&resourceVersion={}", self.after);
            let reply = serve.request(Method::GET, &path).send().await.unwrap();
            if reply.status().as_u16() != 200 {
                // The database is away: a client comes again.
                assert_eq!(reply.status().as_u16(), 503, "{}", reply.text().await.unwrap());
                tokio::time::sleep(LOOK).await;
                continue;
            }
            let (mut stream, mut rest) = (reply.bytes_stream(), Vec::new());
            while let Some(Ok(chunk)) = stream.next().await {
                rest.extend_from_slice(&chunk);
                while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = rest.drain(..=end).collect();
                    let event: Value = serde_json::from_slice(&line).unwrap();
                    if self.take(event, &wanted) {
                        return;
                    }
                }
            }
        }
    }

    fn take(&mut self, event: Value, wanted: &impl Fn(&Value) -> bool) -> bool {
        let kind = event["type"].as_str().unwrap().to_owned();
        assert_ne!(kind, "ERROR", "{event}");
        let revision = event["object"]["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
        let number = |text: &str| text.parse::<u64>().unwrap();
        assert!(number(&revision) > number(&self.after), "{revision} came after {}", self.after);
        self.after.clone_from(&revision);
        let found = wanted(&event["object"]);
        self.seen.push((kind, revision, event["object"].clone()));
        found
    }
}

fn label(object: &Value) -> Option<&str> {
    object["metadata"]["labels"]["round"].as_str()
}

#[tokio::test]
async fn a_database_that_goes_away_and_comes_back_costs_nothing_but_the_time() {
    let server = OwnServer::start().await;
    let database = server.database().await;
    let world = World::new(&database.url()).await;
    let mut serve = world.leading().await;
    serve.create("demo").await;
    let before = serve.ready("demo").await;
    let mut follower = Follower::new(&serve).await;
    let path = format!("{ENVIRONMENTS}/demo");
    let round = |text: &str| json!({"metadata": {"labels": {"round": text}}});
    assert_eq!(serve.send(Method::PATCH, &path, Some(&round("1"))).await.0, 200);
    follower.until(&serve, |object| label(object) == Some("1")).await;

    server.kill();
    eventually("readiness notices", async || {
        (serve.get("/health/ready").await.0 == 503).then_some(())
    })
    .await;
    // Refused writes did not happen, and say so.
    let (code, refused) = serve.send(Method::PATCH, &path, Some(&round("lost"))).await;
    assert_eq!((code, &refused["reason"]), (503, &"ServiceUnavailable".into()), "{refused}");
    let (code, refused) = serve.get(ENVIRONMENTS).await;
    assert_eq!((code, &refused["kind"]), (503, &"Status".into()), "{refused}");
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("database"), "what is away is not named: {message}");
    assert_eq!(serve.get("/health/live").await.0, 200);
    let status = serve.devpocket(&world, &["get", "env"]).await;
    assert_ne!(status.code, 0);
    assert!(status.err.contains("error["), "{}", status.err);

    let (lines, calls) = (serve.process.log().len(), calls(&world).await);
    for _ in 0..LOOKS {
        assert_eq!(serve.get("/health/ready").await.0, 503);
        tokio::time::sleep(LOOK).await;
    }
    let log = serve.process.log();
    assert!(log.len() - lines < PLENTY, "it logs in a loop:\n{}", log[lines..].join("\n"));
    assert!(self::calls(&world).await - calls < PLENTY, "it asks Contabo in a loop");
    assert!(serve.process.is_running());

    // Somebody stops the machine while nobody can write that down.
    let stop = devpocket_controllers::sim::contabo::PanelAction::Stop;
    world.control.panel("demo", stop).await.unwrap();
    server.start_again();
    eventually("readiness comes back", async || {
        (serve.get("/health/ready").await.0 == 200).then_some(())
    })
    .await;
    assert_eq!(serve.send(Method::PATCH, &path, Some(&round("2"))).await.0, 200);
    follower.until(&serve, |object| label(object) == Some("2")).await;
    assert!(follower.seen.iter().all(|(.., object)| label(object) != Some("lost")));
    eventually("the stop is noticed and healed", async || {
        (serve.metric("devpocket_drift_healed_total", "").await >= 1.0).then_some(())
    })
    .await;
    let after = serve.ready("demo").await;
    let machine = |e: &devpocket_specs::environment::Environment| {
        e.status.machine.as_ref().and_then(|machine| machine.instance_id)
    };
    assert_eq!((before.metadata.uid, machine(&before)), (after.metadata.uid, machine(&after)));
    assert_eq!(world.purchases().await, 1);
}

async fn calls(world: &World) -> usize {
    usize::try_from(world.control.calls(0).await.unwrap().total).unwrap()
}
