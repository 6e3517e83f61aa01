//! How a proposal reads.

use devpocket_specs::environment::Environment;
use devpocket_specs::money::Money;
use devpocket_specs::plan::{RiskClass, Step};
use serde_json::{Value, json};

use super::{Fate, Item, Proposal, release, sum};
use crate::cli::api::Api;
use crate::cli::output::{Ink, Sign, Style, count};
use crate::cli::session::{Session, account_name, is_shown_in_part};
use crate::manifest::short_name;

/// Most columns of a step's summary; longer ones push their row aside.
const SUMMARY: usize = 48;
/// Columns of a risk class: the longest is `reversible`.
const CLASS: usize = 10;
/// Columns of an amount.
const AMOUNT: usize = 12;
/// Columns of sign, number and spaces of a step.
const STEP: usize = 13;

/// Prints the plan.
pub fn show(session: &Session, api: &Api, proposal: &Proposal) {
    let output = &session.output;
    let style = output.out;
    let account = session.account_words(api, proposal.installation.as_ref());
    output.line(format!("Plan {}  {}  {account}", proposal.shown_hash(), subject(proposal)));
    for item in proposal.items.iter().filter(|item| !item.is_idle() && item.fate != Fate::Goes) {
        for line in item_lines(item, &style) {
            output.hang(&output.words.local_times(&line, session.now()));
        }
    }
    for item in proposal.going() {
        for line in going_lines(session, item, proposal) {
            output.hang(&output.words.local_times(&line, session.now()));
        }
    }
    for line in set_lines(proposal, &style) {
        output.hang(&line);
    }
    let idle = proposal.items.iter().filter(|item| item.is_idle()).count();
    if idle > 0 {
        output.line(format!("{} {idle} unchanged", style.sign(Sign::Unchanged)));
    }
    for item in proposal.items.iter().filter(|item| item.owned_by_others) {
        let (sign, name) = (style.sign(Sign::Unchanged), short_name(&item.key));
        output.line(format!("{sign} {name}  is declared so by others; apply declares it too"));
    }
    for line in totals(proposal) {
        output.hang(&line);
    }
}

/// `40 environments`, `1 new`, `2 environments and 1 other`.
pub(super) fn subject(proposal: &Proposal) -> String {
    let going = proposal.going().count();
    let held = proposal.items.iter().filter(|item| item.fate != Fate::Goes);
    let environments = held.filter(|item| item.is_environment()).count();
    let others = proposal.items.len() - going - environments;
    let held = match (environments, others) {
        (_, 0) => count(environments, "environment"),
        (0, _) => count(others, "object"),
        _ => format!("{} and {}", count(environments, "environment"), count(others, "other")),
    };
    match going {
        0 => held,
        1 => format!("{held}, 1 goes"),
        _ => format!("{held}, {going} go"),
    }
}

/// `- env/old  releases vmi2563140, paid until 2026-12-22`, and what becomes of the disk.
fn going_lines(session: &Session, item: &Item, proposal: &Proposal) -> Vec<String> {
    let style = session.output.out;
    let until = release::until(session, proposal.installation.as_ref());
    let (what, disk) = match &item.environment {
        Some(environment) => release::released(session, environment, until),
        None => (String::new(), String::new()),
    };
    let name = style.paint(Ink::Bold, &short_name(&item.key));
    let monthly = sum(item.plan.steps.iter().filter_map(|step| step.monthly.as_ref()));
    let monthly = amounts(&monthly, true);
    let head = format!("{} {name}  {what}  {}", style.sign(Sign::Goes), monthly.trim_start());
    let mut lines = vec![head.trim_end().to_owned()];
    if !disk.is_empty() {
        lines.push(format!("    {disk}"));
    }
    for hold in item.plan.steps.iter().filter_map(|step| step.hold.as_ref()) {
        lines.push(format!("    {} {}", style.sign(Sign::Waits), hold.message));
    }
    lines
}

/// What a set neither made nor deletes, so that nobody wonders.
fn set_lines(proposal: &Proposal, style: &Style) -> Vec<String> {
    let Some(pruned) = &proposal.pruned else { return Vec::new() };
    let set = pruned.set.name();
    let sign = style.sign(Sign::Unchanged);
    let kept = pruned
        .kept
        .iter()
        .map(|(key, why)| format!("{sign} {}  stays without a file: {why}", short_name(key)));
    let outside = pruned.outside.iter().map(|key| {
        let name = short_name(key);
        format!("{sign} {name}  was not made by set {set} and stays outside of it (--adopt)")
    });
    let unseen = pruned.unseen.iter().map(|kind| {
        let (sign, plural) = (style.sign(Sign::Unknown), kind.info().plural);
        format!("{sign} {plural}  not looked at, which this token may not: none of them is deleted")
    });
    kept.chain(outside).chain(unseen).collect()
}

fn item_lines(item: &Item, style: &Style) -> Vec<String> {
    let sign = match item.fate {
        Fate::New => Sign::New,
        Fate::Changed => Sign::Changes,
        Fate::Unchanged => Sign::Unchanged,
        Fate::Goes => Sign::Goes,
    };
    let name = style.paint(Ink::Bold, &short_name(&item.key));
    let what = match (&item.environment, item.fate) {
        (Some(environment), Fate::New) => described(environment),
        _ => item.differences.join(", "),
    };
    let head = format!("{} {name}  {what}", style.sign(sign));
    let mut lines = vec![head.trim_end().to_owned()];
    lines.extend(item.notes.iter().map(|note| format!("    {} {note}", style.sign(Sign::Waits))));
    let widest = item.plan.steps.iter().map(|step| step.summary.chars().count()).max();
    let width = widest.unwrap_or(0).min(SUMMARY);
    for (index, step) in item.plan.steps.iter().enumerate() {
        lines.push(step_line(index + 1, step, width, style));
        if let Some(hold) = &step.hold {
            lines.push(format!("       {} {}", style.sign(Sign::Waits), hold.message));
        }
    }
    lines
}

/// `python on vps-20-nvme in EU`
fn described(environment: &Environment) -> String {
    let spec = &environment.spec;
    let place = format!("{} in {}", spec.size, spec.region);
    match &spec.template {
        Some(template) => format!("{template} on {place}"),
        None => place,
    }
}

fn step_line(number: usize, step: &Step, width: usize, style: &Style) -> String {
    let waits = step.fingerprint.is_some() && !step.approved;
    let sign = if waits { style.sign(Sign::Waits) } else { " ".to_owned() };
    let ink = match step.class {
        RiskClass::DataRisk => Ink::Red,
        RiskClass::Money | RiskClass::Reboot => Ink::Yellow,
        RiskClass::Reversible | RiskClass::Observe => Ink::Plain,
    };
    let class = style.paint(ink, &format!("{:<CLASS$}", step.class.word()));
    let free = Money::new(0, currency(step));
    let amount = step.monthly.as_ref().unwrap_or(&free).signed();
    let mut notes = Vec::new();
    if let Some(due) = &step.due {
        notes.push(format!("{due} due"));
    }
    if let Some(seconds) = step.downtime_seconds {
        notes.push(format!("down about {seconds} s"));
    }
    let notes = notes.join(", ");
    let columns = width + CLASS + AMOUNT + notes.len() + STEP;
    if columns > style.width {
        // No room beside it: what it costs stands below.
        let amount = amount.trim_start();
        let line = format!(
            "  {sign} {number}  {}\n       {}  {amount}  {notes}",
            step.summary,
            class.trim_end()
        );
        return line.trim_end().to_owned();
    }
    let line =
        format!("  {sign} {number}  {:<width$}  {class}  {amount:>AMOUNT$}  {notes}", step.summary);
    line.trim_end().to_owned()
}

fn currency(step: &Step) -> String {
    let known = step.due.as_ref().or(step.monthly.as_ref());
    known.map_or_else(|| "EUR".to_owned(), |money| money.currency.clone())
}

/// Amounts in a sentence, each in its currency.
pub(super) fn amounts(amounts: &[Money], signed: bool) -> String {
    let shown = amounts.iter().map(|a| if signed { a.signed() } else { a.to_string() });
    shown.collect::<Vec<_>>().join(" and ")
}

/// `env/shop step 1`, each step that lacks consent.
pub(super) fn waiting(proposal: &Proposal) -> Vec<String> {
    let waits = proposal.items.iter().flat_map(|item| {
        let numbered = item.plan.steps.iter().enumerate();
        numbered
            .filter(|(_, step)| step.fingerprint.is_some() && !step.approved)
            .map(|(index, _)| format!("{} step {}", short_name(&item.key), index + 1))
    });
    waits.collect()
}

/// What is due, what changes each month, the budget, and what waits.
fn totals(proposal: &Proposal) -> Vec<String> {
    let mut lines = Vec::new();
    let (due, monthly) = (amounts(&proposal.due(), false), amounts(&proposal.monthly(), true));
    if !due.is_empty() || !monthly.is_empty() {
        let due = if due.is_empty() { "nothing".to_owned() } else { due };
        let monthly =
            if monthly.is_empty() { String::new() } else { format!(", monthly {monthly}") };
        let day = proposal.prices_of.map(|day| format!(", prices of {day}")).unwrap_or_default();
        lines.push(format!("Due now {due}{monthly}, net{day}{}.", budget(proposal)));
    }
    let waits = waiting(proposal);
    if !waits.is_empty() {
        lines.push(format!("Waits for approval: {}.", waits.join(", ")));
    }
    lines
}

pub(super) fn budget(proposal: &Proposal) -> String {
    // Of a budget somebody may not read nothing is said.
    let installation = proposal.installation.as_ref().filter(|found| !is_shown_in_part(found));
    match (installation.map(|i| i.spec.monthly_budget.as_ref()), &proposal.committed) {
        (Some(Some(budget)), Some(committed)) => {
            let committed = committed.to_string();
            let amount = committed.split(' ').next().unwrap_or_default();
            format!("; budget {amount} of {budget}")
        }
        (Some(None), _) => "; no budget is set, so nothing is bought".to_owned(),
        _ => String::new(),
    }
}

/// The plan for programs.
pub fn document(api: &Api, proposal: &Proposal) -> Value {
    let account = proposal.installation.as_ref().and_then(|i| i.spec.account.as_ref());
    let items: Vec<Value> = proposal
        .items
        .iter()
        .map(|item| {
            json!({
                "kind": item.key.kind.info().name,
                "namespace": item.key.namespace,
                "name": item.key.name,
                "change": item.fate.word(),
                "differences": item.differences,
                "plan": item.plan,
            })
        })
        .collect();
    let mut document = json!({
        "hash": proposal.hash,
        "server": api.server(),
        "account": account.map(account_name),
        "simulated": account.map(|account| account.simulated),
        "items": items,
        "due": proposal.due(),
        "monthly": proposal.monthly(),
        "pricesOf": proposal.prices_of,
    });
    if let Some(pruned) = &proposal.pruned {
        let kept = pruned.kept.iter().map(|(key, why)| json!({"object": key, "because": why}));
        document["set"] = json!({
            "name": pruned.set.name(),
            "members": pruned.members,
            "kept": kept.collect::<Vec<_>>(),
            "outside": pruned.outside,
            "unseen": pruned.unseen.iter().map(|kind| kind.info().plural).collect::<Vec<_>>(),
        });
    }
    document
}
