//! What a set has made and its files no longer hold.
//!
//! # Guarantees
//! - Everything is found and planned before anything is written; the deletions are lines of the
//!   proposal's hash, with the uid of each object.
//! - Only kinds of [`PRUNED`] go. A template or a secret that an environment outside of the
//!   deletions refers to stays, and is named with it.
//! - What may not be looked at is named, and nothing of it goes.
//! - More deletions than [`most`], or files that hold nothing, are refused unless somebody says how
//!   many may go.

use std::collections::BTreeSet;

use devpocket_specs::admit::references;
use devpocket_specs::environment::Environment;
use devpocket_specs::installation::Installation;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::{Key, Object};
use devpocket_specs::plan::Plan;
use futures::StreamExt;
use serde_json::{Value, json};

use super::build::content;
use super::membership::{Set, Terms};
use super::{Fate, Item, Proposal, release};
use crate::cli::api::{Api, ApiError};
use crate::cli::error::{Failure, Report, exit};
use crate::cli::output::count;
use crate::cli::session::Session;
use crate::manifest::short_name;

/// What goes when its file goes. Namespaces and tiers hold others' things together, and are deleted
/// by name only.
const PRUNED: [Kind; 3] = [Kind::Environment, Kind::Secret, Kind::Template];
const NEVER: [Kind; 2] = [Kind::Namespace, Kind::Tier];
/// Deletions that need no word, whatever the size of the set.
const FEW: usize = 3;
/// One in this many may go without a word.
const SHARE: usize = 10;
/// Requests under way at a time.
const AT_ONCE: usize = 8;

/// What became of a set beside its deletions.
#[derive(Clone, Debug)]
pub struct Pruned {
    pub set: Set,
    /// Objects that are of the set now.
    pub members: usize,
    /// Objects whose file is gone and that stay, with why.
    pub kept: Vec<(Key, String)>,
    /// Kinds that may not be looked at: nothing of them goes.
    pub unseen: Vec<Kind>,
    /// Objects of the files that the set did not make.
    pub outside: Vec<Key>,
}

/// Deletions of a set of this size that need no word.
fn most(members: usize) -> usize {
    FEW.max(members / SHARE)
}

/// Adds the deletions to the items.
pub(super) async fn find(
    session: &Session,
    api: &Api,
    terms: &Terms,
    items: &mut Vec<Item>,
    installation: Option<&Installation>,
) -> Result<Option<Pruned>, Report> {
    let Some(set) = &terms.set else { return Ok(None) };
    let failed = |error: ApiError| session.report(&error);
    let held: BTreeSet<Key> = items.iter().map(|item| item.key.clone()).collect();
    let mut pruned = Pruned {
        set: set.clone(),
        members: 0,
        kept: Vec::new(),
        unseen: Vec::new(),
        outside: items.iter().filter(|item| is_outside(item, set)).map(|i| i.key.clone()).collect(),
    };
    let mut going = Vec::new();
    for kind in PRUNED.into_iter().chain(NEVER) {
        let listing = match api.list(kind, "", &set.selector()).await {
            Err(error) if error.is_forbidden() => {
                // What is never deleted need not be seen either.
                pruned.unseen.extend(PRUNED.contains(&kind).then_some(kind));
                continue;
            }
            listing => listing.map_err(failed)?,
        };
        pruned.members += listing.items.len();
        for object in listing.items {
            let key = key_of(kind, &object);
            let deleting = !object["metadata"]["deletionTimestamp"].is_null();
            if held.contains(&key) || deleting {
                continue;
            }
            if NEVER.contains(&kind) {
                let why = format!("a {} is deleted by name only", kind.info().singular);
                pruned.kept.push((key, why));
            } else {
                going.push((key, object));
            }
        }
    }
    keep_what_is_used(api, &mut going, &mut pruned).await.map_err(failed)?;
    let until = release::until(session, installation);
    let planned = going.into_iter().map(|(key, object)| item(api, key, object, until.is_some()));
    let planned: Vec<Result<Item, ApiError>> =
        futures::stream::iter(planned).buffered(AT_ONCE).collect().await;
    for item in planned {
        items.push(item.map_err(failed)?);
    }
    Ok(Some(pruned))
}

fn is_outside(item: &Item, set: &Set) -> bool {
    item.before.is_some() && !set.has(&item.after["labels"])
}

fn key_of(kind: Kind, object: &Value) -> Key {
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default();
    Key::new(kind, text("namespace"), text("name"))
}

/// Environments that stay keep what they refer to.
async fn keep_what_is_used(
    api: &Api,
    going: &mut Vec<(Key, Value)>,
    pruned: &mut Pruned,
) -> Result<(), ApiError> {
    if going.iter().all(|(key, _)| key.kind == Kind::Environment) {
        return Ok(());
    }
    let gone: BTreeSet<Key> = going.iter().map(|(key, _)| key.clone()).collect();
    let environments = match api.list(Kind::Environment, "", "").await {
        Err(error) if error.is_forbidden() => {
            let (stays, goes): (Vec<_>, Vec<_>) =
                going.drain(..).partition(|(key, _)| key.kind != Kind::Environment);
            let why = "which environments use it may not be looked at";
            pruned.kept.extend(stays.into_iter().map(|(key, _)| (key, why.to_owned())));
            going.extend(goes);
            return Ok(());
        }
        environments => environments?,
    };
    let mut used = std::collections::BTreeMap::new();
    for value in environments.items {
        let key = key_of(Kind::Environment, &value);
        let Ok(object) = Object::from_value(Kind::Environment, value) else { continue };
        if !gone.contains(&key) {
            for reference in references(&object) {
                used.entry(reference.key).or_insert_with(|| key.clone());
            }
        }
    }
    going.retain(|(key, _)| match used.get(key) {
        Some(user) => {
            pruned.kept.push((key.clone(), format!("{} uses it", short_name(user))));
            false
        }
        None => true,
    });
    Ok(())
}

/// The deletion of one object; `recoverable` is part of what is agreed to.
async fn item(api: &Api, key: Key, object: Value, recoverable: bool) -> Result<Item, ApiError> {
    let mut plan = Plan::default();
    let mut environment = None;
    if key.kind == Kind::Environment {
        let answer = api.plan_of_deletion(&key).await?;
        plan = serde_json::from_value(answer["plan"].clone()).unwrap_or_default();
        environment = Some(Box::new(api.typed::<Environment>(object.clone())?));
    }
    let reclaim = environment.as_ref().map(|environment| format!("{:?}", environment.spec.reclaim));
    Ok(Item {
        spec: json!({
            "deleted": object["metadata"]["uid"],
            "reclaim": reclaim,
            "recoverable": recoverable,
        }),
        before: Some(content(&object)),
        after: Value::Null,
        key,
        document: object,
        fate: Fate::Goes,
        differences: Vec::new(),
        environment,
        plan,
        facts: Vec::new(),
        notes: Vec::new(),
        planned: false,
        owned_by_others: false,
    })
}

impl Proposal {
    /// What goes because its file is gone.
    pub fn going(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.fate == Fate::Goes)
    }
}

/// Why so many deletions are not done, if they are not. `again` is the command
/// without `--plan` and `--allow-deletes`.
pub fn too_many(proposal: &Proposal, allowed: Option<usize>, again: &str) -> Result<(), Report> {
    let Some(pruned) = &proposal.pruned else { return Ok(()) };
    let going = proposal.going().count();
    let nothing_held = going == proposal.items.len();
    let most = allowed.unwrap_or(if nothing_held { 0 } else { most(pruned.members) });
    if going <= most {
        return Ok(());
    }
    let (set, members) = (pruned.set.name(), count(pruned.members, "object"));
    let (message, because) = match (allowed, nothing_held) {
        (Some(allowed), _) => (
            format!("{going} of {members} of set {set} would be deleted, {allowed} may be"),
            format!("--allow-deletes is {allowed}"),
        ),
        (None, true) => (
            format!("the files hold nothing, so all {members} of set {set} would be deleted"),
            "an empty folder is more often a mistake than a wish".to_owned(),
        ),
        (None, false) => (
            format!("{going} of {members} of set {set} would be deleted, {most} may be"),
            format!(
                "more than {most} at once ({FEW}, or one in {SHARE}) are deleted by number only"
            ),
        ),
    };
    Err(Failure::new("too-many-deletes", message)
        .exit(exit::REFUSED)
        .at(format!("--prune {set}"))
        .because(because)
        .so_far("nothing was changed, nothing was deleted")
        .attempt(format!("{again} --allow-deletes {going}"), "")
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_or_one_in_ten_go_without_a_word() {
        assert_eq!([0, 3, 30, 39, 40, 100].map(most), [3, 3, 3, 3, 4, 10]);
    }
}
