use std::sync::{Arc, Mutex};

use devpocket_specs::environment::{EnvironmentSpec, EnvironmentStatus, Phase};
use devpocket_specs::metadata::ObjectMeta;

use super::*;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn environment(name: &str, phase: Phase, message: &str) -> Environment {
    let status = EnvironmentStatus { phase, message: message.into(), ..Default::default() };
    let spec = EnvironmentSpec { size: "vps-10-nvme".into(), ..Default::default() };
    Environment { metadata: ObjectMeta::named("main", name), spec, status }
}

fn progress(terminal: bool) -> (Progress, Shared) {
    let out = Shared::default();
    let style = Style { terminal, width: 100, ..Style::plain() };
    (Progress::new(Box::new(out.clone()), style, Words::utc()), out)
}

#[test]
fn a_percentage_never_falls() {
    let (mut progress, _) = progress(true);
    progress.observe(&environment("api", Phase::Installing, ""), at(0));
    progress.observe(&environment("api", Phase::Provisioning, ""), at(1));
    let lines = progress.live_lines(at(2));
    assert!(lines[0].contains("41 %") && lines[0].contains("ordered"), "{lines:?}");
}

#[test]
fn after_ten_quiet_seconds_it_says_what_is_awaited() {
    let (mut progress, _) = progress(true);
    progress.observe(&environment("api", Phase::Provisioning, "waits for Contabo"), at(0));
    assert!(!progress.live_lines(at(5))[0].contains("waits for Contabo"));
    assert!(progress.live_lines(at(10))[0].contains("waits for Contabo"));
}

#[test]
fn more_than_ten_are_summed() {
    let (mut progress, _) = progress(true);
    for index in 0..12 {
        progress.observe(&environment(&format!("e{index}"), Phase::Creating, ""), at(0));
    }
    let lines = progress.live_lines(at(1));
    assert_eq!(lines.len(), 10);
    assert!(lines[9].ends_with("and 3 more"), "{lines:?}");
}

#[test]
fn a_log_gets_one_stamped_line_per_change_and_one_a_minute() {
    let (mut progress, out) = progress(false);
    progress.observe(&environment("api", Phase::Creating, "orders it"), at(0));
    progress.observe(&environment("api", Phase::Creating, "orders it"), at(1));
    for second in 1..130 {
        progress.tick(at(second));
    }
    progress.observe(&environment("api", Phase::Installing, ""), at(130));
    assert_eq!(
        out.text(),
        "08:00:00  env/api  ordering, 10 %: orders it\n\
         08:01:00  env/api  ordering, 10 %: orders it\n\
         08:02:00  env/api  ordering, 10 %: orders it\n\
         08:02:10  env/api  installing, 41 %\n"
    );
}

#[test]
fn what_is_drawn_is_taken_back_before_it_is_drawn_anew() {
    let (mut progress, out) = progress(true);
    progress.observe(&environment("api", Phase::Creating, ""), at(0));
    progress.tick(at(1));
    progress.end();
    assert_eq!(out.text().matches("\x1b[1A\r\x1b[J").count(), 2);
}
