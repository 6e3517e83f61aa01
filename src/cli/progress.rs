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
use unicode_width::UnicodeWidthStr;

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
    /// Follows `after 6 s` of each that is ready, punctuation included.
    next: Option<fn(&str) -> String>,
    /// Whether stages that are over leave a line.
    stages: bool,
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
        Progress { out, style, words, objects: BTreeMap::new(), drawn: 0, next: None, stages: true }
    }

    /// To stderr, as commands that wait do.
    pub fn stderr(style: Style, words: Words) -> Progress {
        Progress::new(Box::new(std::io::stderr()), style, words)
    }

    /// What follows `after 6 s` of an environment that is ready, punctuation included; made from
    /// its name.
    pub fn then(mut self, next: fn(&str) -> String) -> Progress {
        self.next = Some(next);
        self
    }

    /// Stages that are over leave no line; whoever watches tells them himself.
    pub fn only_the_end(mut self) -> Progress {
        self.stages = false;
        self
    }

    /// An environment as it is now. Time counts from the first look at it.
    pub fn observe(&mut self, environment: &Environment, now: Timestamp) {
        self.observe_as(environment, Standing::of(environment), now);
    }

    /// The same, where whoever waits for it knows better how it stands.
    pub fn observe_as(&mut self, environment: &Environment, standing: Standing, now: Timestamp) {
        let mut standing = standing;
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
            step: String::new(),
            ends: None,
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
        let said = is_news(known, &standing);
        let before = stage_over.then(|| (known.standing.clone(), known.stage_since));
        known.percent = known.percent.max(standing.percent);
        known.settled = standing.at_rest;
        known.standing = standing;
        known.changed = now;
        if stage_over {
            known.stage_since = now;
        }
        if self.style.terminal || said {
            self.say_change(&key, before, now);
        }
        self.draw(now);
    }

    fn say_change(&mut self, key: &Key, before: Option<(Standing, Timestamp)>, now: Timestamp) {
        let alone = self.objects.len() == 1;
        let Some(tracked) = self.objects.get(key) else { return };
        let mut lines = Vec::new();
        if self.style.terminal {
            let passed = before.filter(|(stage, _)| self.stages && alone && is_stage(stage.word));
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
        let gone = format!("{:>3} %  {}", tracked.percent, self.so_long(tracked, now));
        let Standing { sign, word, message, step, ends, .. } = &tracked.standing;
        let quiet = now.duration_since(tracked.changed) >= QUIET && !message.is_empty();
        let left = ends.map(|ends| ends.duration_since(now)).filter(|left| left.is_positive());
        let awaited = match left {
            Some(left) => format!("{step}, about {} left", span(left)),
            None if quiet => message.clone(),
            None => step.clone(),
        };
        let full = self.line(*sign, word, &tracked.name, &format!("{bar} {gone}  {awaited}"));
        // A line that wraps could not be taken back.
        let invisible = if self.style.color { 9 } else { 0 };
        let width = self.style.width.saturating_add(invisible).saturating_sub(1);
        let barred = self.line(*sign, word, &tracked.name, &format!("{bar} {gone}"));
        if barred.width() <= width {
            return shorten(&full, width);
        }
        // What is said stays, the bar repeats it.
        shorten(&self.line(*sign, word, &tracked.name, &format!("{gone}  {awaited}")), width)
    }

    /// Padded, so that what follows does not move with each second.
    fn so_long(&self, tracked: &Tracked, now: Timestamp) -> String {
        format!("{:<5}", span(now.duration_since(tracked.started)))
    }

    fn line(&self, sign: Sign, word: &str, name: &str, rest: &str) -> String {
        // `env/demo after 6 s` is a sentence, the rest are columns.
        let gap = if rest.starts_with("after ") { " " } else { "  " };
        let widest = self.objects.values().map(|tracked| tracked.name.len()).max().unwrap_or(0);
        let widest = widest.max(name.len());
        format!("  {} {word:<WORD$} {name:<widest$}{gap}{rest}", self.style.sign(sign))
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
            let more = format!("{rest}{}", next(name)).trim_start_matches(['.', ' ']).to_owned();
            let line = self.line(tracked.standing.sign, "ready", &tracked.name, &more);
            if line.width() < self.style.width {
                return line;
            }
        }
        self.line(tracked.standing.sign, tracked.standing.word, &tracked.name, &rest)
    }

    fn log_line(&self, tracked: &Tracked, now: Timestamp) -> String {
        let Standing { word, message, .. } = &tracked.standing;
        // `installing, 41 %: Contabo installs ...`, and not the word twice.
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

/// Whether a log hears of it: of an installation each step and each tenth, not each percent.
fn is_news(known: &Tracked, new: &Standing) -> bool {
    let old = &known.standing;
    let goes_on = old.word == "installing" && new.word == "installing" && old.sign == new.sign;
    if !goes_on || old.percent == new.percent {
        return true;
    }
    old.step != new.step || known.percent / 10 != new.percent.max(known.percent) / 10
}

/// Stages that are worth a line once they are over.
fn is_stage(word: &str) -> bool {
    matches!(word, "ordered" | "installing" | "stopped" | "restarting" | "resizing")
}

#[cfg(test)]
mod tests;
