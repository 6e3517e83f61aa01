//! How a proposal reads.

use devpocket_specs::environment::Environment;
use devpocket_specs::money::Money;
use devpocket_specs::plan::{RiskClass, Step};
use serde_json::{Value, json};

use super::{Fate, Item, Proposal};
use crate::cli::api::Api;
use crate::cli::output::{Ink, Sign, Style, count};
use crate::cli::session::{Session, account_name};
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
    for item in proposal.items.iter().filter(|item| !item.is_idle()) {
        for line in item_lines(item, &style) {
            output.line(output.words.local_times(&line, session.now()));
        }
    }
    let idle = proposal.items.iter().filter(|item| item.is_idle()).count();
    if idle > 0 {
        output.line(format!("{} {idle} unchanged", style.sign(Sign::Unchanged)));
    }
    for line in totals(proposal) {
        output.line(line);
    }
}

/// `40 environments`, `1 new`, `2 environments and 1 other`.
fn subject(proposal: &Proposal) -> String {
    let environments = proposal.items.iter().filter(|item| item.is_environment()).count();
    let others = proposal.items.len() - environments;
    match (environments, others) {
        (_, 0) => count(environments, "environment"),
        (0, _) => count(others, "object"),
        _ => format!("{} and {}", count(environments, "environment"), count(others, "other")),
    }
}

fn item_lines(item: &Item, style: &Style) -> Vec<String> {
    let sign = match item.fate {
        Fate::New => Sign::New,
        Fate::Changed => Sign::Changes,
        Fate::Unchanged => Sign::Unchanged,
    };
    let name = style.paint(Ink::Bold, &short_name(&item.key));
    let what = match (&item.environment, item.fate) {
        (Some(environment), Fate::New) => described(environment),
        _ => item.differences.join(", "),
    };
    let head = format!("{} {name}  {what}", style.sign(sign));
    let mut lines = vec![head.trim_end().to_owned()];
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

/// What is due, what changes each month, the budget, and what waits.
fn totals(proposal: &Proposal) -> Vec<String> {
    let mut lines = Vec::new();
    let amounts = |amounts: Vec<Money>, signed: bool| {
        let shown = amounts.iter().map(|a| if signed { a.signed() } else { a.to_string() });
        shown.collect::<Vec<_>>().join(" and ")
    };
    let (due, monthly) = (amounts(proposal.due(), false), amounts(proposal.monthly(), true));
    if !due.is_empty() || !monthly.is_empty() {
        let due = if due.is_empty() { "nothing".to_owned() } else { due };
        let monthly =
            if monthly.is_empty() { String::new() } else { format!(", monthly {monthly}") };
        let day = proposal.prices_of.map(|day| format!(", prices of {day}")).unwrap_or_default();
        lines.push(format!("Due now {due}{monthly}, net{day}{}.", budget(proposal)));
    }
    let waits: Vec<String> = proposal
        .items
        .iter()
        .flat_map(|item| {
            let numbered = item.plan.steps.iter().enumerate();
            numbered
                .filter(|(_, step)| step.fingerprint.is_some() && !step.approved)
                .map(|(index, _)| format!("{} step {}", short_name(&item.key), index + 1))
        })
        .collect();
    if !waits.is_empty() {
        lines.push(format!("Waits for approval: {}.", waits.join(", ")));
    }
    lines
}

fn budget(proposal: &Proposal) -> String {
    let installation = proposal.installation.as_ref();
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
                "change": match item.fate {
                    Fate::New => "new",
                    Fate::Changed => "changed",
                    Fate::Unchanged => "unchanged",
                },
                "differences": item.differences,
                "plan": item.plan,
            })
        })
        .collect();
    json!({
        "hash": proposal.hash,
        "server": api.server(),
        "account": account.map(account_name),
        "simulated": account.map(|account| account.simulated),
        "items": items,
        "due": proposal.due(),
        "monthly": proposal.monthly(),
        "pricesOf": proposal.prices_of,
    })
}
