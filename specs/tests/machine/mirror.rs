//! A web server on loopback with the stand-ins, which fails when it is told to.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

/// One server; it ends with the process.
#[derive(Clone)]
pub struct Mirror {
    port: u16,
    /// Paths, and how many requests for them still fail.
    failing: Arc<Mutex<HashMap<String, u32>>>,
}

impl Mirror {
    pub fn start() -> Mirror {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port on loopback");
        let port = listener.local_addr().expect("an address").port();
        let mirror = Mirror { port, failing: Arc::default() };
        let serving = mirror.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mirror = serving.clone();
                thread::spawn(move || mirror.answer(stream));
            }
        });
        mirror
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// The next requests for this path are answered with 503.
    pub fn fail(&self, path: &str, times: u32) {
        self.failing.lock().unwrap().insert(path.to_owned(), times);
    }

    fn answer(&self, mut stream: TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
        let request = lines.next()?.ok()?;
        let path = request.split(' ').nth(1)?.trim_start_matches('/').replace("%2f", "/");
        while !lines.next()?.ok()?.is_empty() {}
        let (code, body) = match self.is_failing(&path) {
            true => ("503 Service Unavailable", Vec::new()),
            false => match file(&path) {
                Some(body) => ("200 OK", body),
                None => ("404 Not Found", Vec::new()),
            },
        };
        // pip reads indexes only with a type it knows.
        let kind = if path.ends_with('/') { "text/html" } else { "application/octet-stream" };
        let head = format!(
            "HTTP/1.1 {code}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(&body).ok()
    }

    fn is_failing(&self, path: &str) -> bool {
        match self.failing.lock().unwrap().get_mut(path) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

/// What is served: the stand-ins, and an empty file for every package of the distribution.
fn file(path: &str) -> Option<Vec<u8>> {
    if path.starts_with("apt/") {
        return Some(Vec::new());
    }
    let path = stand_ins().join(path);
    fs::read(if path.is_dir() { path.join("index.html") } else { path }).ok()
}

fn stand_ins() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("machine-stand-ins-{}", std::process::id()));
        let made = Command::new("python3")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machine/stand_ins.py"))
            .arg(&folder)
            .status()
            .expect("this test needs python3; to install it: apt-get install python3");
        assert!(made.success(), "the stand-ins are made");
        folder
    })
}
