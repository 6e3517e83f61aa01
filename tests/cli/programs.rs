//! Programs of others that the tests talk to.

use std::process::{Command, Stdio};

/// Whether a program is there. A missing one is named, and under CI it is a failure.
pub fn have(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", "command -v \"$1\"", "sh", program])
        .stdout(Stdio::null())
        .status()
        .unwrap()
        .success();
    if !found {
        let told = format!("{program} is not installed, so what it says was not tested");
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{told}");
        eprintln!("{told}");
    }
    found
}
