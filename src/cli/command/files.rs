//! Documents from files, judged as a whole: one that is wrong, and none is sent.

use std::collections::BTreeSet;
use std::path::PathBuf;

use devpocket_specs::status::{Cause, Reason, Status};

use crate::cli::api::Api;
use crate::cli::error::{Failure, Report, exit};
use crate::cli::output::count;
use crate::cli::proposal::{Proposal, Terms, Wanted, build};
use crate::cli::refusal;
use crate::cli::session::Session;
use crate::manifest::{Document, Fault, LoadError, Manifests, load};

/// Reads the files and asks the server about every document.
pub async fn propose(
    session: &Session,
    api: &Api,
    files: &[PathBuf],
    terms: &Terms,
) -> Result<Proposal, Report> {
    let manifests = read(session, files, terms)?;
    let wanted: Vec<Wanted> = manifests
        .documents
        .iter()
        .map(|document| Wanted { key: document.key.clone(), document: document.value.clone() })
        .collect();
    if wanted.is_empty() && manifests.faults.is_empty() && terms.set.is_none() {
        let failure = Failure::new("no-document", "there is no document in what was read");
        let failure = failure.exit(exit::INVALID).at(listed(files)).so_far("nothing was sent");
        let example = "devpocket create web --size vps-10-nvme --dry-run -o yaml";
        return Err(failure.attempt(example, "one to begin with").into());
    }
    let judged = build(session, api, &wanted, terms).await;
    let mut faults = manifests.faults.clone();
    let mut others = Vec::new();
    match judged {
        Ok(Ok(proposal)) if faults.is_empty() => return Ok(proposal),
        Ok(Ok(_)) => {}
        Ok(Err(refusals)) => {
            for (index, status) in refusals {
                let document = &manifests.documents[index];
                match causes(&status) {
                    Some(causes) => {
                        faults.extend(causes.iter().map(|cause| document.fault(cause)));
                    }
                    None => others.push(refused(session, document, &status)),
                }
            }
        }
        Err(report) => {
            // Without a server there still is what can be seen in the files.
            faults.extend(manifests.documents.iter().flat_map(Document::own_faults));
            if faults.is_empty() {
                return Err(report);
            }
        }
    }
    Err(faulty(&manifests, faults, others))
}

fn read(session: &Session, files: &[PathBuf], terms: &Terms) -> Result<Manifests, Report> {
    let loaded = match load(files, &session.namespace) {
        // A set whose last file is gone: what that would delete is shown, and refused by number.
        Err(LoadError::Empty(_)) if terms.set.is_some() => Ok(Manifests::default()),
        loaded => loaded,
    };
    loaded.map_err(|error| {
        let code = match error {
            LoadError::Missing(_)
            | LoadError::Address(_)
            | LoadError::Read { .. }
            | LoadError::Empty(_) => "no-file",
            LoadError::NotText { .. } => "bad-yaml",
            _ => "too-large",
        };
        let failure = Failure::new(code, error.to_string()).exit(exit::INVALID);
        let failure = match &error {
            LoadError::NotText { path, line, column } => {
                failure.at(format!("{}:{line}:{column}", path.display()))
            }
            LoadError::Address(path) => {
                let address = quoted(&path.display().to_string());
                failure.at("-f").attempt(
                    format!("curl -fsSL {address} | devpocket{} plan -f -", where_flags(session)),
                    "shows what it would do",
                )
            }
            _ => failure.at("-f"),
        };
        failure.so_far("nothing was sent").into()
    })
}

/// The faults of fields, where the refusal is about those.
fn causes(status: &Status) -> Option<Vec<Cause>> {
    let about_fields =
        matches!(status.reason, Reason::Invalid | Reason::BadRequest | Reason::Forbidden);
    let causes = &status.details.causes;
    if !about_fields || causes.is_empty() {
        return None;
    }
    let outer = status.details.code.clone();
    let coded = causes.iter().map(|cause| {
        let code = cause.code.clone().or_else(|| outer.clone());
        Cause { code, ..cause.clone() }
    });
    Some(coded.collect())
}

/// A refusal of the document as a whole, such as a conflict with another manager.
fn refused(session: &Session, document: &Document, status: &Status) -> Failure {
    let conflict = status.details.causes.iter().find(|c| c.reason == "FieldManagerConflict");
    if let Some(first) = conflict {
        return ownership(session, document, status, first);
    }
    let report = refusal::refused(status, None);
    let mut failure = report.failures.into_iter().next().unwrap_or_default();
    failure.at = Some(format!("{}  {}", document.place("metadata"), document.name()));
    failure.so_far = None;
    failure
}

/// `devpocket-edit set spec.power, spec.size today 08:26, and this file says something else`: once
/// for all that one manager set at one time.
fn set_by(session: &Session, causes: &[Cause]) -> String {
    let mut by: Vec<((&str, String), Vec<&str>)> = Vec::new();
    for cause in causes {
        let manager = cause.message.split('"').nth(1).unwrap_or("somebody");
        let at = cause.message.rsplit(' ').next().and_then(|at| at.parse::<jiff::Timestamp>().ok());
        let at = at.map(|at| format!(" at {}", session.output.words.moment(at, session.now())));
        let (who, field) = ((manager, at.unwrap_or_default()), cause.field.trim_start_matches('.'));
        match by.iter_mut().find(|(known, _)| *known == who) {
            Some((_, fields)) => fields.push(field),
            None => by.push((who, vec![field])),
        }
    }
    let each =
        by.iter().map(|((manager, at), fields)| format!("{manager} set {}{at}", fields.join(", ")));
    format!("{}, and this file says something else", each.collect::<Vec<_>>().join("; "))
}

fn ownership(session: &Session, document: &Document, status: &Status, first: &Cause) -> Failure {
    let causes = &status.details.causes;
    let fields: Vec<&str> = causes.iter().map(|c| c.field.trim_start_matches('.')).collect();
    let managers: BTreeSet<&str> =
        causes.iter().filter_map(|c| c.message.split('"').nth(1)).collect();
    let managers = managers.into_iter().collect::<Vec<_>>().join(" and ");
    let words = if fields.len() == 1 { "belongs" } else { "belong" };
    let message = format!("{} of {} {words} to {managers}", fields.join(", "), document.name());
    let file = document.file();
    Failure::new("ownership", message)
        .exit(exit::REFUSED)
        .at(format!("{}  {}", document.place(first.field.trim_start_matches('.')), document.name()))
        .because(set_by(session, causes))
        .attempt(format!("devpocket describe {}", document.name()), "who owns which field")
        .attempt(format!("devpocket plan -f {file} --force-conflicts"), "what taking over would do")
        .attempt(format!("devpocket apply -f {file} --force-conflicts"), "takes them over")
}

/// All faults, sorted by place, with their count.
fn faulty(manifests: &Manifests, mut faults: Vec<Fault>, others: Vec<Failure>) -> Report {
    faults.sort_by(|a, b| a.order().cmp(&b.order()));
    let files: BTreeSet<&str> = faults.iter().map(|f| f.place.source.name.as_str()).collect();
    let explain = faults.iter().any(|fault| fault.cause.field.starts_with("spec"));
    let total = faults.len() + others.len();
    let documents = manifests.documents.len();
    let bad_files = files.len().max(1);
    let of_files = if manifests.files == 1 {
        String::new()
    } else {
        format!(" in {bad_files} of {} files", manifests.files)
    };
    let none = match documents {
        0 | 1 => "nothing was sent".to_owned(),
        _ => format!("none of the {documents} was sent"),
    };
    let hint = if explain { "   devpocket explain environment.spec" } else { "" };
    let summary = format!("{}{of_files}; {none}.{hint}", count(total, "error"));
    let mut failures: Vec<Failure> = faults.iter().map(refusal::of_fault).collect();
    failures.extend(others);
    Report::new(failures).summary(summary)
}

/// `-f envs/ -f new.yaml`
pub fn listed(files: &[PathBuf]) -> String {
    let each = files.iter().map(|file| format!("-f {}", quoted(&file.display().to_string())));
    each.collect::<Vec<_>>().join(" ")
}

/// As a shell reads it back.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The flags that say which server and namespace, as they were given; never the token.
pub fn where_flags(session: &Session) -> String {
    let globals = &session.globals;
    let flag = |name: &str, value: &Option<String>| {
        value.as_ref().map(|value| format!(" {name} {}", quoted(value))).unwrap_or_default()
    };
    let server = flag("--server", &globals.server);
    let context = flag("--context", &globals.context);
    format!("{server}{context}{}", flag("-n", &globals.namespace))
}
