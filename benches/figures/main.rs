//! DevPocket's speed in figures: `cargo bench`, or `cargo bench -- NAME...` for some of them.
//!
//! Each figure is measured beside its peer in the same process run, in interleaved rounds, and
//! told as a median and a ratio: machines are noisy, and a number without its peer says little.
//! `--short` runs everything small, to prove that it works. `docs/performance.md` holds the last
//! full table.

#![allow(
    clippy::disallowed_methods,
    reason = "moments are compared between processes here, so they come from the machine's clock"
)]

mod authorised;
mod child;
mod cpu;
mod idle;
mod latency;
mod lines;
mod list;
mod login;
mod machines;
mod memory;
mod model;
mod objects;
mod pass;
mod postgres;
mod queue;
mod stats;
mod table;
mod timed;
mod watch;
mod writes;

use table::{Row, Scale};

/// What can be measured, by name.
const FIGURES: [&str; 12] = [
    "writes",
    "watch",
    "list",
    "pass",
    "memory",
    "latency",
    "queue",
    "idle",
    "login",
    "model",
    "authorised",
    "lines",
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let Some(task) = child::Task::from_arguments(&arguments) {
        return task.run();
    }
    let scale = match arguments.iter().any(|argument| argument == "--short") {
        true => Scale::Short,
        false => Scale::Full,
    };
    let named: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|a| !a.starts_with('-')).collect();
    for name in &named {
        assert!(FIGURES.contains(name), "{name} is none of {}", FIGURES.join(", "));
    }
    devpocket::crypto::install_provider();
    let mut rows = Vec::new();
    for name in FIGURES {
        if !named.is_empty() && !named.contains(&name) {
            continue;
        }
        eprintln!("measuring {name} ...");
        let measured = measure(name, scale);
        for row in &measured {
            eprintln!("  {row}");
        }
        rows.extend(measured);
    }
    table::print(&rows, scale);
}

fn measure(name: &str, scale: Scale) -> Vec<Row> {
    match name {
        "writes" => writes::measure(scale),
        "watch" => watch::measure(scale),
        "list" => list::measure(scale),
        "pass" => pass::measure(scale),
        "memory" => memory::measure(scale),
        "latency" => latency::measure(scale),
        "queue" => queue::measure(scale),
        "login" => login::measure(scale),
        "authorised" => authorised::measure(scale),
        "model" => model::measure(scale),
        "lines" => lines::measure(scale),
        _ => idle::measure(scale),
    }
}
