//! The served pages, in a real browser of the size of a phone, up to the button and beyond.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::get;
use base64::Engine as _;
use devpocket::pages::Page;
use serde_json::{Value, json};

use super::browser::{Browser, program};
use super::world::{Setup, World, eventually};

/// What the server was sent by the pages.
type Calls = Arc<Mutex<Vec<(String, HeaderMap, Value)>>>;

/// The pages as they are served, in front of an API that answers what the test wants: the paths and
/// fields are those of `/api/v1`.
struct Front {
    url: String,
    calls: Calls,
    answers: Arc<Mutex<Vec<(u16, Value)>>>,
    world: World,
    task: tokio::task::JoinHandle<()>,
}

impl Front {
    async fn start() -> Front {
        let world = World::start(Setup::default()).await;
        let calls: Calls = Arc::default();
        let answers: Arc<Mutex<Vec<(u16, Value)>>> = Arc::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (seen, given) = (calls.clone(), answers.clone());
        let api = axum::routing::any(move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            seen.lock().unwrap().push((uri.path().to_owned(), headers, body));
            let mut given = given.lock().unwrap();
            let (code, body) = if given.is_empty() { (200, json!({})) } else { given.remove(0) };
            let code = StatusCode::from_u16(code).unwrap();
            async move { (code, axum::Json(body)).into_response() }
        });
        let (http, address) = (world.http.clone(), world.address);
        // Everything else, and the query of it, comes from the server itself.
        let rest = get(move |uri: Uri| {
            let asked = http.get(format!("http://{address}{uri}"));
            async move {
                let answer = asked.send().await.unwrap();
                let (code, mut headers) = (answer.status(), answer.headers().clone());
                headers.remove("content-length");
                headers.remove("transfer-encoding");
                (code, headers, answer.bytes().await.unwrap()).into_response()
            }
        });
        let router = Router::new().route("/api/v1/{*path}", api).fallback_service(rest);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Front { url, calls, answers, world, task }
    }

    fn answer(&self, code: u16, body: Value) {
        self.answers.lock().unwrap().push((code, body));
    }

    fn called(&self) -> Vec<(String, Value)> {
        let calls = self.calls.lock().unwrap();
        calls.iter().map(|(path, _, body)| (path.clone(), body.clone())).collect()
    }

    async fn stop(self) {
        self.task.abort();
        self.world.stop().await;
    }
}

#[tokio::test]
async fn opening_a_page_does_nothing_and_tells_nobody_the_code() {
    let world = World::start(Setup::default()).await;
    for page in Page::ALL {
        let answer = world.get(page.path()).await;
        assert_eq!(answer.code, 200, "{page:?}");
        let policy = answer.header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), "no-store");
        let posted = world.request(reqwest::Method::POST, page.path()).send().await.unwrap();
        assert_eq!(posted.status().as_u16(), 405, "the page itself acts on nothing");
        let link = Page::link(page, "https://dev.example.com", "c0de");
        let url: reqwest::Url = link.parse().unwrap();
        assert_eq!((url.path(), url.query()), (page.path(), None), "what a server is asked for");
    }
    world.stop().await;
}

#[tokio::test]
async fn every_page_fits_a_phone_and_its_button_can_be_reached() {
    let (Some(driver), Some(chrome)) = (program("chromedriver"), program("chromium")) else {
        return;
    };
    let front = Front::start().await;
    let browser = Browser::start(&driver, &chrome).await;
    let folder = std::env::var_os("DEVPOCKET_SCREENSHOTS").map(std::path::PathBuf::from);
    for page in Page::ALL {
        browser.open(&format!("{}{}", front.url, page.path())).await;
        ready(&browser).await;
        let measured = browser
            .run(
                "const button = document.querySelector('button'); \
                 button.scrollIntoView(); const box = button.getBoundingClientRect(); \
                 const small = [...document.querySelectorAll('input:not([type=checkbox])')] \
                   .filter((input) => parseFloat(getComputedStyle(input).fontSize) < 16); \
                 return {wide: document.documentElement.scrollWidth, view: innerWidth, \
                   left: box.left, right: box.right, bottom: box.bottom, top: box.top, \
                   height: box.height, high: innerHeight, small: small.length, \
                   policy: performance.getEntriesByType('resource').map((e) => e.name)};",
            )
            .await;
        let number = |name: &str| measured[name].as_f64().unwrap();
        assert!(number("view") <= 400.0, "{page:?}: a phone's width: {measured}");
        assert!(number("wide") <= number("view"), "{page:?} scrolls sideways: {measured}");
        assert!(number("left") >= 0.0 && number("right") <= number("view"), "{measured}");
        assert!(number("top") >= 0.0 && number("bottom") <= number("high"), "{measured}");
        assert!(number("height") >= 44.0, "{page:?}: a thumb needs 44 px: {measured}");
        assert_eq!(measured["small"], 0, "{page:?}: a phone would zoom in");
        for resource in measured["policy"].as_array().unwrap() {
            let name = resource.as_str().unwrap();
            assert!(name.starts_with(&front.url), "{page:?} loads {name}");
        }
        if let Some(folder) = &folder {
            let image = browser.screenshot().await;
            let image = base64::engine::general_purpose::STANDARD.decode(image).unwrap();
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join(format!("{}.png", &page.path()[1..])), image).unwrap();
        }
    }
    browser.stop().await;
    front.stop().await;
}

#[tokio::test]
async fn the_button_sends_the_code_and_the_page_says_what_came_of_it() {
    let (Some(driver), Some(chrome)) = (program("chromedriver"), program("chromium")) else {
        return;
    };
    let front = Front::start().await;
    let browser = Browser::start(&driver, &chrome).await;
    verify(&front, &browser).await;
    reset(&front, &browser).await;
    invite(&front, &browser).await;
    device(&front, &browser).await;
    for (_, headers, _) in front.calls.lock().unwrap().iter() {
        assert!(!headers.contains_key("referer") && !headers.contains_key("cookie"));
    }
    browser.stop().await;
    front.stop().await;
}

async fn ready(browser: &Browser) {
    eventually("the page's script has run", async || {
        let ready = browser.run("return document.body && document.body.dataset.ready;").await;
        (ready == "true").then_some(())
    })
    .await;
}

async fn said(browser: &Browser) -> String {
    eventually("the page says something", async || {
        let said = browser.run("return document.getElementById('said').textContent;").await;
        said.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    })
    .await
}

async fn open(front: &Front, browser: &Browser, page: Page, code: &str) {
    front.calls.lock().unwrap().clear();
    // From another page: a change of what is behind the # alone would load nothing.
    browser.open("about:blank").await;
    browser.open(&page.link(&front.url, code)).await;
    ready(browser).await;
    let at = browser.run("return location.href;").await;
    assert!(!at.as_str().unwrap().contains(code), "no history keeps the code: {at}");
}

async fn verify(front: &Front, browser: &Browser) {
    open(front, browser, Page::Verify, "c0de-1").await;
    assert!(front.called().is_empty(), "nothing happens by itself");
    front.answer(400, json!({"detail": "The code is void", "errors": []}));
    browser.click("button").await;
    assert_eq!(said(browser).await, "The code is void.");
    front.answer(429, json!({"detail": "x", "errors": [], "retry_after": 37}));
    browser.click("button").await;
    eventually("it says when again", async || {
        said(browser).await.contains("37 seconds").then_some(())
    })
    .await;
    browser.click("button").await;
    eventually("it is done", async || said(browser).await.contains("verified").then_some(())).await;
    let expected = ("/api/v1/auth/verify-email".to_owned(), json!({"token": "c0de-1"}));
    assert_eq!(front.called(), vec![expected; 3]);
}

async fn reset(front: &Front, browser: &Browser) {
    open(front, browser, Page::Reset, "c0de-2").await;
    browser.fill("password", "Passw0rd-new").await;
    browser.fill("again", "Passw0rd-other").await;
    browser.click("button").await;
    assert!(said(browser).await.contains("differ"));
    assert!(front.called().is_empty(), "nothing was sent");
    browser.fill("again", "Passw0rd-new").await;
    let weak = json!({"field": "password", "code": "password_strength", "message": "is too easy"});
    front.answer(422, json!({"detail": "Validation error", "errors": [weak]}));
    browser.click("button").await;
    eventually("what is wrong is named as on the page", async || {
        (said(browser).await == "New password is too easy.").then_some(())
    })
    .await;
    let marked = "return document.querySelector('[name=password]').getAttribute('aria-invalid');";
    assert_eq!(browser.run(marked).await, "true");
    front.calls.lock().unwrap().clear();
    browser.click("button").await;
    eventually("it is done", async || said(browser).await.contains("is set").then_some(())).await;
    let body = json!({"token": "c0de-2", "new_password": "Passw0rd-new"});
    assert_eq!(front.called(), [("/api/v1/auth/reset-password".to_owned(), body)]);
}

async fn invite(front: &Front, browser: &Browser) {
    let markup = "<img src=x onerror=alert(1)>";
    front.answer(
        200,
        json!({"inviter": "ann", "team": markup, "role": "editor", "email": "bob@example.com"}),
    );
    open(front, browser, Page::Invite, "c0de-3").await;
    let lead = eventually("it says whose invitation it is", async || {
        let lead = browser.run("return document.getElementById('lead').textContent;").await;
        let lead = lead.as_str().unwrap().to_owned();
        lead.contains("ann").then_some(lead)
    })
    .await;
    assert!(lead.contains(markup), "a name is text: {lead}");
    browser.fill("username", "bob").await;
    browser.fill("password", "Passw0rd-bob").await;
    browser.click("button").await;
    assert!(said(browser).await.contains("belong"));
    let called = front.called();
    let paths: Vec<&str> = called.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["/api/v1/invitations/look", "/api/v1/invitations/accept"]);
    let (code, username) = (&called[1].1["code"], &called[1].1["username"]);
    assert_eq!((code, username), (&json!("c0de-3"), &json!("bob")));
}

async fn device(front: &Front, browser: &Browser) {
    signed_in_to_decide(front, browser).await;
    browser.click("button").await;
    eventually("it is done", async || said(browser).await.contains("signed in").then_some(()))
        .await;
    decided(front, true).await;
    // The same, and it is somebody else's.
    signed_in_to_decide(front, browser).await;
    browser.click("#refuse").await;
    eventually("it is done", async || said(browser).await.contains("refused").then_some(())).await;
    decided(front, false).await;
}

/// Signs in, after a wrong password, and reads what asks.
async fn signed_in_to_decide(front: &Front, browser: &Browser) {
    open(front, browser, Page::Device, "WXYZ-1234").await;
    browser.fill("username", "ann").await;
    browser.fill("password", "wrong").await;
    front.answer(401, json!({"detail": "Incorrect username/email or password", "errors": []}));
    browser.click("button").await;
    assert!(said(browser).await.contains("Incorrect"));
    browser.fill("password", "Passw0rd-ann").await;
    front.answer(200, json!({"access_token": "acc", "refresh_token": "ref"}));
    front.answer(200, json!({"client": "<b>devpocket</b>", "address": "192.0.2.7"}));
    browser.click("button").await;
    let lead = eventually("it says what asks", async || {
        let lead = browser.run("return document.getElementById('lead').textContent;").await;
        lead.as_str().filter(|lead| lead.contains("asks from 192.0.2.7")).map(str::to_owned)
    })
    .await;
    assert!(lead.contains("<b>devpocket</b>"), "a name is text: {lead}");
}

/// What was sent, once somebody has decided: nothing before they were told what asks.
async fn decided(front: &Front, allow: bool) {
    let calls = eventually("it signs out", async || {
        let calls = front.calls.lock().unwrap().clone();
        (calls.len() == 5).then_some(calls)
    })
    .await;
    let paths: Vec<&str> = calls.iter().map(|(path, _, _)| path.as_str()).collect();
    let base = "/api/v1/auth";
    let expected = ["login", "login", "device", "device/answer", "logout"];
    assert_eq!(paths, expected.map(|p| format!("{base}/{p}")));
    assert_eq!(calls[3].1["authorization"], "Bearer acc");
    assert_eq!(calls[3].2, json!({"user_code": "WXYZ-1234", "allow": allow}));
    assert_eq!(calls[4].2, json!({"refresh_token": "ref"}), "no session is left behind");
}
