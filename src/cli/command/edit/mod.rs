//! `devpocket edit`: one object in the person's editor, then the plan, the question, the write.
//!
//! # Guarantees
//! - The edit is never lost: whatever keeps it from being written, it stays in a file that is named.
//! - Only the fields that were edited are written, and only if nobody has changed the record since:
//!   then the editor is opened again with both, and says what the other has changed.
//! - What is wrong is told at the top of the file, and the editor opened again. Saved as it was, it
//!   is given up.

mod draft;
mod editor;
mod judge;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use devpocket_specs::object::Key;
use serde_json::Value;

use self::draft::{Draft, body, headed, revision, unusable};
use self::editor::{Editor, Guard};
use self::judge::{Judged, judge, what_others_did};
use super::change::{failed, told};
use super::files::where_flags;
use crate::cli::api::{Api, ApiError, WriteOptions};
use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::follow::{Goal, absent_failure, follow};
use crate::cli::output::Style;
use crate::cli::proposal::{self, Proposal, approve};
use crate::cli::question::{Given, declined};
use crate::cli::session::Session;
use crate::cli::target::Named;
use crate::manifest::{declared, short_name};

/// How often others may be faster before it is given up.
const CONFLICTS: usize = 3;

/// Edit what is declared of one object in your editor ($VISUAL, $EDITOR).
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket edit env/web")]
pub struct EditArgs {
    /// The object: web, env/web, template/python
    #[arg(required = true, value_name = "KIND/NAME")]
    what: Vec<String>,
    /// Do exactly this plan, or nothing
    #[arg(long, value_name = "HASH")]
    plan: Option<String>,
    /// Answer yes to everything but loss of data
    #[arg(short, long)]
    yes: bool,
    /// Show the plan, do nothing
    #[arg(long)]
    dry_run: bool,
    /// Wait until it is so
    #[arg(long)]
    wait: bool,
    /// Begin with an edit that was kept; with --yes or --plan no editor is opened
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

/// One edit under way.
struct Edit<'a> {
    session: &'a Session,
    api: Api,
    args: &'a EditArgs,
    key: Key,
    /// The record the edit is of.
    base: Value,
    draft: Draft,
    guard: Guard,
}

/// The editor once more, with these remarks at the top of this text.
struct Again {
    remarks: Vec<String>,
    text: String,
    conflict: bool,
}

/// What a round in the editor led to.
enum Round {
    Unchanged,
    Again(Again),
    Proposed(Box<Proposal>),
}

pub async fn run(session: &Session, args: EditArgs) -> Outcome {
    let api = session.api()?;
    let keys = Named::read(&args.what, false)?.keys(session);
    let [key] = keys.as_slice() else {
        let failure = Failure::usage(format!("edit takes one object, not {}", keys.len()));
        return Err(failure.attempt("devpocket edit env/web", "").into());
    };
    let unattended = args.from.is_some() && (args.yes || args.plan.is_some());
    let editor = if unattended { None } else { Some(Editor::find(session)?) };
    let base = read(session, &api, key).await?;
    let from = args.from.as_ref().map(|path| {
        std::fs::read_to_string(path).map_err(|error| {
            let message = format!("{} cannot be read: {error}", path.display());
            Report::from(Failure::new("no-file", message).exit(exit::INVALID).at("--from"))
        })
    });
    let from = from.transpose()?;
    let pristine = yaml(&declared(&base));
    let draft = Draft::new(key).map_err(|error| unusable(&std::env::temp_dir(), &error))?;
    let guard = Guard::watch(draft.name());
    let mut edit = Edit { session, api, args: &args, key: key.clone(), base, draft, guard };
    let done = edit.rounds(editor.as_ref(), from).await;
    let again = edit.again();
    let Edit { draft, guard, api, key, .. } = edit;
    drop(guard);
    match done {
        Err(report) => Err(draft.kept(report, &pristine, &again)),
        Ok(Done::Declined) => {
            let code = declined(&session.output);
            session.output.note(format!("The edit is kept in {}", draft.name()));
            Ok(code)
        }
        Ok(Done::Nothing) => {
            draft.remove();
            session.output.note("Nothing differs; nothing was changed.");
            Ok(exit::DONE)
        }
        Ok(Done::Shown) => {
            session.output.hint(format!("Nothing was changed. The edit is in {}", draft.name()));
            Ok(exit::DONE)
        }
        Ok(Done::Written(written)) => {
            draft.remove();
            told(session, &key, "changed", &written);
            if args.wait && key.kind == devpocket_specs::kind::Kind::Environment {
                return follow(session, &api, BTreeMap::from([(key, Goal::Ready)]), true).await;
            }
            Ok(exit::DONE)
        }
    }
}

/// How an edit ends.
enum Done {
    Nothing,
    Declined,
    /// A dry run.
    Shown,
    Written(Value),
}

async fn read(session: &Session, api: &Api, key: &Key) -> Result<Value, Report> {
    match api.get(key).await {
        Ok(object) => Ok(object),
        Err(error) if error.is_not_found() => Err(absent_failure(key).into()),
        Err(error) => Err(session.report(&error)),
    }
}

impl Edit<'_> {
    async fn rounds(
        &mut self,
        editor: Option<&Editor>,
        from: Option<String>,
    ) -> Result<Done, Report> {
        let mut remarks = Vec::new();
        let mut text = yaml(&declared(&self.base));
        if let Some(from) = from {
            let now = self.base["metadata"]["resourceVersion"].as_str();
            if revision(&from).is_some_and(|then| Some(then) != now) {
                remarks.push("The record was changed since this edit was begun.".to_owned());
            }
            text = body(&from).to_owned();
        }
        let mut conflicts = 0;
        loop {
            let again = match self.round(editor, &remarks, &text).await? {
                Round::Unchanged => return Ok(Done::Nothing),
                Round::Again(again) => again,
                Round::Proposed(proposal) => match self.carry_out(&proposal).await {
                    Ok(done) => return Ok(done),
                    Err(Stopped::By(report)) => return Err(report),
                    Err(Stopped::Conflict(patch)) => self.rebased(&patch).await?,
                },
            };
            conflicts += usize::from(again.conflict);
            if conflicts > CONFLICTS || editor.is_none() {
                return Err(self.too_fast(&again));
            }
            (remarks, text) = (again.remarks, again.text);
        }
    }

    /// The editor once, and what the server says of what came out of it.
    async fn round(
        &mut self,
        editor: Option<&Editor>,
        remarks: &[String],
        text: &str,
    ) -> Result<Round, Report> {
        let unusable = |error| unusable(self.draft.path(), &error);
        let before = self.headed(remarks, text);
        self.draft.write(&before).map_err(unusable)?;
        if let Some(editor) = editor {
            let opened = self.guard.during(editor.open(self.draft.path())).await;
            opened.map_err(|failure| Report::from(failure.so_far("nothing was changed")))?;
        }
        let after = self.draft.read().map_err(unusable)?;
        let edited = body(&after);
        if edited.trim().is_empty() {
            return Ok(Round::Unchanged);
        }
        let again = edited == text && !remarks.is_empty();
        match judge(self).await? {
            Judged::Same => Ok(Round::Unchanged),
            Judged::Good(proposal) => Ok(Round::Proposed(proposal)),
            Judged::Conflict(patch) => Ok(Round::Again(self.rebased(&patch).await?)),
            Judged::Faulty(report) if again || editor.is_none() => Err(report),
            Judged::Faulty(_) => {
                let text = edited.to_owned();
                let remarks = self.remarks(&text).await?;
                Ok(Round::Again(Again { remarks, text, conflict: false }))
            }
        }
    }

    fn headed(&self, remarks: &[String], text: &str) -> String {
        let revision = self.base["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        let place = if self.key.namespace.is_empty() {
            String::new()
        } else {
            format!(" of {}", self.key.namespace)
        };
        let about = format!("{}{place} at {}", short_name(&self.key), self.api.server());
        headed(&about, revision, remarks, text)
    }

    /// The faults as they stand in the file with these very remarks at its top: they move the lines
    /// they are about.
    async fn remarks(&mut self, text: &str) -> Result<Vec<String>, Report> {
        let mut remarks = Vec::new();
        for _ in 0..2 {
            let written = self.draft.write(&self.headed(&remarks, text));
            written.map_err(|error| unusable(self.draft.path(), &error))?;
            let Judged::Faulty(report) = judge(self).await? else { break };
            let shown = report.render(&Style { width: 88, ..Style::plain() });
            let shown = shown.replace(&format!("{}:", self.draft.name()), "line ");
            remarks = vec![
                "It cannot be so. Saved as it is, the edit is given up and kept:".to_owned(),
                shown,
            ];
        }
        Ok(remarks)
    }

    /// The edit on top of what others have made of the record meanwhile.
    async fn rebased(&mut self, change: &Value) -> Result<Again, Report> {
        let theirs = read(self.session, &self.api, &self.key).await?;
        let (old, new) = (declared(&self.base), declared(&theirs));
        let with_edit = |record: &Value| {
            let mut edited = record.clone();
            json_patch::merge(&mut edited, change);
            declared(&edited)
        };
        let remarks = vec![what_others_did(&self.key, &old, &new, &with_edit(&old))];
        self.base = theirs;
        Ok(Again { remarks, text: yaml(&with_edit(&new)), conflict: true })
    }

    fn too_fast(&self, again: &Again) -> Report {
        let name = short_name(&self.key);
        let message = format!("{name} was changed by somebody else meanwhile");
        let because = again.remarks.join(" ").replace('\n', " ");
        let failure = Failure::new("conflict", message).exit(exit::REFUSED).because(because);
        failure.at(name).so_far("nothing was changed").into()
    }

    /// The call that takes the edit up again.
    fn again(&self) -> String {
        let (flags, name) = (where_flags(self.session), short_name(&self.key));
        format!("devpocket{flags} edit {name} --from {}", self.draft.name())
    }

    /// Shows, asks, writes.
    async fn carry_out(&self, proposal: &Proposal) -> Result<Done, Stopped> {
        let (session, args, output) = (self.session, self.args, &self.session.output);
        let name = short_name(&self.key);
        let again = self.again();
        if let Some(hash) = args.plan.as_ref().filter(|hash| !proposal.is_meant(hash)) {
            return Err(Stopped::By(stale(proposal, hash, &again)));
        }
        if args.dry_run && output.format.is_document() {
            output.document(&proposal::document(&self.api, proposal));
            return Ok(Done::Shown);
        }
        if !output.format.is_document() {
            proposal::show(session, &self.api, proposal);
        }
        let exactly = format!("{again} --plan {}", proposal.shown_hash());
        if args.dry_run {
            output.hint(format!("Run exactly this: {exactly}"));
            return Ok(Done::Shown);
        }
        let given = Given { yes: args.yes, plan: args.plan.is_some() };
        if !proposal::ask(session, proposal, given, &exactly).map_err(Stopped::By)? {
            return Ok(Done::Declined);
        }
        let Some(item) = proposal.items.first() else { return Ok(Done::Nothing) };
        let plan_hash = item.planned.then(|| item.plan.hash.clone());
        let options = WriteOptions { plan_hash, ..WriteOptions::default() };
        let stopped = |error: ApiError| match is_taken(&error) {
            true => Stopped::Conflict(item.document.clone()),
            false => Stopped::By(failed(session, &self.key, &error, &[])),
        };
        let written = self.api.merge(&self.key, "", &item.document, &options).await;
        let written = written.map_err(stopped)?;
        approve(&self.api, item, given).await.map_err(|error| {
            let report = failed(session, &self.key, &error, &[]);
            Stopped::By(report.first_done(&format!("{name} is changed; the consent was not given")))
        })?;
        Ok(Done::Written(written))
    }
}

/// Why the write was not done.
enum Stopped {
    /// Somebody else was faster; the patch that was to be written.
    Conflict(Value),
    By(Report),
}

/// Whether somebody else has changed the record since it was read.
fn is_taken(error: &ApiError) -> bool {
    use devpocket_specs::status::Reason;
    match error {
        ApiError::Refused { status, .. } => {
            status.reason == Reason::Conflict && status.details.code.is_none()
        }
        _ => false,
    }
}

fn stale(proposal: &Proposal, hash: &str, again: &str) -> Report {
    let steps: Vec<&str> = proposal.steps().map(|step| step.summary.as_str()).collect();
    let now = if steps.is_empty() { "the fields alone".to_owned() } else { steps.join("; ") };
    Failure::new("plan-stale", format!("plan {hash} no longer fits the world"))
        .exit(exit::REFUSED)
        .because(format!("it would now be {}: {now}", proposal.shown_hash()))
        .so_far("nothing was changed, nothing was bought")
        .attempt(format!("{again} --dry-run"), "the plan as it is now")
        .into()
}

fn yaml(value: &Value) -> String {
    serde_yaml::to_string(value).unwrap_or_default()
}
