//! What `serve` would do first with this account and this database, in sentences.

use devpocket_controllers::inventory::account;
use devpocket_specs::installation::InstallationSpec;
use devpocket_specs::money::Money;

use super::{DatabaseLook, Examination, Level, Look, Records, Whose};
use crate::cli::output::count;
use crate::config::DoctorConfig;

/// Findings of a database with which `serve` changes nothing.
const HOLDS: [&str; 2] = ["account-mismatch", "database-behind"];

/// In the order in which it would happen; empty when it cannot be told.
pub fn sentences(examination: &Examination, config: &DoctorConfig) -> Vec<String> {
    let Some(look) = &examination.look else {
        return vec![
            "It would start, say that it cannot sign in, and change nothing until it can.".into(),
        ];
    };
    match &examination.database {
        DatabaseLook::Wrong(_)
        | DatabaseLook::Unreachable(_)
        | DatabaseLook::Broken { .. }
        | DatabaseLook::OtherSchema { .. } => {
            vec!["It would not start, because of its database, and change nothing.".into()]
        }
        DatabaseLook::Records(records) => goes_on(examination, look, records),
        DatabaseLook::NotGiven | DatabaseLook::Empty(_) | DatabaseLook::Unused(_) => {
            first(examination, look, config)
        }
    }
}

fn first(examination: &Examination, look: &Look, config: &DoctorConfig) -> Vec<String> {
    let database = match &examination.database {
        DatabaseLook::Empty(place) => format!("It makes its schema in {place}"),
        DatabaseLook::Unused(place) => format!("It finds no account in {place}"),
        _ => "With an empty database it makes its schema".to_owned(),
    };
    let account = name(look);
    let mut sentences =
        vec![format!("{database} and records {account} as the only one it drives.")];
    sentences.extend(untouched(examination));
    sentences.push(budget(config.monthly_budget.as_ref(), 3));
    sentences.push(
        "Its first call that changes something also leaves a tag in the account \
         (devpocket:ID:NUMBER:TIME), by which it tells its database from an older copy."
            .to_owned(),
    );
    sentences
}

fn goes_on(examination: &Examination, look: &Look, records: &Records) -> Vec<String> {
    let held = examination.findings.iter().find(|finding| HOLDS.contains(&finding.code));
    if let Some(held) = held.filter(|finding| finding.level == Level::ToDo) {
        return vec![format!(
            "It only looks, and changes nothing until a person has acted ({}).",
            held.code
        )];
    }
    let InstallationSpec { id, monthly_budget, purchases_per_hour, .. } =
        &records.installation.spec;
    let account = name(look);
    let mut sentences = vec![format!(
        "It goes on as installation {id} with {account}, which {} records.",
        records.place
    )];
    if account::is_behind(&records.installation.status) {
        sentences
            .push("Its database was held to be behind the account, and is looked at anew.".into());
    }
    let ours = examination.machines.iter().filter(|m| matches!(m.whose, Whose::Ours { .. }));
    sentences.push(format!("It goes on driving {}.", count(ours.count(), "machine")));
    sentences.extend(untouched(examination));
    sentences.push(budget(monthly_budget.as_ref(), *purchases_per_hour));
    sentences
}

fn name(look: &Look) -> String {
    let account = &look.account;
    match account.simulated {
        true => "the simulated account".to_owned(),
        false => format!("account {}-{}", account.tenant, account.customer),
    }
}

/// What is adopted by nobody.
fn untouched(examination: &Examination) -> Option<String> {
    let Some(Ok(list)) = examination.look.as_ref().map(|look| &look.list) else {
        return Some("Which machines there are could not be read; it would wait for that.".into());
    };
    let others = examination.machines.iter().filter(|m| !matches!(m.whose, Whose::Ours { .. }));
    let others = others.count();
    if list.instances.is_empty() {
        return Some("The account has no machine; none is touched.".into());
    }
    Some(match others {
        0 => return None,
        1 => "It records the 1 machine that is not its own and leaves it as it is: it adopts \
              nothing by itself, and starts, stops, renames, wipes or cancels no such machine."
            .to_owned(),
        more => format!(
            "It records the {more} machines that are not its own and leaves them as they are: it \
             adopts nothing by itself, and starts, stops, renames, wipes or cancels no such machine."
        ),
    })
}

fn budget(budget: Option<&Money>, purchases_per_hour: u32) -> String {
    match budget {
        None => "It buys nothing, since no monthly budget is set: an environment that needs a new \
                 machine is held."
            .to_owned(),
        Some(budget) => format!(
            "It buys only what is declared, for at most {budget} in a calendar month and \
             {purchases_per_hour} an hour. Nothing is bought by starting it."
        ),
    }
}
