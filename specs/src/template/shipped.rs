//! The templates that come with DevPocket, as the YAML people would apply.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Template, TemplateSpec};
use crate::kind::Kind;
use crate::metadata::names;
use crate::object::{Object, ObjectError};

/// Their names and files, in the order they are listed.
pub const SHIPPED: [(&str, &str); 7] = [
    ("base", include_str!("../../templates/base.yaml")),
    ("python", include_str!("../../templates/python.yaml")),
    ("nodejs", include_str!("../../templates/nodejs.yaml")),
    ("fullstack", include_str!("../../templates/fullstack.yaml")),
    ("coding-agents", include_str!("../../templates/coding-agents.yaml")),
    ("go", include_str!("../../templates/go.yaml")),
    ("rust", include_str!("../../templates/rust.yaml")),
];

/// The file of one of them.
#[must_use]
pub fn shipped(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(shipped, _)| *shipped == name).map(|(_, yaml)| *yaml)
}

/// One of them as an object, marked with the digest of its spec: as long as the mark fits, nobody
/// changed it, and a later version of DevPocket may bring a newer one.
///
/// # Errors
/// Never for the files that come with this version; the tests read them all.
pub fn shipped_template(yaml: &str) -> Result<Template, ObjectError> {
    let document: Value = serde_yaml::from_str(yaml).map_err(|error| ObjectError::Decode {
        kind: Kind::Template,
        path: String::new(),
        source: serde::de::Error::custom(error),
    })?;
    let mut template: Template = Object::from_value(Kind::Template, document)?.to()?;
    let digest = spec_digest(&template.spec);
    template.metadata.annotations.insert(names::SHIPPED.to_owned(), digest);
    Ok(template)
}

/// Whether a template is as DevPocket brought it.
#[must_use]
pub fn is_untouched(template: &Template) -> bool {
    template.metadata.annotations.get(names::SHIPPED) == Some(&spec_digest(&template.spec))
}

fn spec_digest(spec: &TemplateSpec) -> String {
    let json = serde_json::to_vec(spec).expect("a template's spec has text keys only");
    Sha256::digest(json)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
