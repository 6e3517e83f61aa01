//! Versions of a template: which one an environment means, and how the earlier ones are kept.

use serde_json::{Value, json};

use super::{Template, TemplateSpec};
use crate::environment::{Environment, RenderedTemplate};
use crate::object::Object;

/// How many versions before the current one a template keeps.
pub const EARLIER_KEPT: usize = 10;

/// Most bytes of JSON the kept versions may have together; older ones go first. It leaves the
/// current version room within what an object may have.
pub const MAX_EARLIER_BYTES: usize = 128 * 1024;

/// What `spec.template` of an environment names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    pub name: &'a str,
    /// The version behind the `@`, if there is one.
    pub version: Option<&'a str>,
}

/// What an environment names as its template, if anything.
#[must_use]
pub fn named(environment: &Environment) -> Option<Named<'_>> {
    let text = environment.spec.template.as_deref()?;
    Some(match text.split_once('@') {
        Some((name, version)) => Named { name, version: Some(version) },
        None => Named { name: text, version: None },
    })
}

/// Why there is no version for an environment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    #[error("template {name} is at version {current} and has never had version {version}")]
    Never { name: String, version: String, current: i64 },
    #[error("version {version} of template {name} is not kept any more; kept are {kept}")]
    Gone { name: String, version: i64, kept: String },
}

/// The version an environment means, with its number.
///
/// With `python@3` it is that one. With `python` it is the one the machine was installed from, as
/// the status says: a newer one is taken only when the spec names it. For a machine that is not
/// there yet it is the current one.
///
/// # Errors
/// A version that never was, or is not kept any more.
pub fn version_for<'t>(
    environment: &Environment,
    template: &'t Template,
) -> Result<(i64, &'t TemplateSpec), VersionError> {
    let name = &template.metadata.name;
    let current = template.metadata.generation;
    let pinned = named(environment).and_then(|named| named.version);
    let installed = environment.status.template.as_ref().filter(|t| t.name == *name);
    let wanted = match (pinned, installed) {
        (Some(text), _) => {
            text.parse::<i64>().ok().filter(|v| (1..=current).contains(v)).ok_or_else(|| {
                VersionError::Never { name: name.clone(), version: text.to_owned(), current }
            })?
        }
        (None, Some(installed)) => installed.generation,
        (None, None) => current,
    };
    if wanted == current {
        return Ok((current, &template.spec));
    }
    let earlier = template.status.earlier.iter().find(|earlier| earlier.generation == wanted);
    earlier.map(|earlier| (wanted, &earlier.spec)).ok_or_else(|| VersionError::Gone {
        name: name.clone(),
        version: wanted,
        kept: kept(template),
    })
}

/// The current version, if it is newer than what a machine was installed from.
#[must_use]
pub fn newer(installed: &RenderedTemplate, template: &Template) -> Option<i64> {
    let current = template.metadata.generation;
    (installed.name == template.metadata.name && installed.generation < current).then_some(current)
}

fn kept(template: &Template) -> String {
    let mut all: Vec<i64> = template.status.earlier.iter().map(|e| e.generation).collect();
    all.push(template.metadata.generation);
    all.sort_unstable();
    all.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
}

/// Keeps the version that `new` replaces, if it replaces one. Part of admission.
pub fn keep_earlier(old: &Object, new: &mut Object) {
    if new.metadata.generation == old.metadata.generation {
        return;
    }
    let before = json!({"generation": old.metadata.generation, "spec": old.field("spec")});
    let earlier = new.field("status").get("earlier").and_then(Value::as_array).cloned();
    let mut kept = vec![before];
    kept.extend(earlier.unwrap_or_default());
    kept.truncate(EARLIER_KEPT);
    let bytes = |entries: &[Value]| entries.iter().map(|e| e.to_string().len()).sum::<usize>();
    while kept.len() > 1 && bytes(&kept) > MAX_EARLIER_BYTES {
        kept.pop();
    }
    let status = new.body.entry("status").or_insert_with(|| json!({}));
    if let Some(status) = status.as_object_mut() {
        status.insert("earlier".into(), Value::Array(kept));
        status.entry("observedGeneration").or_insert_with(|| json!(0));
    }
}
