//! What installations print: kept once, read as one stream over HTTP and WebSocket, by whoever may.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use devpocket::clock::RandomIds;
use devpocket::lines::InstallLines;
use devpocket_controllers::client::Client;
use devpocket_controllers::install::{Journal, Line, Lines as _};
use devpocket_specs::admit::Actor;
use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::environment::{Environment, EnvironmentSpec, Phase};
use devpocket_specs::install::{InstallError, InstallState, InstallStatus};
use devpocket_specs::metadata::ObjectMeta;
use devpocket_specs::object::Resource;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use uuid::Uuid;

use super::world::{ADMIN_TOKEN, PATIENCE, Replica, Signed, World};

type Socket = WebSocketStream<reqwest::Upgraded>;

pub fn system(world: &Replica) -> Client {
    let clock = Arc::new(world.clock.clone());
    let catalogue = Arc::new(Catalogue::builtin().clone());
    let actor = Actor::system("test");
    Client::new(world.store.clone(), clock, Arc::new(RandomIds), catalogue, actor)
}

/// An environment of ann's that is being installed.
pub async fn installing(world: &World) -> (Signed, Environment) {
    let ann = world.person("ann").await;
    let me = world.get(&ann.access, "/users/me").await;
    let environment = Environment {
        metadata: ObjectMeta::named(me.body["namespace"].as_str().unwrap(), "web"),
        spec: EnvironmentSpec {
            size: "vps-10-nvme".into(),
            region: "EU".into(),
            contract_months: 1,
            ..EnvironmentSpec::default()
        },
        status: Default::default(),
    };
    let environment = system(world).create(&environment).await.unwrap();
    let install = stands(InstallState::Running, 10);
    (ann, set(world, &environment, Phase::Installing, install).await)
}

fn stands(state: InstallState, percent: u8) -> InstallStatus {
    let error = (state == InstallState::Failed).then(|| InstallError {
        code: "disk-full".into(),
        step: "docker".into(),
        message: "the disk is full".into(),
        lines: vec!["No space left on device".into()],
    });
    InstallStatus {
        state,
        percent,
        error,
        generation: 1,
        step: "docker".into(),
        ..Default::default()
    }
}

async fn set(
    world: &Replica,
    environment: &Environment,
    phase: Phase,
    install: InstallStatus,
) -> Environment {
    let put = |environment: &mut Environment| {
        environment.status.phase = phase;
        environment.status.install = Some(install.clone());
    };
    system(world).edit_status(&environment.key(), put).await.unwrap()
}

/// The next lines after a journal, and the journal after them.
pub fn next(journal: &Journal, texts: &[&str], percent: u8) -> (Journal, Vec<Line>) {
    let mut after = journal.clone();
    after.version += 1;
    let place = after.logs.entry("install".into()).or_default();
    place.of = "m-1/1".into();
    let lines = texts.iter().map(|text| {
        after.last += 1;
        let offset = place.offset();
        place.position += text.len() as u64 + 1;
        Line {
            number: after.last,
            source: "install".into(),
            installation: "m-1/1".into(),
            offset,
            at: "2026-11-26T10:00:00Z".parse().unwrap(),
            step: "docker".into(),
            percent,
            text: (*text).to_owned(),
        }
    });
    let lines = lines.collect();
    (after, lines)
}

pub async fn print(lines: &InstallLines, of: Uuid, texts: &[&str], percent: u8) {
    let before = lines.journal(of).await.unwrap();
    let (after, new) = next(&before, texts, percent);
    assert!(lines.append(of, &before, &after, new).await.unwrap());
}

/// An upgrade that was answered, or the code of the refusal.
async fn upgrade(world: &Replica, path: &str, token: Option<&str>) -> Result<Socket, u16> {
    let url = format!("{}/api/v1/ws/logs/{path}", world.url);
    let key = base64::engine::general_purpose::STANDARD.encode([7; 16]);
    let mut request = reqwest::Client::new().get(url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let request = request
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", key);
    let response = request.send().await.unwrap();
    if response.status().as_u16() != 101 {
        return Err(response.status().as_u16());
    }
    let upgraded = response.upgrade().await.unwrap();
    Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await)
}

/// The next message; a close as its code and reason.
async fn heard(socket: &mut Socket) -> Value {
    let message = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Close(Some(frame)))) => {
                    return json!({"close": u16::from(frame.code), "reason": frame.reason.as_str()});
                }
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    timeout(PATIENCE, message).await.expect("nothing is said")
}

/// Messages until one of this type, that one included.
async fn until(socket: &mut Socket, kind: &str) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let message = heard(socket).await;
        let last = message["type"] == kind;
        all.push(message);
        if last {
            return all;
        }
    }
}

fn data(messages: &[Value]) -> Vec<&str> {
    messages.iter().filter_map(|message| message["data"].as_str()).collect()
}

async fn ticket(world: &World, who: &Signed) -> String {
    let made = world.post_as(&who.access, "/ws-tickets", json!({})).await;
    made.body["ticket"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_app_reads_history_then_what_comes_and_how_it_ended() {
    let world = World::new().await;
    let (ann, environment) = installing(&world).await;
    let (lines, uid) = (&world.lines, environment.uid());
    print(lines, uid, &["one", "two"], 10).await;
    let path = format!("{uid}?ticket={}", ticket(&world, &ann).await);
    let mut socket = upgrade(&world, &path, None).await.unwrap();
    let welcome = heard(&mut socket).await;
    assert_eq!(welcome, json!({"type": "welcome", "message": "Connected to web logs"}));
    let first = until(&mut socket, "installation_status").await;
    assert_eq!(data(&first), ["one\n", "two\n"]);
    let line = &first[0];
    assert_eq!(line["environment_id"], uid.to_string());
    assert_eq!((&line["phase"], &line["progress"]), (&json!("system_setup"), &json!(10)));
    assert_eq!((&line["source"], line["timestamp"].is_string()), (&json!("install"), true));
    assert_eq!(first[2]["status"], "installing");

    // Another process appends, and this one hears of it.
    let other = world.replica(Duration::ZERO).await;
    print(&other.lines, uid, &["three"], 70).await;
    print(&other.lines, uid, &["an older percent"], 40).await;
    set(&other, &environment, Phase::Running, stands(InstallState::Succeeded, 100)).await;
    let rest = until(&mut socket, "installation_complete").await;
    assert_eq!(data(&rest), ["three\n", "an older percent\n"]);
    let progress: Vec<_> = rest.iter().filter_map(|m| m["progress"].as_u64()).collect();
    assert!(progress.is_sorted() && progress[0] == 70, "{progress:?}");
    assert_eq!(rest.last().unwrap()["status"], "running");
    socket.send(Message::Text(json!({"type": "ping"}).to_string().into())).await.unwrap();
    assert_eq!(heard(&mut socket).await["type"], "pong");
    let again = upgrade(&world, &path, None).await;
    assert_eq!(again.err(), Some(403), "a ticket is good once");
}

#[tokio::test]
async fn an_older_client_is_told_on_the_socket_and_others_by_http() {
    let world = World::new().await;
    let (ann, environment) = installing(&world).await;
    let eve = world.person("eve").await;
    let uid = environment.uid();
    print(&world.lines, uid, &["one"], 5).await;
    set(&world, &environment, Phase::Error, stands(InstallState::Failed, 40)).await;
    let path = format!("{uid}?follow=false");
    let mut socket = upgrade(&world, &format!("{path}&token={}", ann.access), None).await.unwrap();
    let all = until(&mut socket, "installation_error").await;
    assert_eq!(data(&all), ["one\n"]);
    assert_eq!(all.last().unwrap()["error"], "the disk is full");
    assert_eq!(heard(&mut socket).await, json!({"close": 1000, "reason": "Log stream complete"}));

    for (token, reason) in
        [("wrong", "Authentication failed"), (&*eve.access, "Environment not found")]
    {
        let mut socket = upgrade(&world, &format!("{path}&token={token}"), None).await.unwrap();
        assert_eq!(heard(&mut socket).await, json!({"type": "error", "message": reason}));
        assert_eq!(heard(&mut socket).await, json!({"close": 1008, "reason": reason}));
    }
    let by_header = async |token: &str, path: &str| upgrade(&world, path, Some(token)).await.err();
    assert_eq!(by_header("wrong", &path).await, Some(401));
    assert_eq!(by_header(&eve.access, &path).await, Some(404), "other people's are not there");
    assert_eq!(by_header(&ann.access, &Uuid::nil().to_string()).await, Some(404));
    assert_eq!(by_header(&ann.access, "no-uid").await, Some(404));
    assert_eq!(upgrade(&world, &path, None).await.err(), Some(401));
}

#[tokio::test]
async fn who_may_not_read_it_any_more_is_disconnected() {
    let world = World::new().await;
    let (ann, environment) = installing(&world).await;
    let path = environment.uid().to_string();
    let mut open = Vec::new();
    for _ in 0..10 {
        open.push(upgrade(&world, &path, Some(&ann.access)).await.unwrap());
    }
    assert_eq!(upgrade(&world, &path, Some(&ann.access)).await.err(), Some(429));
    open.truncate(1);
    let socket = &mut open[0];
    world.post_as(&ann.access, "/auth/logout", json!({})).await;
    loop {
        let message = heard(socket).await;
        if let Some(code) = message["close"].as_u64() {
            assert_eq!(code, 4403);
            break;
        }
    }
    let log = format!("{}/kube{}/log", world.url, kube_path(&environment));
    let answer = reqwest::Client::new().get(log).bearer_auth(&ann.access).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 401);
}

fn kube_path(environment: &Environment) -> String {
    let ObjectMeta { namespace, name, .. } = &environment.metadata;
    format!("/apis/devpocket.dev/v1alpha1/namespaces/{namespace}/environments/{name}")
}

async fn log(
    world: &Replica,
    token: &str,
    environment: &Environment,
    query: &str,
) -> (u16, Vec<Value>) {
    let url = format!("{}/kube{}/log?{query}", world.url, kube_path(environment));
    let answer = reqwest::Client::new().get(url).bearer_auth(token).send();
    let answer = timeout(PATIENCE, answer).await.unwrap().unwrap();
    let code = answer.status().as_u16();
    let text = timeout(PATIENCE, answer.text()).await.unwrap().unwrap();
    (code, text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

#[tokio::test]
async fn a_program_reads_it_line_by_line_and_goes_on_where_it_was() {
    let world = World::new().await;
    let (ann, environment) = installing(&world).await;
    let eve = world.person("eve").await;
    let (lines, uid) = (&world.lines, environment.uid());
    print(lines, uid, &["one", "two", "three"], 5).await;
    let texts = |all: &[Value]| {
        all.iter().filter_map(|d| Some(d["line"].as_str()?.to_owned())).collect::<Vec<_>>()
    };
    let (code, all) = log(&world, &ann.access, &environment, "").await;
    assert_eq!((code, texts(&all)), (200, vec!["one".into(), "two".into(), "three".into()]));
    assert_eq!(all.last().unwrap()["end"], "Running");
    let (_, tail) = log(&world, &ann.access, &environment, "tailLines=1").await;
    assert_eq!((texts(&tail), &tail[0]["number"]), (vec!["three".to_owned()], &json!(3)));
    let (_, rest) = log(&world, &ann.access, &environment, "after=2").await;
    assert_eq!(texts(&rest), ["three"]);
    assert_eq!(log(&world, &ann.access, &environment, "after=x").await.0, 400);
    assert_eq!(log(&world, &eve.access, &environment, "").await.0, 404);

    let follow = log(&world, &ann.access, &environment, "follow=true");
    let work = async {
        print(lines, uid, &["four"], 50).await;
        set(&world, &environment, Phase::Error, stands(InstallState::Failed, 50)).await;
    };
    let ((_, followed), ()) = tokio::join!(follow, work);
    assert_eq!(texts(&followed), ["one", "two", "three", "four"]);
    let end = followed.last().unwrap();
    assert_eq!((&end["end"], &end["error"]["step"]), (&json!("Failed"), &json!("docker")));
}

#[tokio::test]
async fn the_app_asks_to_recover_what_failed_and_nothing_else() {
    let world = World::new().await;
    let (ann, environment) = installing(&world).await;
    let eve = world.person("eve").await;
    let path = format!("/environments/{}/recover", environment.uid());
    let early = world.post_as(&ann.access, &path, json!({})).await;
    assert_eq!(early.code, 400, "{early:?}");
    set(&world, &environment, Phase::Error, stands(InstallState::Failed, 40)).await;
    assert_eq!(world.post_as(&eve.access, &path, json!({})).await.code, 404);
    let asked = world.post_as(&ann.access, &path, json!({})).await;
    assert_eq!((asked.code, &asked.body["status"]), (200, &json!("creating")), "{asked:?}");
    let stored: Environment = system(&world).get(&environment.key()).await.unwrap().unwrap();
    assert!(stored.spec.recover.is_some());
    let admin = world.post_as(ADMIN_TOKEN, &path, json!({})).await;
    assert_eq!(admin.code, 200, "{admin:?}");
}
