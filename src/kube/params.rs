//! The query parameters, read once and checked.

use axum::extract::Query;
use axum::http::Uri;
use devpocket_specs::admit::Propagation;
use devpocket_specs::selector::{FieldSelector, LabelSelector};
use devpocket_specs::status::{Cause, Reason, Status};

use super::shape::Include;

/// Characters of a field manager; Kubernetes' limit.
const MANAGER_CHARS: usize = 128;

/// What becomes of fields the kind does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum FieldValidation {
    Ignore,
    /// Dropped, with a `Warning` header each. Kubernetes' default.
    #[default]
    Warn,
    Strict,
}

/// How fresh a list must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    Exact,
    NotOlderThan,
}

/// The parameters of a request. Those that do not apply to its verb are ignored, as Kubernetes does.
#[derive(Clone, Debug, Default)]
pub(super) struct Params {
    pub watch: bool,
    pub resource_version: String,
    pub resource_version_match: Option<Match>,
    pub timeout_seconds: Option<u64>,
    pub allow_watch_bookmarks: bool,
    pub send_initial_events: Option<bool>,
    pub labels: LabelSelector,
    pub fields: FieldSelector,
    /// Most objects of one answer; 0 for all of them.
    pub limit: usize,
    pub continue_token: String,
    pub include_object: Include,
    pub propagation: Option<Propagation>,
    pub dry_run: bool,
    pub field_validation: FieldValidation,
    pub field_manager: String,
    pub force: bool,
    /// `apply --plan HASH`.
    pub plan_hash: Option<String>,
    /// With the plans shown before.
    pub recent: bool,
    /// The plan of a deletion.
    pub deletion: bool,
    /// The plan of a merge patch, as an edit of single fields sends one.
    pub patch: bool,
    /// Of a log: go on with what comes.
    pub follow: bool,
    /// Of a log: only what is after the line of this number.
    pub after: Option<i64>,
    /// Of a log: only so many of the last lines.
    pub tail_lines: Option<i64>,
}

/// A count that is not negative.
fn number(name: &str, value: &str) -> Result<i64, Status> {
    let number = value.parse().ok().filter(|number| *number >= 0);
    number.ok_or_else(|| bad(format!("{name} is {value:?}; it is a number of lines")))
}

impl Params {
    pub(super) fn read(uri: &Uri) -> Result<Params, Status> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| bad(format!("the query is malformed: {error}")))?;
        let mut params = Params::default();
        for (name, value) in pairs {
            params.set(&name, value)?;
        }
        Ok(params)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), Status> {
        match name {
            "watch" => self.watch = flag(&value),
            "resourceVersion" => self.resource_version = value,
            "resourceVersionMatch" => self.resource_version_match = matching(&value)?,
            "timeoutSeconds" => {
                self.timeout_seconds = Some(value.parse().map_err(|_| {
                    bad(format!("timeoutSeconds is {value:?}; it is a number of seconds"))
                })?);
            }
            "allowWatchBookmarks" => self.allow_watch_bookmarks = flag(&value),
            "sendInitialEvents" => self.send_initial_events = Some(flag(&value)),
            "labelSelector" => {
                self.labels = LabelSelector::parse(&value)
                    .map_err(|error| bad(format!("labelSelector: {error}")))?;
            }
            "fieldSelector" => {
                self.fields = FieldSelector::parse(&value)
                    .map_err(|error| bad(format!("fieldSelector: {error}")))?;
            }
            "limit" => self.limit = limit(&value)?,
            "continue" => self.continue_token = value,
            "includeObject" => self.include_object = include(&value)?,
            "propagationPolicy" => self.propagation = propagation(&value)?,
            "orphanDependents" if self.propagation.is_none() => {
                self.propagation = Some(orphan_dependents(flag(&value)));
            }
            "dryRun" => self.dry_run = dry_run(&value)?,
            "fieldValidation" => self.field_validation = validation(&value)?,
            "fieldManager" => self.field_manager = manager(value)?,
            "force" => self.force = flag(&value),
            "planHash" => self.plan_hash = Some(value).filter(|hash| !hash.is_empty()),
            "recent" => self.recent = flag(&value),
            "deletion" => self.deletion = flag(&value),
            "patch" => self.patch = flag(&value),
            "follow" => self.follow = flag(&value),
            "after" => self.after = Some(number(name, &value)?),
            "tailLines" => self.tail_lines = Some(number(name, &value)?),
            _ => {}
        }
        Ok(())
    }
}

/// Kubernetes reads a bare `?watch` and everything but `false` and `0` as true.
fn flag(value: &str) -> bool {
    !matches!(value, "false" | "False" | "FALSE" | "0")
}

fn matching(value: &str) -> Result<Option<Match>, Status> {
    match value {
        "" => Ok(None),
        "Exact" => Ok(Some(Match::Exact)),
        "NotOlderThan" => Ok(Some(Match::NotOlderThan)),
        _ => Err(bad(format!("resourceVersionMatch is {value:?}; it is Exact or NotOlderThan"))),
    }
}

/// The only dry run there is. A value that is not understood must not become a real write.
pub(super) fn dry_run(value: &str) -> Result<bool, Status> {
    match value {
        "" => Ok(false),
        "All" => Ok(true),
        _ => Err(bad(format!("dryRun is {value:?}; the only value is All"))),
    }
}

fn limit(value: &str) -> Result<usize, Status> {
    if value.is_empty() {
        return Ok(0);
    }
    value.parse().map_err(|_| bad(format!("limit is {value:?}; it is a number, 0 for all")))
}

fn include(value: &str) -> Result<Include, Status> {
    match value {
        "" | "Metadata" => Ok(Include::Metadata),
        "None" => Ok(Include::Nothing),
        "Object" => Ok(Include::Object),
        _ => Err(bad(format!("includeObject is {value:?}; it is None, Metadata or Object"))),
    }
}

/// What becomes of the objects that belong to a deleted one. A word that is not understood must
/// not delete anything.
pub(super) fn propagation(value: &str) -> Result<Option<Propagation>, Status> {
    match value {
        "" => Ok(None),
        "Background" => Ok(Some(Propagation::Background)),
        "Foreground" => Ok(Some(Propagation::Foreground)),
        "Orphan" => Ok(Some(Propagation::Orphan)),
        _ => {
            let message =
                format!("propagationPolicy is {value:?}; it is Background, Foreground or Orphan");
            Err(bad(message))
        }
    }
}

/// The older way to say it.
pub(super) fn orphan_dependents(orphan: bool) -> Propagation {
    if orphan { Propagation::Orphan } else { Propagation::Background }
}

fn validation(value: &str) -> Result<FieldValidation, Status> {
    match value {
        "" | "Warn" => Ok(FieldValidation::Warn),
        "Ignore" => Ok(FieldValidation::Ignore),
        "Strict" => Ok(FieldValidation::Strict),
        _ => Err(bad(format!("fieldValidation is {value:?}; it is Ignore, Warn or Strict"))),
    }
}

fn manager(value: String) -> Result<String, Status> {
    if value.chars().count() > MANAGER_CHARS || value.chars().any(char::is_control) {
        return Err(bad(format!(
            "fieldManager has more than {MANAGER_CHARS} characters or unprintable ones"
        )));
    }
    Ok(value)
}

/// A fault in the options of a list or watch, as Kubernetes words it. client-go falls back to list
/// and watch on one of these, so their shape matters.
pub(super) fn bad_option(field: &str, message: &str) -> Status {
    let mut status = Status::new(
        Reason::Invalid,
        format!("ListOptions.meta.k8s.io \"\" is invalid: {field}: {message}"),
    );
    status.details.group = "meta.k8s.io".into();
    status.details.kind = "ListOptions".into();
    status.details.causes = vec![Cause {
        reason: "FieldValueForbidden".into(),
        message: message.to_owned(),
        field: field.into(),
        ..Cause::default()
    }];
    status
}

pub(super) fn bad(message: impl Into<String>) -> Status {
    Status::new(Reason::BadRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Params, Status> {
        Params::read(&format!("/x?{query}").parse().unwrap())
    }

    #[test]
    fn what_is_not_understood_is_never_a_real_write() {
        assert!(read("dryRun=All").unwrap().dry_run);
        for query in [
            "dryRun=Some",
            "dryRun=true",
            "fieldValidation=strict",
            "timeoutSeconds=-1",
            "propagationPolicy=background",
            "limit=-1",
        ] {
            assert_eq!(read(query).unwrap_err().reason, Reason::BadRequest, "{query}");
        }
    }

    #[test]
    fn flags_are_read_as_kubernetes_reads_them() {
        for (query, expected) in [
            ("watch", true),
            ("watch=1", true),
            ("watch=true", true),
            ("watch=0", false),
            ("", false),
        ] {
            assert_eq!(read(query).unwrap().watch, expected, "{query}");
        }
        assert_eq!(read("sendInitialEvents=false").unwrap().send_initial_events, Some(false));
    }

    #[test]
    fn values_are_percent_decoded() {
        let params = read("labelSelector=app+in+%28a%2Cb%29&fieldManager=a%20b").unwrap();
        assert_eq!(params.field_manager, "a b");
        assert!(!params.labels.is_empty());
    }
}
