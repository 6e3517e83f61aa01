//! A browser that pretends to be a phone, driven by WebDriver.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::world::{PATIENCE, eventually};

/// A common phone, in CSS pixels.
const WIDTH: u32 = 390;
const HEIGHT: u32 = 700;
/// How WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A program on this machine. Says if it is missing; under `CI=true` that is a failure.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name));
    let found = found.into_iter().find(|file| file.is_file());
    if found.is_none() {
        let text = format!("{name} is missing: the pages are not tried in a browser");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
        eprintln!("{text}");
    }
    found
}

pub struct Browser {
    http: reqwest::Client,
    session: String,
    driver: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    pub async fn start(driver: &Path, chrome: &Path) -> Browser {
        let profile = tempfile::tempdir().unwrap();
        let port = {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let driver = Command::new(driver)
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let base = format!("http://127.0.0.1:{port}");
        eventually("chromedriver listens", async || {
            let status = http.get(format!("{base}/status")).timeout(Duration::from_secs(5));
            let status: Value = status.send().await.ok()?.json().await.ok()?;
            (status["value"]["ready"] == true).then_some(())
        })
        .await;
        let options = json!({
            "binary": chrome,
            "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                "--no-proxy-server", "--disable-dev-shm-usage",
                format!("--user-data-dir={}", profile.path().display()),
            ],
            "mobileEmulation": {
                "deviceMetrics": {"width": WIDTH, "height": HEIGHT, "pixelRatio": 2, "touch": true},
            },
        });
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let made = http.post(format!("{base}/session")).json(&wanted).send().await.unwrap();
        let made: Value = made.json().await.unwrap();
        let id = made["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("{made}"));
        let session = format!("{base}/session/{id}");
        Browser { http, session, driver, _profile: profile }
    }

    async fn call(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/{path}", self.session);
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        let mut answer: Value = answer.json().await.unwrap();
        assert!(answer["value"]["error"].is_null(), "{path}: {answer}");
        answer["value"].take()
    }

    pub async fn open(&self, url: &str) {
        self.call("url", json!({"url": url})).await;
    }

    /// Runs the body of a function in the page.
    pub async fn run(&self, script: &str) -> Value {
        self.call("execute/sync", json!({"script": script, "args": []})).await
    }

    async fn find(&self, selector: &str) -> String {
        let found = json!({"using": "css selector", "value": selector});
        let found = self.call("element", found).await;
        found[ELEMENT].as_str().unwrap_or_else(|| panic!("{selector}: {found}")).to_owned()
    }

    /// As a person would: refused if something else is in the way.
    pub async fn click(&self, selector: &str) {
        eventually("the button can be pressed", async || {
            let disabled = format!("return document.querySelector({selector:?}).disabled;");
            (self.run(&disabled).await == false).then_some(())
        })
        .await;
        let element = self.find(selector).await;
        self.call(&format!("element/{element}/click"), json!({})).await;
    }

    pub async fn fill(&self, name: &str, text: &str) {
        let element = self.find(&format!("[name={name}]")).await;
        self.call(&format!("element/{element}/clear"), json!({})).await;
        self.call(&format!("element/{element}/value"), json!({"text": text})).await;
    }

    /// PNG in base64.
    pub async fn screenshot(&self) -> String {
        let answer = self.http.get(format!("{}/screenshot", self.session)).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["value"].as_str().unwrap().to_owned()
    }

    pub async fn stop(mut self) {
        let _ = self.http.delete(&self.session).send().await;
        let _ = self.driver.kill().await;
    }
}
