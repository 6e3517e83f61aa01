//! The demo converging before one's eyes, and afterwards whatever happens.

use std::sync::Arc;
use std::time::Duration;

use devpocket_controllers::store::{EventType, Revision, Store, Watch, WatchItem};
use devpocket_specs::environment::Environment;
use devpocket_specs::event::Event;
use devpocket_specs::kind::Kind;
use devpocket_specs::machine::Machine;
use devpocket_specs::object::{Key, Resource};
use futures::StreamExt;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::screen::Screen;
use super::story::{Story, order};
use crate::cli::output::count;
use crate::cli::standing::Standing;
use crate::context::DEFAULT_NAMESPACE;
use crate::manifest::short_name;

/// Name of the demo environment.
const DEMO: &str = "demo";
/// How often what is shown is redrawn.
const TICK: Duration = Duration::from_millis(500);
/// Longest that the demo is watched before it is said what to type; it takes seconds.
const CONVERGE_PATIENCE: Duration = Duration::from_secs(90);

/// The demo until it is ready, or stands still.
pub async fn converge(store: &dyn Store, screen: &Screen) {
    let key = Key::new(Kind::Environment, DEFAULT_NAMESPACE, DEMO);
    let Some((listed, mut watch)) = follow(store).await else { return };
    let began = Instant::now();
    let mut next = listed.into_iter().find(|environment| environment.key() == key);
    let mut progress =
        screen.progress().only_the_end().then(|_| " (on Contabo about 10 min)".into());
    let mut ordered = false;
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if let Some(environment) = next.take() {
            let instance = environment.status.machine.as_ref().and_then(|m| m.instance_id);
            if !ordered && instance.is_some() {
                ordered = true;
                let text = format!("{}  {}", short_name(&key), order(&environment));
                progress.remark(&screen.step("ordered", &text, began.elapsed()), screen.now());
            }
            progress.observe(&environment, screen.now());
            let standing = Standing::of(&environment);
            if standing.at_rest || standing.word == "held" {
                break;
            }
        }
        tokio::select! {
            item = watch.next() => match item {
                Some(Ok(WatchItem::Event(change))) if change.object.key() == key => {
                    next = change.object.to::<Environment>().ok();
                }
                Some(Ok(_)) => {}
                _ => break,
            },
            _ = tick.tick() => progress.tick(screen.now()),
            () = sleep_until(began + CONVERGE_PATIENCE) => break,
        }
    }
    progress.end();
}

/// What an earlier run left, in a few words; and an environment to try things on.
pub async fn kept(store: &dyn Store) -> (String, Option<Environment>) {
    let environments: Vec<Environment> = list(store, Kind::Environment).await;
    let machines: Vec<Machine> = list(store, Kind::Machine).await;
    let machines = machines.iter().filter(|m| m.status.instance_id.is_some()).count();
    let text = format!(
        "{} on {}, as it was left",
        count(environments.len(), "environment"),
        count(machines, "machine")
    );
    let here = |environment: &&Environment| environment.metadata.namespace == DEFAULT_NAMESPACE;
    let demo = environments.iter().filter(here).find(|e| e.metadata.name == DEMO);
    let one = demo.or_else(|| environments.iter().find(here)).cloned();
    (text, one)
}

async fn list<T: Resource>(store: &dyn Store, kind: Kind) -> Vec<T> {
    let listing = store.list(kind, None).await;
    let items = listing.map(|listing| listing.items).unwrap_or_default();
    items.iter().filter_map(|stored| stored.to().ok()).collect()
}

/// The environments now, and what happens to them from now on.
async fn follow(store: &dyn Store) -> Option<(Vec<Environment>, Watch)> {
    let listing = store.list(Kind::Environment, None).await.ok()?;
    let watch = store.watch(Kind::Environment, listing.revision).await.ok()?;
    Some((listing.items.iter().filter_map(|stored| stored.to().ok()).collect(), watch))
}

/// One line for each thing that happens. A watch that breaks is begun anew.
pub async fn tell(store: Arc<dyn Store>, screen: &Screen) {
    let mut story = Story::default();
    let mut since = store.revision().await.unwrap_or(0);
    loop {
        if let Some((listed, mut environments)) = follow(&*store).await {
            for environment in listed {
                story.begin(environment, screen.now());
            }
            if let Ok(mut account) = store.watch(Kind::Event, since).await {
                since = follow_on(&mut story, &mut environments, &mut account, screen).await;
            }
        }
        tokio::time::sleep(TICK).await;
        since = store.revision().await.unwrap_or(since);
    }
}

/// Until one of the watches ends; answers up to where the events were told.
async fn follow_on(
    story: &mut Story,
    environments: &mut Watch,
    account: &mut Watch,
    screen: &Screen,
) -> Revision {
    let mut told = 0;
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            item = environments.next() => {
                let Some(Ok(item)) = item else { return told };
                let WatchItem::Event(change) = item else { continue };
                let Ok(environment) = change.object.to::<Environment>() else { continue };
                let name = short_name(&environment.key());
                let now = screen.now();
                let lines = match change.event {
                    EventType::Deleted => story.gone(&environment),
                    _ => story.changed(environment, now),
                };
                lines.iter().for_each(|line| screen.event(now, &name, line));
            }
            item = account.next() => {
                let Some(Ok(item)) = item else { return told };
                let WatchItem::Event(change) = item else { continue };
                told = change.revision;
                if change.event != EventType::Deleted
                    && let Ok(event) = change.object.to::<Event>()
                {
                    of_the_account(&event, screen);
                }
            }
            _ = tick.tick() => {
                let now = screen.now();
                for (key, line) in story.waited(now) {
                    screen.event(now, &short_name(&key), &line);
                }
            }
        }
    }
}

/// What concerns all environments: Contabo does not answer, or answers again.
fn of_the_account(event: &Event, screen: &Screen) {
    if event.involved_object.kind.as_deref() == Some(Kind::Installation.info().name) {
        let at = event.last_timestamp.unwrap_or_else(|| screen.now());
        screen.event(at, "account", &event.message);
    }
}
