//! The demo converging before one's eyes, and afterwards whatever happens.

use std::net::SocketAddr;
use std::sync::Arc;

use devpocket_controllers::store::{EventType, Store, WatchItem};
use devpocket_specs::condition;
use devpocket_specs::environment::{Environment, conditions};
use devpocket_specs::event::Event;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use futures::StreamExt;

use crate::context::DEFAULT_NAMESPACE;
use crate::node::Node;

use super::screen::{Screen, start};

/// Name of the demo environment.
const DEMO: &str = "demo";

/// Shows the first convergence, then says what to type, then tells what happens. Ends only when
/// the store does.
pub async fn show(node: &Node, screen: &Screen, fresh: bool, control: SocketAddr) {
    let store: Arc<dyn Store> = node.store().clone();
    if fresh {
        converge(&*store, screen).await;
    }
    next(node, screen, control);
    tell(&*store, screen).await;
}

/// One line per phase of the demo until it is ready.
async fn converge(store: &dyn Store, screen: &Screen) {
    let began = start();
    let mut phase_began = start();
    let key = Key::new(Kind::Environment, DEFAULT_NAMESPACE, DEMO);
    let Ok(listing) = store.list(Kind::Environment, Some(DEFAULT_NAMESPACE)).await else { return };
    let Ok(mut watch) = store.watch(Kind::Environment, listing.revision).await else { return };
    let mut ordered = false;
    let mut shown = String::new();
    loop {
        let Ok(Some(stored)) = store.get(&key).await else { return };
        let Ok(environment) = stored.to::<Environment>() else { return };
        let instance = environment.status.machine.as_ref().and_then(|m| m.instance_id);
        if !ordered && instance.is_some() {
            ordered = true;
            let spec = &environment.spec;
            let cost = environment.status.cost.as_ref().map(|c| c.monthly.to_string());
            let price = cost.unwrap_or_else(|| "not priced".into());
            let text =
                format!("env/{DEMO}  1 × {} in {} (simulated, {price})", spec.size, spec.region);
            screen.done(phase_began, "ordered", &text);
            phase_began = start();
        }
        if condition::is_true(&environment.status.conditions, conditions::READY) {
            screen.done(began, "ready", &format!("env/{DEMO}  (on Contabo about 10 min)"));
            return;
        }
        let now = format!("{:?}", environment.status.phase).to_lowercase();
        if ordered && now != shown && now != "running" {
            screen.under_way(&now, &format!("env/{DEMO}"));
            shown = now;
        }
        match watch.next().await {
            Some(Ok(_)) => {}
            _ => return,
        }
    }
}

/// What to type next, so that it works as pasted.
fn next(_node: &Node, screen: &Screen, _control: SocketAddr) {
    let program = program();
    screen.print("In another terminal, as it stands:");
    for (command, what) in [
        ("get env", "what there is"),
        ("simulator panel stop demo", "someone stops it: it returns"),
        ("explain env/demo", "why it is as it is"),
    ] {
        let command = format!("{program} {command}");
        screen.print(&format!("  {command:<50} {what}"));
    }
    screen.print("Ctrl-C stops everything and keeps it; `up --reset` starts over.");
}

/// `devpocket` when that is what the shell finds, else the path as it was typed.
fn program() -> String {
    let own = std::env::current_exe().ok();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("devpocket"));
    let on_path = found.filter_map(|file| file.canonicalize().ok()).any(|file| Some(file) == own);
    if on_path {
        return "devpocket".into();
    }
    let Some(own) = own else { return "devpocket".into() };
    let here = std::env::current_dir().ok();
    match here.and_then(|here| own.strip_prefix(here).ok().map(|p| p.display().to_string())) {
        // A bare name would be looked for on PATH.
        Some(relative) if !relative.contains('/') => format!("./{relative}"),
        Some(relative) => relative,
        None => own.display().to_string(),
    }
}

/// One line per event.
async fn tell(store: &dyn Store, screen: &Screen) {
    let Ok(revision) = store.revision().await else { return };
    let Ok(mut watch) = store.watch(Kind::Event, revision).await else { return };
    while let Some(Ok(item)) = watch.next().await {
        let WatchItem::Event(change) = item else { continue };
        if change.event == EventType::Deleted {
            continue;
        }
        let Ok(event) = change.object.to::<Event>() else { continue };
        if event.involved_object.kind.as_deref() != Some("Environment") {
            continue;
        }
        let at = event.last_timestamp.unwrap_or_default();
        let at = at.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S").to_string();
        let name = event.involved_object.name.unwrap_or_default();
        screen.print(&format!("{at}  env/{name}  {}", event.message));
    }
}
