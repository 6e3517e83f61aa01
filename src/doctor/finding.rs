//! What deserves a person's attention, each with a code of the page of codes.

use std::collections::{BTreeMap, BTreeSet};

use devpocket_controllers::cloud::CloudError;
use devpocket_controllers::inventory::mark::Comparison;
use devpocket_controllers::inventory::sweep;
use devpocket_controllers::inventory::{account, mark};
use jiff::Timestamp;

use super::account::SNAPSHOTS_OF;
use super::{DatabaseLook, Examination, Look, MachineLook, Whose};
use crate::config::{ConfigError, DoctorConfig};
use crate::contabo::Half;
use crate::store::SchemaError;

/// Differences named of a database that is behind; the rest is counted.
const DIFFERENCES: usize = 5;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Somebody has to do something, or `serve` does not do its work.
    ToDo,
    /// Good to know.
    Note,
}

/// One thing that was found.
#[derive(Clone, Debug)]
pub struct Finding {
    pub level: Level,
    pub code: &'static str,
    pub message: String,
    pub because: Option<String>,
    /// Commands, each with what it does.
    pub attempts: Vec<(String, String)>,
}

impl Finding {
    fn new(level: Level, code: &'static str, message: impl Into<String>) -> Finding {
        Finding { level, code, message: message.into(), because: None, attempts: Vec::new() }
    }

    fn because(mut self, because: impl Into<String>) -> Finding {
        self.because = Some(because.into()).filter(|because| !because.is_empty());
        self
    }

    fn attempt(mut self, command: &str, remark: &str) -> Finding {
        self.attempts.push((command.to_owned(), remark.to_owned()));
        self
    }
}

/// Everything, what needs a person first.
pub fn findings(examination: &Examination, config: &DoctorConfig) -> Vec<Finding> {
    let mut all = Vec::new();
    sign_in(examination, &mut all);
    if let Some(look) = &examination.look {
        reads(look, &mut all);
        images(look, config, &mut all);
        installations(examination, look, &mut all);
    }
    database(examination, &mut all);
    here(&examination.machines, &mut all);
    unpriced(&examination.machines, &mut all);
    served(config, &mut all);
    if config.monthly_budget.is_none() && !matches!(examination.database, DatabaseLook::Records(_))
    {
        let text = "DEVPOCKET_MONTHLY_BUDGET is not set: nothing is bought";
        all.push(Finding::new(Level::Note, "budget", text));
    }
    all.sort_by_key(|finding| finding.level);
    all
}

fn sign_in(examination: &Examination, all: &mut Vec<Finding>) {
    let Err(error) = &examination.sign_in.outcome else { return };
    let Some(refusal) = &examination.sign_in.refusal else {
        return all.push(unanswered("the sign-in server", error));
    };
    let said = match refusal.description.as_str() {
        "" => refusal.word.clone(),
        text => format!("{} (\"{text}\")", refusal.word),
    };
    let means = match refusal.about {
        Some(Half::User) => {
            "so it knows the client and refuses the user. CONTABO_PASSWORD is the API password set \
             in the customer panel, not the one you sign in there with"
        }
        Some(Half::Client) => {
            "so it does not know the client and did not look at the user. Both values are shown in \
             the customer panel under API"
        }
        None => "which says about none of the four what is wrong with it",
    };
    let finding =
        Finding::new(Level::ToDo, "contabo-sign-in", "Contabo does not accept these credentials");
    all.push(finding.because(format!("the sign-in server answered {said}, {means}")));
}

/// Something could not be read.
fn unanswered(what: &str, error: &CloudError) -> Finding {
    let (code, message) = match error {
        CloudError::SignIn { .. } => ("contabo-sign-in", "Contabo took its permission back".into()),
        CloudError::Rejected { code: 403, .. } => {
            ("contabo-refuses", format!("the API user may not read {what}"))
        }
        CloudError::Rejected { .. } => ("contabo-refuses", format!("Contabo refuses {what}")),
        CloudError::Throttled { .. } => {
            ("contabo-silent", format!("Contabo is asked too often to tell {what}"))
        }
        CloudError::BadReply { .. } => {
            ("contabo-silent", format!("Contabo's answer about {what} is not understood"))
        }
        _ => ("contabo-silent", format!("Contabo does not answer about {what}")),
    };
    let finding = Finding::new(Level::ToDo, code, message).because(error.to_string());
    match error {
        CloudError::Rejected { code: 403, .. } => finding,
        _ => finding.attempt("devpocket doctor", "asks once more"),
    }
}

fn reads(look: &Look, all: &mut Vec<Finding>) {
    match &look.list {
        Err(error) => all.push(unanswered("its machines", error)),
        Ok(list) => {
            if let Some(flaw) = &list.flaw {
                let text = "the list of machines does not add up, twice";
                let finding = Finding::new(Level::ToDo, "inventory-untrusted", text);
                all.push(finding.because(flaw).attempt("devpocket doctor", "asks once more"));
            }
        }
    }
    if let Ok(seen) = &look.snapshots
        && seen.not_asked > 0
    {
        let text = format!("{} machines were not asked for their snapshots", seen.not_asked);
        let finding = Finding::new(Level::Note, "contabo-refuses", text);
        all.push(finding.because(format!("at most {SNAPSHOTS_OF} are; some may be just gone")));
    }
    let failed = |asked: &Result<(), &CloudError>, what: &str, needed: bool| {
        let error = asked.err()?;
        let mut finding = unanswered(what, error);
        // What DevPocket does not use may stay closed to it.
        if !needed && matches!(error, CloudError::Rejected { .. }) {
            finding.level = Level::Note;
        }
        Some(finding)
    };
    let asked = [
        (look.images.as_ref().map(drop), "images", true),
        (look.tags.as_ref().map(drop), "tags", true),
        (look.secrets.as_ref().map(drop), "secrets", false),
        (look.snapshots.as_ref().map(drop), "snapshots", false),
    ];
    // One silence is one finding.
    let silent = |finding: &Finding| finding.code == "contabo-silent";
    for (asked, what, needed) in asked {
        let Some(finding) = failed(&asked, what, needed) else { continue };
        if !silent(&finding) || !all.iter().any(silent) {
            all.push(finding);
        }
    }
}

fn images(look: &Look, config: &DoctorConfig, all: &mut Vec<Finding>) {
    let Ok(images) = &look.images else { return };
    let has = |name: &str| images.iter().any(|image| image.standard && image.name == name);
    let default = config.catalogue.default_image();
    if !has(default) {
        let text = format!("Contabo has no image {default}, which environments get that name none");
        all.push(Finding::new(Level::ToDo, "unknown-image", text).because(format!(
            "{} images were listed. Environments have to name one that is there (spec.image)",
            images.len()
        )));
    }
    let names = config.catalogue.images().iter().map(|image| image.name.as_str());
    let gone: Vec<&str> = names.filter(|name| *name != default && !has(name)).collect();
    if !gone.is_empty() {
        let text = format!("Contabo no longer has {}: what names them waits", gone.join(", "));
        all.push(Finding::new(Level::Note, "unknown-image", text));
    }
}

/// Other installations of DevPocket that left their name in the account.
fn installations(examination: &Examination, look: &Look, all: &mut Vec<Finding>) {
    let own = match &examination.database {
        DatabaseLook::Records(records) => Some(records.installation.spec.id.clone()),
        _ => None,
    };
    let marks = mark::all(look.tags.as_deref().unwrap_or_default());
    let mut machines: BTreeMap<String, usize> = BTreeMap::new();
    for machine in &examination.machines {
        if let Whose::Other { installation } = &machine.whose {
            *machines.entry(installation.clone()).or_insert(0) += 1;
        }
    }
    let ids: BTreeSet<&String> = marks.keys().chain(machines.keys()).collect();
    for id in ids.into_iter().filter(|id| Some(*id) != own.as_ref()) {
        let count = machines.get(id).copied().unwrap_or(0);
        let text = format!("installation {id} of DevPocket has driven this account");
        let mut because = match count {
            1 => "1 machine bears its name".to_owned(),
            count => format!("{count} machines bear its name"),
        };
        if let Some(mark) = marks.get(id) {
            let at = Timestamp::from_second(mark.seconds).unwrap_or_default();
            because.push_str(&format!(
                ", and a tag marks {} calls of it, the last at {at}",
                mark.sequence
            ));
        }
        because.push_str(match own {
            None => ". Serve with its database; an empty one takes its machines for strangers'",
            Some(_) => ". Two installations on one account do not know of each other's purchases",
        });
        all.push(Finding::new(Level::ToDo, "other-installation", text).because(because));
    }
}

fn database(examination: &Examination, all: &mut Vec<Finding>) {
    let todo = |code, text: String| Finding::new(Level::ToDo, code, text);
    match &examination.database {
        DatabaseLook::NotGiven | DatabaseLook::Empty(_) | DatabaseLook::Unused(_) => {}
        DatabaseLook::Wrong(because) => {
            all.push(todo("bad-config", "DATABASE_URL cannot be used".into()).because(because));
        }
        DatabaseLook::Unreachable(unreachable) => {
            let text = format!("the database {} cannot be reached", unreachable.place);
            all.push(todo("database-unreachable", text).because(&unreachable.evidence));
        }
        DatabaseLook::Broken { place, because } => {
            let text = format!("the database {place} cannot be read");
            all.push(todo("database", text).because(because));
        }
        DatabaseLook::OtherSchema { place, error, used_by } => {
            let last = used_by.as_ref().map(|used| {
                format!("last used by {} on {}", used.version, used.at.strftime("%Y-%m-%d"))
            });
            let old = matches!(error, SchemaError::Old { .. });
            let code = if old { "schema-old" } else { "schema-new" };
            let finding = todo(code, format!("the database {place}: {error}"));
            let finding = finding.because(last.unwrap_or_default());
            all.push(match old {
                true => finding.attempt("devpocket migrate --dry-run", "shows the steps"),
                false => finding,
            });
        }
        DatabaseLook::Records(records) => recorded(examination, records, all),
    }
}

/// A database that drives an account: this one, and as far as the account is?
fn recorded(examination: &Examination, records: &super::Records, all: &mut Vec<Finding>) {
    let Some(look) = &examination.look else { return };
    if let Some(mismatch) = account::check_account(&records.installation, &look.account) {
        return all.push(Finding::new(Level::ToDo, "account-mismatch", mismatch));
    }
    let mut differences = Vec::new();
    if let Ok(tags) = &look.tags {
        let marked = mark::find(tags, &records.installation.spec.id);
        let known = records.installation.status.mark.as_ref();
        if let Comparison::Behind { difference, .. } = mark::compare(marked, known) {
            differences.push(difference);
        }
    }
    if let Ok(list) = &look.list {
        let known = sweep::Records {
            installation: &records.installation,
            machines: &records.machines,
            operations: &records.operations,
        };
        differences.extend(known.forgotten(list));
    }
    if differences.is_empty() {
        return;
    }
    let more = differences.len().saturating_sub(DIFFERENCES);
    let mut because = differences.into_iter().take(DIFFERENCES).collect::<Vec<_>>().join("; ");
    if more > 0 {
        because.push_str(&format!("; and {more} more"));
    }
    let text = "the account knows more than this database; serve holds everything";
    let finding = Finding::new(Level::ToDo, "database-behind", text).because(because);
    let finding = finding.attempt("devpocket status", "each machine on which the two disagree");
    all.push(finding.attempt("devpocket resume --all", "adopts those, then goes on; asks first"));
}

fn here(machines: &[MachineLook], all: &mut Vec<Finding>) {
    for machine in machines.iter().filter(|machine| machine.here) {
        let name = machine.name();
        all.push(match machine.whose {
            Whose::Ours { .. } | Whose::Forgotten { .. } => {
                let text = format!("this computer is {name}, a machine DevPocket drives");
                let finding = Finding::new(Level::ToDo, "this-machine", text);
                finding.because("what serves DevPocket could be stopped or wiped by it")
            }
            _ => {
                let text = format!("this computer is {name}, which DevPocket leaves alone");
                Finding::new(Level::Note, "this-machine", text)
            }
        });
    }
}

fn unpriced(machines: &[MachineLook], all: &mut Vec<Finding>) {
    let mut unpriced: BTreeMap<(String, String), usize> = BTreeMap::new();
    for machine in machines.iter().filter(|machine| machine.price.is_none()) {
        let product = machine.size.clone().unwrap_or(machine.instance.product_id.clone());
        *unpriced.entry((product, machine.instance.region.clone())).or_insert(0) += 1;
    }
    if unpriced.is_empty() {
        return;
    }
    let each: Vec<String> = unpriced
        .into_iter()
        .map(|((product, region), count)| format!("{count} × {product} in {region}"))
        .collect();
    let text = format!("no price is known of {}: no more of them is bought", each.join(", "));
    let finding = Finding::new(Level::Note, "unpriced", text);
    all.push(finding.because("prices can be written into a file of one's own (DEVPOCKET_PRICES)"));
}

/// What `serve` would not start for.
fn served(config: &DoctorConfig, all: &mut Vec<Finding>) {
    let mut missing = Vec::new();
    for fault in &config.not_served {
        match fault {
            ConfigError::Missing { name, .. } => missing.push(*name),
            other => {
                let finding = Finding::new(Level::ToDo, "bad-config", other.to_string());
                all.push(finding.because(other.at()));
            }
        }
    }
    if !missing.is_empty() {
        let text = format!("serve also needs {}", missing.join(", "));
        all.push(Finding::new(Level::Note, "bad-config", text));
    }
}
