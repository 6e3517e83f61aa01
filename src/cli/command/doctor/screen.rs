//! The doctor's answer for people.

use std::collections::BTreeMap;
use std::path::Path;

use devpocket_controllers::cloud::CloudError;
use devpocket_controllers::inventory::mark;

use crate::cli::output::{Cell, Format, Ink, Output, Sign, Table, count, wrap};
use crate::config::DoctorConfig;
use crate::doctor::{DatabaseLook, Examination, Finding, Level, Look, MachineLook, Verdict, Whose};

/// Columns of a label.
const LABEL: usize = 12;
/// Machines in the table; the rest is counted.
const MACHINES: usize = 50;

pub fn show(output: &Output, found: &Examination, config: &DoctorConfig) {
    output.line(format!(
        "DevPocket {} looked at {} and changed nothing.",
        env!("CARGO_PKG_VERSION"),
        found.api
    ));
    sign_in(output, found);
    if let Some(look) = &found.look {
        field(output, "Machines", &machines(output, found, look));
        field(output, "Images", &images(output, look, config));
        field(output, "Tags", &tags(output, look));
        field(output, "Secrets", &secrets(output, look));
        field(output, "Snapshots", &snapshots(output, found, look));
    }
    field(output, "Database", &database(output, &found.database));
    if !found.machines.is_empty() {
        output.line("");
        table(output, &found.machines);
    }
    output.line("");
    output.line("What `serve` would do now:");
    for sentence in &found.first_start {
        bullet(output, "-", sentence);
    }
    findings(output, found, Level::ToDo, "To do:");
    findings(output, found, Level::Note, "Good to know:");
}

pub fn saved(output: &Output, file: &Path, machines: usize) {
    let machines = count(machines, "machine");
    output.hint(format!("A picture of {machines} is in {}; it names nobody.", file.display()));
    output.hint(format!("Rehearse on it: devpocket up --ephemeral --twin {}", file.display()));
}

fn field(output: &Output, label: &str, text: &str) {
    let width = output.out.prose_width().saturating_sub(LABEL);
    let lines = if output.out.color { vec![text.to_owned()] } else { wrap(text, width) };
    for (index, line) in lines.iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        output.line(format!("{label:<LABEL$}{line}").trim_end());
    }
}

fn bullet(output: &Output, sign: &str, text: &str) {
    let lead = format!("  {sign} ");
    let width = output.out.prose_width().saturating_sub(4);
    for (index, line) in wrap(text, width).iter().enumerate() {
        output.line(format!("{}{line}", if index == 0 { lead.as_str() } else { "    " }));
    }
}

fn sign_in(output: &Output, found: &Examination) {
    let style = output.out;
    match &found.sign_in.outcome {
        Ok(account) => {
            let name = format!("{}-{}", account.tenant, account.customer);
            let whose = match account.simulated {
                true => format!("simulated account {name}; nothing costs money"),
                false => style.paint(Ink::Yellow, &format!("REAL MONEY, account {name}")),
            };
            let text = format!("{} all four values are accepted: {whose}", style.sign(Sign::Done));
            return field(output, "Sign-in", &text);
        }
        Err(CloudError::SignIn { .. }) => {
            field(output, "Sign-in", &format!("{} refused", style.sign(Sign::Failed)));
        }
        Err(error) => field(output, "Sign-in", &format!("{} {error}", style.sign(Sign::Unknown))),
    }
    for value in &found.sign_in.values {
        let (sign, word) = match value.verdict {
            Verdict::Accepted => (Sign::Done, "accepted"),
            Verdict::Refused => (Sign::Failed, "this or the other is wrong"),
            Verdict::NotJudged => (Sign::Unknown, "not looked at"),
        };
        let remark = value.remark.map_or_else(String::new, |remark| format!("; {remark}"));
        output.line(format!(
            "  {} {:<21}  {:<12}  {word}{remark}",
            style.sign(sign),
            value.name,
            value.at
        ));
    }
}

fn failed(output: &Output, error: &CloudError) -> String {
    format!("{} {error}", output.out.sign(Sign::Unknown))
}

fn machines(output: &Output, found: &Examination, look: &Look) -> String {
    let list = match &look.list {
        Ok(list) => list,
        Err(error) => return failed(output, error),
    };
    let mut whose: BTreeMap<String, usize> = BTreeMap::new();
    for machine in &found.machines {
        *whose.entry(words(&machine.whose)).or_insert(0) += 1;
    }
    let parts: Vec<String> =
        whose.iter().map(|(words, count)| format!("{count} {words}")).collect();
    let flaw = match &list.flaw {
        Some(flaw) => format!("; {} {flaw}", output.out.sign(Sign::Unknown)),
        None => String::new(),
    };
    match parts.as_slice() {
        [] => format!("none{flaw}"),
        parts => format!("{}: {}{flaw}", found.machines.len(), parts.join(", ")),
    }
}

fn words(whose: &Whose) -> String {
    match whose {
        Whose::Ours { .. } => "ours".to_owned(),
        Whose::Forgotten { .. } => "ours, not in the database".to_owned(),
        Whose::Other { installation } => format!("of installation {installation}"),
        Whose::Stranger => "not ours".to_owned(),
    }
}

fn images(output: &Output, look: &Look, config: &DoctorConfig) -> String {
    let images = match &look.images {
        Ok(images) => images,
        Err(error) => return failed(output, error),
    };
    let known = config.catalogue.images();
    let there = |name: &str| images.iter().any(|image| image.standard && image.name == name);
    let missing = known.iter().filter(|image| !there(&image.name)).count();
    let custom = images.iter().filter(|image| !image.standard).count();
    let own = if custom > 0 { format!("; {custom} of your own") } else { String::new() };
    match missing {
        0 => format!("{} all {} of the catalogue{own}", output.out.sign(Sign::Done), known.len()),
        missing => format!(
            "{} {missing} of the catalogue's {} are missing{own}",
            output.out.sign(Sign::Waits),
            known.len()
        ),
    }
}

fn tags(output: &Output, look: &Look) -> String {
    match &look.tags {
        Err(error) => failed(output, error),
        Ok(tags) => match (tags.len(), mark::all(tags).len()) {
            (0, _) => "none".to_owned(),
            (tags, 0) => format!("{tags}, none of them DevPocket's"),
            (tags, marks) => format!("{tags}, {} of DevPocket among them", count(marks, "mark")),
        },
    }
}

fn secrets(output: &Output, look: &Look) -> String {
    match &look.secrets {
        Err(error) => failed(output, error),
        Ok(kinds) if kinds.is_empty() => "none".to_owned(),
        Ok(kinds) => {
            let each: Vec<String> = kinds
                .iter()
                .map(|(kind, number)| count(*number, kind.trim_end_matches('s')))
                .collect();
            format!("{}; DevPocket uses none of them", each.join(", "))
        }
    }
}

fn snapshots(output: &Output, found: &Examination, look: &Look) -> String {
    let seen = match &look.snapshots {
        Err(error) => return failed(output, error),
        Ok(seen) => seen,
    };
    let next = seen.snapshots.iter().filter_map(|s| s.expires).filter(|at| *at > found.at).min();
    let next = next.map(|at| format!(", the next one expires {}", output.words.day(at)));
    let asked = match seen.not_asked {
        0 => String::new(),
        more => format!("; {} not asked", count(more, "machine")),
    };
    match seen.snapshots.len() {
        0 => format!("none{asked}"),
        some => format!("{some}{}{asked}", next.unwrap_or_default()),
    }
}

fn database(output: &Output, database: &DatabaseLook) -> String {
    let waits = output.out.sign(Sign::Waits);
    match database {
        DatabaseLook::NotGiven => "not looked at: DATABASE_URL is not set".to_owned(),
        DatabaseLook::Wrong(because) => format!("{waits} {because}"),
        DatabaseLook::Unreachable(error) => format!("{waits} {error}"),
        DatabaseLook::Broken { place, because } => format!("{waits} {place}: {because}"),
        DatabaseLook::Empty(place) => format!("{place}, empty"),
        DatabaseLook::Unused(place) => format!("{place}, without an account"),
        DatabaseLook::OtherSchema { place, error, .. } => format!("{waits} {place}: {error}"),
        DatabaseLook::Records(records) => {
            let account = match &records.installation.spec.account {
                None => "no account yet".to_owned(),
                Some(account) if account.simulated => "the simulated account".to_owned(),
                Some(account) => format!("account {}-{}", account.tenant, account.customer),
            };
            let managed = records.machines.iter().filter(|machine| machine.spec.managed).count();
            format!(
                "{}, installation {}, {account}, {} under its care",
                records.place,
                records.installation.spec.id,
                count(managed, "machine")
            )
        }
    }
}

fn table(output: &Output, machines: &[MachineLook]) {
    let mut table = Table::new(&[
        "*NAME",
        "*STATUS",
        "WHOSE",
        "SIZE",
        "REGION",
        ">PRICE",
        "CANCELLED",
        "ADDRESS",
        "DISPLAY-NAME",
    ]);
    for machine in machines.iter().take(MACHINES) {
        let instance = &machine.instance;
        table.row(vec![
            Cell::new(machine.name()).ink(Ink::Bold),
            Cell::new(&instance.status),
            Cell::new(match machine.here {
                true => format!("{}, this computer", words(&machine.whose)),
                false => words(&machine.whose),
            }),
            Cell::new(machine.size.as_ref().unwrap_or(&instance.product_id)),
            Cell::new(&instance.region),
            Cell::new(machine.price.as_ref().map_or("not known".to_owned(), ToString::to_string)),
            Cell::maybe(instance.cancel_date.map(|date| date.to_string())),
            Cell::maybe(instance.address.as_ref()),
            Cell::new(match output.format {
                Format::Wide => instance.display_name.clone(),
                _ => crate::cli::output::shorten(&instance.display_name, 24),
            }),
        ]);
    }
    output.table(&table);
    if machines.len() > MACHINES {
        output.line(format!("and {} more: -o json", machines.len() - MACHINES));
    }
}

fn findings(output: &Output, found: &Examination, level: Level, head: &str) {
    let of_level = found.findings.iter().filter(|finding| finding.level == level);
    let of_level: Vec<&Finding> = of_level.collect();
    if of_level.is_empty() {
        return;
    }
    output.line("");
    output.line(head);
    for finding in of_level {
        let sign = match level {
            Level::ToDo => output.out.sign(Sign::Waits),
            Level::Note => "-".to_owned(),
        };
        let message = output.words.local_times(&finding.message, found.at);
        bullet(output, &sign, &format!("{message} ({})", finding.code));
        let because = finding.because.as_ref().map(|text| output.words.local_times(text, found.at));
        for text in because.into_iter() {
            bullet(output, " ", &text);
        }
        for (command, remark) in &finding.attempts {
            output.line(format!("      {command}    {remark}"));
        }
    }
}
