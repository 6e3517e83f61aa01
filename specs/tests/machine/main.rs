//! Rendered user-data against what reads and runs it: cloud-init's own schema and YAML reader, and
//! the installer with every step that comes with DevPocket, run for real in a sandbox.
//!
//! What is real: the rendered script, bash, Python, curl, tar, pip, git, `runuser`, `usermod`, the
//! user `dev`. What stands in: the package manager, systemd and NTP (`stubs/`), and what is
//! downloaded (`stand_ins.py`), served from loopback. The installation writes to folders of the test
//! only: the rest of the file system is read-only there, and it may not change the network. And, where
//! the host allows it, all of it in machines that boot (`real`).
#![allow(clippy::disallowed_methods, reason = "a test reads and writes the files it is about")]

mod cloud_init;
mod days;
mod firewall;
mod inputs;
mod mirror;
mod real;
mod sandbox;
mod steps;
mod text;
