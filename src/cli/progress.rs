//! Progress of environments, for a person or for a log.
//!
//! On a terminal there is one line per object (at most [`LINES`], the rest summed), redrawn in
//! place: a bar of [`CELLS`] cells, the step by name, the time gone. Elsewhere one stamped line per
//! change, and one a minute. A percentage never falls. After [`QUIET`] without change the line says
//! what is awaited.
//!
//! Feed it with [`Progress::observe`] for each change and [`Progress::tick`] about once a second.

use std::collections::BTreeMap;
use std::io::Write;

use devpocket_specs::environment::Environment;
use devpocket_specs::object::{Key, Resource};
use jiff::{SignedDuration, Timestamp};

use super::output::{Sign, Style, Words, shorten, span};
use super::standing::Standing;
use crate::manifest::short_name;

/// Lines that are redrawn.
const LINES: usize = 10;
/// Cells of a bar.
const CELLS: usize = 20;
/// After this long without change the line says what is awaited.
const QUIET: SignedDuration = SignedDuration::from_secs(10);
/// How often a log hears of something that does not change.
const REPEAT: SignedDuration = SignedDuration::from_mins(1);
/// Columns of the words: the longest is `installing`.
const WORD: usize = 12;

/// What is shown of several environments.
pub struct Progress {
    out: Box<dyn Write + Send>,
    style: Style,
    words: Words,
    objects: BTreeMap<Key, Tracked>,
    drawn: usize,
    /// Said of each that is ready: `Next: devpocket ssh new`.
    next: Option<fn(&str) -> String>,
}

struct Tracked {
    name: String,
    standing: Standing,
    percent: u8,
    started: Timestamp,
    stage_since: Timestamp,
    changed: Timestamp,
    said: Timestamp,
    settled: bool,
}

impl Progress {
    /// Written to `out`, which `style` describes.
    pub fn new(out: Box<dyn Write + Send>, style: Style, words: Words) -> Progress {
        Progress { out, style, words, objects: BTreeMap::new(), drawn: 0, next: None }
    }

    /// To stderr, as commands that wait do.
    pub fn stderr(style: Style, words: Words) -> Progress {
        Progress::new(Box::new(std::io::stderr()), style, words)
    }

    /// What to say after an environment is ready.
    pub fn then(mut self, next: fn(&str) -> String) -> Progress {
        self.next = Some(next);
        self
    }

    /// An environment as it is now. Time counts from the first look at it.
    pub fn observe(&mut self, environment: &Environment, now: Timestamp) {
        let mut standing = Standing::of(environment);
        standing.message = self.words.local_times(&standing.message, now);
        self.stand(environment.key(), standing, now);
    }

    /// An environment that is gone.
    pub fn gone(&mut self, key: &Key, now: Timestamp) {
        let standing = Standing {
            word: "released",
            sign: Sign::Done,
            percent: 100,
            message: String::new(),
            at_rest: true,
        };
        self.stand(key.clone(), standing, now);
    }

    fn stand(&mut self, key: Key, standing: Standing, now: Timestamp) {
        let name = short_name(&key);
        let Some(known) = self.objects.get_mut(&key) else {
            let tracked = Tracked {
                name,
                percent: standing.percent,
                settled: standing.at_rest,
                standing,
                started: now,
                stage_since: now,
                changed: now,
                said: now,
            };
            let line = if tracked.settled {
                self.settled_line(&tracked, now)
            } else {
                self.log_line(&tracked, now)
            };
            let shown = tracked.settled || !self.style.terminal;
            self.objects.insert(key, tracked);
            if shown {
                self.permanent(&line);
            }
            return self.draw(now);
        };
        if known.standing == standing {
            return;
        }
        let stage_over = known.standing.word != standing.word;
        let before = stage_over.then(|| (known.standing.clone(), known.stage_since));
        known.percent = known.percent.max(standing.percent);
        known.settled = standing.at_rest;
        known.standing = standing;
        known.changed = now;
        if stage_over {
            known.stage_since = now;
        }
        self.say_change(&key, before, now);
        self.draw(now);
    }

    fn say_change(&mut self, key: &Key, before: Option<(Standing, Timestamp)>, now: Timestamp) {
        let alone = self.objects.len() == 1;
        let Some(tracked) = self.objects.get(key) else { return };
        let mut lines = Vec::new();
        if self.style.terminal {
            let passed = before.filter(|(stage, _)| alone && is_stage(stage.word));
            if let Some((stage, since)) = passed {
                lines.push(self.line(
                    Sign::Done,
                    stage.word,
                    &tracked.name,
                    &span(now.duration_since(since)),
                ));
            }
            if tracked.settled {
                lines.push(self.settled_line(tracked, now));
            }
        } else {
            lines.push(if tracked.settled {
                format!("{}{}", self.stamp(now), self.settled_line(tracked, now).trim_start())
            } else {
                self.log_line(tracked, now)
            });
        }
        for line in lines {
            self.permanent(&line);
        }
        if let Some(tracked) = self.objects.get_mut(key) {
            tracked.said = now;
        }
    }

    /// Time goes on: redraws, or repeats what has not changed for a while.
    pub fn tick(&mut self, now: Timestamp) {
        if self.style.terminal {
            return self.draw(now);
        }
        let due: Vec<Key> = self
            .objects
            .iter()
            .filter(|(_, tracked)| !tracked.settled && now.duration_since(tracked.said) >= REPEAT)
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            let line = self.objects.get(&key).map(|tracked| self.log_line(tracked, now));
            if let (Some(line), Some(tracked)) = (line, self.objects.get_mut(&key)) {
                tracked.said = now;
                self.permanent(&line);
            }
        }
    }

    /// A line above the ones that are redrawn, such as a drift that was healed.
    pub fn remark(&mut self, line: &str, now: Timestamp) {
        self.permanent(line);
        self.draw(now);
    }

    /// Takes the lines away that are redrawn; what is settled stays.
    pub fn end(&mut self) {
        self.erase();
        let _ = self.out.flush();
    }

    /// The lines that are redrawn now, for tests and for whoever draws by himself.
    pub fn live_lines(&self, now: Timestamp) -> Vec<String> {
        let open: Vec<&Tracked> =
            self.objects.values().filter(|tracked| !tracked.settled).collect();
        let shown = if open.len() > LINES { LINES - 1 } else { open.len() };
        let mut lines: Vec<String> =
            open.iter().take(shown).map(|tracked| self.live_line(tracked, now)).collect();
        if open.len() > shown {
            lines.push(format!(
                "  {} and {} more",
                self.style.sign(Sign::UnderWay),
                open.len() - shown
            ));
        }
        lines
    }

    fn live_line(&self, tracked: &Tracked, now: Timestamp) -> String {
        let filled = usize::from(tracked.percent) * CELLS / 100;
        let bar = format!("{}{}", "█".repeat(filled), "░".repeat(CELLS - filled));
        let gone = span(now.duration_since(tracked.started));
        let rest = format!("{bar} {:>3} %  {gone}", tracked.percent);
        let mut line =
            self.line(tracked.standing.sign, tracked.standing.word, &tracked.name, &rest);
        let quiet = now.duration_since(tracked.changed) >= QUIET;
        if quiet && !tracked.standing.message.is_empty() {
            line.push_str(&format!("  {}", tracked.standing.message));
        }
        // A line that wraps could not be taken back.
        let invisible = if self.style.color { 9 } else { 0 };
        shorten(&line, self.style.width.saturating_add(invisible).saturating_sub(1))
    }

    fn line(&self, sign: Sign, word: &str, name: &str, rest: &str) -> String {
        let widest = self.objects.values().map(|tracked| tracked.name.len()).max().unwrap_or(0);
        let widest = widest.max(name.len());
        format!("  {} {word:<WORD$} {name:<widest$}  {rest}", self.style.sign(sign))
            .trim_end()
            .to_owned()
    }

    fn settled_line(&self, tracked: &Tracked, now: Timestamp) -> String {
        let took = now.duration_since(tracked.started);
        let mut rest = if took >= SignedDuration::from_secs(1) {
            format!("after {}", span(took))
        } else {
            String::new()
        };
        if tracked.standing.sign != Sign::Done && !tracked.standing.message.is_empty() {
            rest = tracked.standing.message.clone();
        } else if let (Some(next), "ready") = (self.next, tracked.standing.word) {
            let name = tracked.name.rsplit('/').next().unwrap_or_default();
            rest =
                format!("{rest}.  Next: {}", next(name)).trim_start_matches(['.', ' ']).to_owned();
        }
        self.line(tracked.standing.sign, tracked.standing.word, &tracked.name, &rest)
    }

    fn log_line(&self, tracked: &Tracked, now: Timestamp) -> String {
        let Standing { word, message, .. } = &tracked.standing;
        // `installing, 60 %: Contabo installs ...`, and not the word twice.
        let message = message.strip_prefix(&format!("{word}: ")).unwrap_or(message);
        let gap = if message.is_empty() { "" } else { ": " };
        format!("{}{}  {word}, {} %{gap}{message}", self.stamp(now), tracked.name, tracked.percent)
    }

    fn stamp(&self, now: Timestamp) -> String {
        format!("{}  ", self.words.clock(now))
    }

    fn permanent(&mut self, line: &str) {
        self.erase();
        let text = format!("{}\n", self.style.text(line));
        let _ = self.out.write_all(text.as_bytes());
        let _ = self.out.flush();
    }

    fn erase(&mut self) {
        if self.drawn > 0 {
            let _ = write!(self.out, "\x1b[{}A\r\x1b[J", self.drawn);
            self.drawn = 0;
        }
    }

    fn draw(&mut self, now: Timestamp) {
        if !self.style.terminal {
            return;
        }
        let lines = self.live_lines(now);
        self.erase();
        for line in &lines {
            let _ = writeln!(self.out, "{}", self.style.text(line));
        }
        let _ = self.out.flush();
        self.drawn = lines.len();
    }
}

/// Stages that are worth a line once they are over.
fn is_stage(word: &str) -> bool {
    matches!(word, "ordered" | "installing" | "stopped" | "restarting" | "resizing")
}

#[cfg(test)]
mod tests {
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
        assert!(lines[0].contains("60 %") && lines[0].contains("ordered"), "{lines:?}");
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
             08:02:10  env/api  installing, 60 %\n"
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
}
