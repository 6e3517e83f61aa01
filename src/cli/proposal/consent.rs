//! The question before a proposal is carried out.

use devpocket_specs::money::Money;
use devpocket_specs::plan::RiskClass;

use super::{Fate, Item, Proposal, release};
use crate::cli::error::Report;
use crate::cli::output::count;
use crate::cli::question::{Ask, Given, consent};
use crate::cli::session::Session;
use crate::manifest::short_name;

/// Asks, if there is something to ask about. `command` does exactly this.
pub fn ask(
    session: &Session,
    proposal: &Proposal,
    given: Given,
    command: &str,
) -> Result<bool, Report> {
    let recoverable = release::until(session, proposal.installation.as_ref()).is_some();
    let risky = |item: &&Item| {
        // A disk that cannot come back is lost with its environment.
        let lost = item.fate == Fate::Goes
            && !recoverable
            && item.environment.as_deref().is_some_and(release::releases);
        lost || item.plan.steps.iter().any(|step| step.class == RiskClass::DataRisk)
    };
    let names: Vec<String> =
        proposal.items.iter().filter(risky).map(|item| short_name(&item.key)).collect();
    if !names.is_empty() {
        let question = format!("This may lose data of {}.", names.join(", "));
        let name = match names.as_slice() {
            [one] => one.rsplit('/').next().unwrap_or_default().to_owned(),
            _ => proposal.shown_hash().to_owned(),
        };
        let ask = Ask::Type { question: &question, name: &name };
        return consent(&session.output, &ask, given, command);
    }
    let questions = [question(session, proposal), deletions(session, proposal)];
    let questions: Vec<String> = questions.into_iter().flatten().collect();
    if questions.is_empty() {
        return Ok(true);
    }
    consent(&session.output, &Ask::Yes(&questions.join(" ")), given, command)
}

/// `Delete env/old? Its disk can come back until tomorrow 14:05.`
fn deletions(session: &Session, proposal: &Proposal) -> Option<String> {
    let names: Vec<String> = proposal.going().map(|item| short_name(&item.key)).collect();
    if names.is_empty() {
        return None;
    }
    let released = proposal
        .going()
        .filter(|item| item.environment.as_deref().is_some_and(release::releases))
        .count();
    let until = release::until(session, proposal.installation.as_ref());
    let disks = match until.filter(|_| released > 0) {
        Some(until) => {
            let until = session.output.words.moment(until, session.now());
            let whose = if released == 1 { "Its disk" } else { "Their disks" };
            format!(" {whose} can come back until {until}.")
        }
        None => String::new(),
    };
    Some(format!("Delete {}?{disks}", names.join(", ")))
}

/// What is bought, or interrupted. Nothing that can be undone without a trace is asked about.
fn question(session: &Session, proposal: &Proposal) -> Option<String> {
    let bought = proposal.steps().filter(|step| step.class == RiskClass::Money).count();
    if bought > 0 {
        let due: Vec<String> = proposal.due().iter().map(Money::to_string).collect();
        let price =
            if due.is_empty() { String::new() } else { format!(" for {}", due.join(" and ")) };
        let end = term_end(session, proposal).unwrap_or_else(|| "the end of its term".to_owned());
        let them = if bought == 1 { "It" } else { "They" };
        return Some(format!(
            "Buy {}{price}? {them} cannot be given back before {end}.",
            count(bought, "machine")
        ));
    }
    let down = proposal
        .items
        .iter()
        .filter(|item| item.plan.steps.iter().any(|step| step.class == RiskClass::Reboot));
    let down: Vec<String> = down.map(|item| short_name(&item.key)).collect();
    (!down.is_empty()).then(|| format!("Interrupt what runs on {}?", down.join(", ")))
}

/// The first day on which what is bought today can be given back, if it is the same for all.
fn term_end(session: &Session, proposal: &Proposal) -> Option<String> {
    let mut months: Vec<i64> = proposal
        .items
        .iter()
        .filter(|item| item.fate == Fate::New && item.is_environment())
        .map(|item| item.spec["contractMonths"].as_i64().unwrap_or(1))
        .collect();
    months.dedup();
    let [months] = months.as_slice() else { return None };
    let today = session.output.words.day(session.now());
    let end = today.checked_add(jiff::Span::new().try_months(*months).ok()?).ok()?;
    Some(end.to_string())
}
