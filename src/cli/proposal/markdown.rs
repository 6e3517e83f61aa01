//! A plan as Markdown, for a comment under a pull request.
//!
//! # Guarantees
//! - Whatever somebody could have named (objects, files, templates, reasons) stands in code spans,
//!   or in a fence longer than any in it: it mentions nobody, links nowhere, and ends no table.
//! - What forges take for a comment at most is not exceeded: rows are left out from the end, and
//!   the text says how many.

use devpocket_specs::plan::Step;

use super::show::{amounts, budget, subject, waiting};
use super::{Fate, Item, Proposal, release, sum};
use crate::cli::api::Api;
use crate::cli::error::Report;
use crate::cli::output::count;
use crate::cli::session::{Session, account_name};
use crate::manifest::short_name;

/// First line: programs find their comment, and the plan it is about, by it.
const MARK: &str = "devpocket-plan";
/// Bytes of the rows: GitHub takes 65,536 characters in all.
const ROWS_BYTES: usize = 48 * 1024;

/// The plan; `exactly` is the command that does it, absent where there is none, and `refused` why
/// no command does it as it is.
pub fn markdown(
    session: &Session,
    api: &Api,
    proposal: &Proposal,
    exactly: Option<&str>,
    refused: Option<&Report>,
) -> String {
    let hash = if proposal.is_idle() { "nothing" } else { &proposal.hash };
    let mut text = format!("<!-- {MARK} {hash} -->\n");
    let title = if proposal.is_idle() { "Nothing to do" } else { "Plan" };
    text.push_str(&format!("### {title}: {} on {}", subject(proposal), code(api.server())));
    text.push_str(&format!("\n\n{}\n", account(proposal)));
    if !proposal.is_idle() {
        text.push_str(&table(session, proposal));
    }
    let idle = proposal.items.iter().filter(|item| item.is_idle()).count();
    if idle > 0 {
        text.push_str(&format!("\n{idle} unchanged.\n"));
    }
    text.push_str(&money(proposal));
    let waits = waiting(proposal);
    if !waits.is_empty() {
        let waits: Vec<String> = waits.iter().map(|step| code(step)).collect();
        text.push_str(&format!("\n**Waits for approval:** {}.\n", waits.join(", ")));
    }
    text.push_str(&set(proposal));
    for failure in refused.iter().flat_map(|report| &report.failures) {
        text.push_str(&format!("\n**Refused:** {}.\n", code(&failure.message)));
        for (command, _) in &failure.attempts {
            text.push_str(&format!("\n{}", fenced("sh", command)));
        }
    }
    if let Some(exactly) = exactly {
        text.push_str("\nNothing was changed. Run exactly this:\n\n");
        text.push_str(&fenced("sh", exactly));
    }
    text
}

fn account(proposal: &Proposal) -> String {
    let installation = proposal.installation.as_ref();
    match installation.and_then(|installation| installation.spec.account.as_ref()) {
        None => "There is no Contabo account yet.".to_owned(),
        Some(account) if account.simulated => "Simulated: nothing costs money.".to_owned(),
        Some(account) => format!("**REAL MONEY**, Contabo {}.", code(&account_name(account))),
    }
}

fn table(session: &Session, proposal: &Proposal) -> String {
    let head = "\n| | object | what | risk | monthly | due now |\n|---|---|---|---|---:|---:|\n";
    let mut text = head.to_owned();
    let mut left_out = 0;
    for item in proposal.items.iter().filter(|item| !item.is_idle()) {
        let rows = rows(session, item, proposal);
        if text.len() + rows.len() > ROWS_BYTES {
            left_out += 1;
        } else if left_out == 0 {
            text.push_str(&rows);
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        let more = count(left_out, "object");
        text.push_str(&format!("\n**{more} more** did not fit here; the plan holds them.\n"));
    }
    text
}

fn rows(session: &Session, item: &Item, proposal: &Proposal) -> String {
    let local = |text: &str| session.output.words.local_times(text, session.now());
    let sign = match item.fate {
        Fate::New => "`+`",
        Fate::Changed => "`~`",
        Fate::Goes => "`-`",
        Fate::Unchanged => "",
    };
    let mut rows = String::new();
    let mut row = |first: bool, what: &str, risk: &str, monthly: &str, due: &str| {
        let (sign, name) =
            if first { (sign, cell(&short_name(&item.key))) } else { ("", String::new()) };
        rows.push_str(&format!("| {sign} | {name} | {what} | {risk} | {monthly} | {due} |\n"));
    };
    let mut first = true;
    let mut say = |what: &str, risk: &str, monthly: &str, due: &str| {
        row(first, what, risk, monthly, due);
        first = false;
    };
    if item.fate == Fate::Goes {
        let (what, lost) = going(session, item, proposal);
        let monthly = sum(item.plan.steps.iter().filter_map(|step| step.monthly.as_ref()));
        let monthly = amounts(&monthly, true);
        say(&cell(&what), if lost { "**data-risk**" } else { "" }, monthly.trim(), "");
    } else if !item.differences.is_empty() {
        let each: Vec<String> = item.differences.iter().map(|text| cell(text)).collect();
        say(&each.join("<br>"), "", "", "");
    } else if item.plan.is_empty() {
        say("declared", "", "", "");
    }
    for (index, step) in item.plan.steps.iter().enumerate() {
        if let Some(hold) = step.hold.as_ref().filter(|_| item.fate == Fate::Goes) {
            say(&format!("held: {}", cell(&local(&hold.message))), "", "", "");
        }
        if item.fate == Fate::Goes {
            continue;
        }
        let what = format!("{}. {}", index + 1, cell(&step.summary));
        let amount = step.monthly.as_ref().map(|money| money.signed().trim().to_owned());
        let due = step.due.as_ref().map(ToString::to_string).unwrap_or_default();
        say(&what, &risk(step), &amount.unwrap_or_default(), &due);
        if let Some(hold) = &step.hold {
            say(&format!("held: {}", cell(&local(&hold.message))), "", "", "");
        }
    }
    rows
}

/// What becomes of what goes, and whether data is lost for good. No times: a comment is read later
/// than it is written.
fn going(session: &Session, item: &Item, proposal: &Proposal) -> (String, bool) {
    let Some(environment) = &item.environment else { return ("deleted".to_owned(), false) };
    let installation = proposal.installation.as_ref();
    let (what, _) = release::released(session, environment, None);
    if !release::releases(environment) {
        return (what, false);
    }
    match release::until(session, installation) {
        Some(_) => {
            let seconds = installation.map_or(0, |i| i.spec.reclaim_after_seconds);
            let hours = seconds.max(3_600) / 3_600;
            (format!("{what}; its disk can come back for {hours} h"), false)
        }
        None => (format!("{what}; its disk cannot come back"), true),
    }
}

/// The class of a step; one that waits says so.
fn risk(step: &Step) -> String {
    let waits = step.fingerprint.is_some() && !step.approved;
    let word = step.class.word();
    let word = if step.class.needs_approval() { format!("**{word}**") } else { word.to_owned() };
    if waits { format!("{word}, waits") } else { word }
}

fn money(proposal: &Proposal) -> String {
    let (due, monthly) = (amounts(&proposal.due(), false), amounts(&proposal.monthly(), true));
    if due.is_empty() && monthly.is_empty() {
        return String::new();
    }
    let due = if due.is_empty() { "nothing".to_owned() } else { due };
    let monthly = if monthly.is_empty() { String::new() } else { format!(", monthly {monthly}") };
    let day = proposal.prices_of.map(|day| format!(", prices of {day}")).unwrap_or_default();
    format!("\n**Due now {due}{monthly}**, net{day}{}.\n", budget(proposal))
}

fn set(proposal: &Proposal) -> String {
    let Some(pruned) = &proposal.pruned else { return String::new() };
    let name = code(pruned.set.name());
    let mut text = String::new();
    for (key, why) in &pruned.kept {
        let (key, why) = (code(&short_name(key)), code(why));
        text.push_str(&format!("\n{key} stays without a file: {why}.\n"));
    }
    if !pruned.outside.is_empty() {
        let keys: Vec<String> = pruned.outside.iter().map(|key| code(&short_name(key))).collect();
        text.push_str(&format!(
            "\nNot made by set {name}, and outside of it: {}.\n",
            keys.join(", ")
        ));
    }
    for kind in &pruned.unseen {
        let plural = kind.info().plural;
        text.push_str(&format!(
            "\nNot looked at, which this token may not: {plural}. None of them is deleted.\n"
        ));
    }
    text
}

/// A code span in a cell of a table, where a bar would end the cell.
fn cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

/// A code span around any text: on one line, without what is not seen, and with marks that the
/// text itself does not hold.
fn code(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let text: String = text.chars().filter(|c| !is_unseen(*c)).collect();
    let text = text.trim();
    if text.is_empty() {
        return String::new();
    }
    let marks = "`".repeat(longest_run(text) + 1);
    // A span that begins or ends with a mark needs a space, which is not shown.
    let gap = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{marks}{gap}{text}{gap}{marks}")
}

/// Controls, and what turns the direction of a text or joins and hides letters.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{61c}')
}

fn fenced(language: &str, text: &str) -> String {
    let marks = "`".repeat(longest_run(text).max(2) + 1);
    let text: String = text.chars().filter(|c| *c == '\n' || !is_unseen(*c)).collect();
    format!("{marks}{language}\n{text}\n{marks}\n")
}

fn longest_run(text: &str) -> usize {
    let runs = text.split(|c| c != '`').map(str::len);
    runs.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use pulldown_cmark::{Event, Options, Parser, Tag};

    use super::*;

    /// What somebody who wants to do harm would call something.
    const HOSTILE: [&str; 9] = [
        "a | b | c",
        "`code` ``` more",
        "`",
        "@everyone <img src=x onerror=alert(1)>",
        "[click](http://evil.example) http://evil.example #1",
        "line\nnext\n\n# head\r\n| a | b |",
        "\\| \\` \\",
        "\u{202e}desrever\u{200b}",
        "--> <!-- x",
    ];

    fn events(text: &str) -> Vec<Event<'_>> {
        Parser::new_ext(text, Options::ENABLE_TABLES).collect()
    }

    #[test]
    fn a_cell_stays_one_cell_of_code_whatever_is_in_it() {
        for hostile in HOSTILE {
            let table = format!("| a | b |\n|---|---|\n| {} | end |\n", cell(hostile));
            let events = events(&table);
            let cells = events.iter().filter(|e| matches!(e, Event::Start(Tag::TableCell)));
            assert_eq!(cells.count(), 4, "{hostile:?}: {table}");
            let codes = events.iter().filter(|e| matches!(e, Event::Code(_)));
            assert_eq!(codes.count(), 1, "{hostile:?}: {table}");
            let texts: String = events
                .iter()
                .filter_map(|e| if let Event::Text(text) = e { Some(text.as_ref()) } else { None })
                .collect();
            assert_eq!(texts, "abend", "{hostile:?}: {table}");
            let html = |e: &&Event<'_>| matches!(e, Event::Html(_) | Event::InlineHtml(_));
            assert_eq!(events.iter().filter(html).count(), 0, "{hostile:?}");
        }
    }

    #[test]
    fn a_fence_ends_where_the_command_ends() {
        let text = fenced("sh", "apply -f 'a\n```\n# b'");
        let after = format!("{text}end\n");
        let events = events(&after);
        let blocks = events.iter().filter(|e| matches!(e, Event::Start(Tag::CodeBlock(_))));
        assert_eq!(blocks.count(), 1, "{text}");
        assert!(!events.iter().any(|e| matches!(e, Event::Start(Tag::Heading { .. }))), "{text}");
    }

    #[test]
    fn what_is_not_seen_is_not_there() {
        assert_eq!(code("\u{202e}abc\u{200b}"), "`abc`");
        assert_eq!(code("a\tb"), "`a b`");
    }
}
