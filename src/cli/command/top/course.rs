//! How something was over a time: in one line of bars, and in numbers.

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::Value;

use super::{GB, name, percent, rate, silence};
use crate::cli::error::{Outcome, exit};
use crate::cli::output::{Cell, Format, Ink, Table};
use crate::cli::session::Session;

/// Bars of a line over a time that was asked for.
const CELLS: usize = 40;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Values over a time; nothing where there is a gap.
pub(super) struct Course {
    cells: Vec<Option<f64>>,
}

impl Course {
    pub fn new(cells: Vec<Option<f64>>) -> Course {
        Course { cells }
    }

    /// Means of what falls into each of `cells` equal parts of a time.
    fn over(values: &[(Timestamp, f64)], begin: Timestamp, end: Timestamp, cells: usize) -> Course {
        let all = end.duration_since(begin).as_secs_f64().max(1.0);
        let mut parts = vec![(0.0, 0u32); cells];
        for (at, value) in values {
            let passed = at.duration_since(begin).as_secs_f64();
            let place = (passed / all * cells as f64).floor();
            if (0.0..cells as f64).contains(&place) {
                let part = &mut parts[place as usize];
                *part = (part.0 + value, part.1 + 1);
            }
        }
        let mean = |(sum, count): (f64, u32)| (count > 0).then(|| sum / f64::from(count));
        Course { cells: parts.into_iter().map(mean).collect() }
    }

    /// The bars; `full` is the highest. A gap is a space.
    pub fn of(&self, full: f64) -> String {
        let top = BARS.len() - 1;
        let bar = |value: f64| {
            let share = if full > 0.0 { (value / full).clamp(0.0, 1.0) } else { 0.0 };
            BARS[(share * top as f64).round() as usize]
        };
        let line: String = self.cells.iter().map(|cell| cell.map_or(' ', bar)).collect();
        line.trim_end().to_owned()
    }
}

/// A line of the answer: what it is called, where it is from, how it is told, and what is the highest
/// bar if that is known.
struct Measure {
    header: &'static str,
    field: &'static str,
    told: fn(f64) -> String,
    full: Option<&'static str>,
}

const MEASURES: [Measure; 5] = [
    Measure { header: "CPU", field: "cpu_usage", told: percent, full: None },
    Measure { header: "MEMORY", field: "memory_used", told: gigabytes, full: Some("memory_total") },
    Measure { header: "DISK", field: "storage_used", told: gigabytes, full: Some("storage_total") },
    Measure { header: "IN", field: "network_rx", told: rate, full: None },
    Measure { header: "OUT", field: "network_tx", told: rate, full: None },
];

fn gigabytes(bytes: f64) -> String {
    format!("{:.1} GB", bytes / GB)
}

/// One environment over a time.
pub(super) async fn show(
    session: &Session,
    item: &Value,
    since: SignedDuration,
    hours: i64,
) -> Outcome {
    let id = item["environment_id"].as_str().unwrap_or_default();
    let path = format!("/environments/{id}/metrics?hours={hours}");
    let api = session.api()?;
    let answer = api.rest(Method::GET, &path, None).await;
    let mut answer = answer.map_err(|error| session.report(&error))?;
    let end = session.now();
    let begin = end.checked_sub(since).unwrap_or(Timestamp::MIN);
    if let Some(metrics) = answer["metrics"].as_array_mut() {
        metrics.retain(|entry| at(entry).is_some_and(|at| at >= begin));
    }
    match session.output.format {
        Format::Json | Format::Yaml => session.output.document(&answer),
        Format::Name => session.output.line(format!("env/{}", name(item))),
        _ => table(session, &answer, begin, end),
    }
    Ok(exit::DONE)
}

fn at(entry: &Value) -> Option<Timestamp> {
    entry["timestamp"].as_str()?.parse().ok()
}

fn table(session: &Session, answer: &Value, begin: Timestamp, end: Timestamp) {
    let entries = answer["metrics"].as_array().map(Vec::as_slice).unwrap_or_default();
    if entries.is_empty() {
        session.output.note(format!("No samples of env/{} in this time.", name(answer)));
    } else {
        let utf8 = session.output.out.utf8;
        let mut headers = vec!["*", "*>NOW", "*>MEAN", "*>MOST"];
        if utf8 {
            headers.push("COURSE");
        }
        let mut table = Table::new(&headers);
        for measure in &MEASURES {
            table.row(measure.row(answer, entries, begin, end, utf8));
        }
        session.output.table(&table);
    }
    if let Some(line) = silence(session, answer) {
        session.output.hint(line);
    }
}

impl Measure {
    fn row(
        &self,
        answer: &Value,
        entries: &[Value],
        begin: Timestamp,
        end: Timestamp,
        utf8: bool,
    ) -> Vec<Cell> {
        let known = |entry: &Value| Some((at(entry)?, entry[self.field].as_f64()?));
        let values: Vec<(Timestamp, f64)> = entries.iter().filter_map(known).collect();
        let most = values.iter().map(|(_, value)| *value).reduce(f64::max);
        let mean =
            most.map(|_| values.iter().map(|(_, value)| value).sum::<f64>() / values.len() as f64);
        let now = answer[self.field].as_f64().filter(|_| answer["message"].is_null());
        let full = match self.full {
            Some(total) => {
                entries.iter().filter_map(|entry| entry[total].as_f64()).reduce(f64::max)
            }
            None if self.field == "cpu_usage" => Some(100.0),
            None => most,
        };
        let mut row = vec![
            Cell::new(self.header),
            Cell::maybe(now.map(self.told)),
            Cell::maybe(mean.map(self.told)),
            Cell::maybe(most.map(self.told)),
        ];
        if utf8 {
            let course = Course::over(&values, begin, end, CELLS);
            row.push(Cell::new(course.of(full.unwrap_or(0.0))).ink(Ink::Dim));
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_a_space_and_not_the_lowest_bar() {
        let course = Course::new(vec![Some(0.0), None, Some(50.0), Some(100.0), Some(200.0), None]);
        assert_eq!(course.of(100.0), "▁ ▅██");
        assert_eq!(Course::new(vec![Some(0.0)]).of(0.0), "▁");
        assert_eq!(Course::new(vec![None, None]).of(1.0), "");
    }

    #[test]
    fn values_fall_into_their_part_of_the_time() {
        let at = |second: i64| Timestamp::from_second(1_780_000_000 + second).unwrap();
        let values = [(at(-1), 9.0), (at(0), 1.0), (at(9), 3.0), (at(25), 8.0), (at(40), 9.0)];
        let course = Course::over(&values, at(0), at(40), 4);
        assert_eq!(course.cells, [Some(2.0), None, Some(8.0), None]);
    }
}
