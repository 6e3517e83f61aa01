//! What a failed sign-in costs: the same whatever is wrong with it.

use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::{EnvFilter, Layer};

use super::world::{PASSWORD, World};

/// The statements about accounts, as the driver tells them.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<Vec<String>>>);

struct Summary(Option<String>);

impl Visit for Summary {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "db.statement" || (field.name() == "summary" && self.0.is_none()) {
            let words: Vec<&str> = value.split_whitespace().collect();
            if !words.is_empty() {
                self.0 = Some(words.join(" "));
            }
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut summary = Summary(None);
        event.record(&mut summary);
        let about = [" accounts", " access_audit"];
        if let Some(text) = summary.0.filter(|text| about.iter().any(|word| text.contains(word))) {
            self.0.lock().unwrap().push(text);
        }
    }
}

#[tokio::test]
async fn every_failure_asks_the_database_the_same() {
    let statements = Statements::default();
    let told = statements.clone().with_filter(EnvFilter::new("sqlx::query=trace"));
    // Everything of this test runs on this thread.
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(told));
    let world = World::new().await;
    for name in ["wrong", "locked", "without", "suspended", "older", "bcrypt"] {
        world.register(name).await;
    }
    world.sql("UPDATE accounts SET password_hash = NULL WHERE username = 'without'").await;
    world.sql("UPDATE accounts SET suspended_at = now() WHERE username = 'suspended'").await;
    let bcrypt = bcrypt::hash(PASSWORD, 4).unwrap();
    sqlx::query("UPDATE accounts SET password_hash = $1 WHERE username = 'bcrypt'")
        .bind(bcrypt)
        .execute(&world.pool)
        .await
        .unwrap();
    for _ in 0..5 {
        world.login("locked", "Wrong1xx").await;
    }
    let mut all = Vec::new();
    for name in ["wrong", "locked", "without", "suspended", "bcrypt", "nobody"] {
        statements.0.lock().unwrap().clear();
        assert_eq!(world.login(name, "Wrong1xx").await.code, 401, "{name}");
        let mut asked = statements.0.lock().unwrap().clone();
        asked.sort();
        all.push((name, asked));
    }
    let (_, first) = &all[0];
    assert!(first.len() >= 4, "read, locked, counted, and written down: {first:?}");
    for (name, asked) in &all {
        assert_eq!(asked, first, "{name}");
    }
}
