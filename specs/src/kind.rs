//! The closed list of kinds, and what the API says about each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// DevPocket's own API group.
pub const GROUP: &str = "devpocket.dev";
/// The one version served.
pub const VERSION: &str = "v1alpha1";

/// Whether objects of a kind live inside a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Namespaced,
    Cluster,
}

/// Every kind the store holds. The discriminant is what the database stores: never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(i16)]
pub enum Kind {
    Environment = 1,
    Machine = 2,
    Operation = 3,
    Template = 4,
    Tier = 5,
    Namespace = 6,
    Event = 7,
    Secret = 8,
    Lease = 9,
    /// One per database: which Contabo account it drives, and what is known of that account.
    Installation = 10,
}

/// How discovery, paths and tables name a kind.
#[derive(Clone, Copy, Debug)]
pub struct KindInfo {
    pub kind: Kind,
    /// API group; empty for the Kubernetes core group.
    pub group: &'static str,
    pub version: &'static str,
    pub name: &'static str,
    pub plural: &'static str,
    pub singular: &'static str,
    pub short_names: &'static [&'static str],
    pub scope: Scope,
    /// Whether `/status` is a subresource of its own, and `metadata.generation` counts spec edits.
    pub has_status: bool,
}

const fn own(
    kind: Kind,
    name: &'static str,
    plural: &'static str,
    singular: &'static str,
    short_names: &'static [&'static str],
    scope: Scope,
) -> KindInfo {
    KindInfo {
        kind,
        group: GROUP,
        version: VERSION,
        name,
        plural,
        singular,
        short_names,
        scope,
        has_status: true,
    }
}

const fn borrowed(
    kind: Kind,
    group: &'static str,
    name: &'static str,
    plural: &'static str,
    singular: &'static str,
    short_names: &'static [&'static str],
    scope: Scope,
) -> KindInfo {
    KindInfo {
        kind,
        group,
        version: "v1",
        name,
        plural,
        singular,
        short_names,
        scope,
        has_status: false,
    }
}

static KINDS: [KindInfo; 10] = [
    own(
        Kind::Environment,
        "Environment",
        "environments",
        "environment",
        &["env", "envs"],
        Scope::Namespaced,
    ),
    own(Kind::Machine, "Machine", "machines", "machine", &["vps"], Scope::Cluster),
    own(Kind::Operation, "Operation", "operations", "operation", &["op", "ops"], Scope::Cluster),
    own(Kind::Template, "Template", "templates", "template", &["tpl"], Scope::Cluster),
    own(Kind::Tier, "Tier", "tiers", "tier", &[], Scope::Cluster),
    borrowed(Kind::Namespace, "", "Namespace", "namespaces", "namespace", &["ns"], Scope::Cluster),
    borrowed(Kind::Event, "", "Event", "events", "event", &["ev"], Scope::Namespaced),
    borrowed(Kind::Secret, "", "Secret", "secrets", "secret", &[], Scope::Namespaced),
    borrowed(
        Kind::Lease,
        "coordination.k8s.io",
        "Lease",
        "leases",
        "lease",
        &[],
        Scope::Namespaced,
    ),
    own(Kind::Installation, "Installation", "installations", "installation", &[], Scope::Cluster),
];

impl Kind {
    /// All kinds, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Kind> {
        KINDS.iter().map(|info| info.kind)
    }

    /// The kind's names and scope.
    pub fn info(self) -> &'static KindInfo {
        &KINDS[self as usize - 1]
    }

    /// The `apiVersion` objects of this kind carry.
    pub fn api_version(self) -> String {
        let info = self.info();
        if info.group.is_empty() {
            info.version.to_owned()
        } else {
            format!("{}/{}", info.group, info.version)
        }
    }

    /// Whether objects of this kind live inside a namespace.
    pub fn is_namespaced(self) -> bool {
        self.info().scope == Scope::Namespaced
    }

    /// The number the database stores.
    pub fn number(self) -> i16 {
        self as i16
    }

    /// The kind with this number.
    pub fn from_number(number: i16) -> Option<Kind> {
        Kind::all().find(|kind| kind.number() == number)
    }

    /// The kind served at `group`/`version`/`plural`.
    pub fn from_path(group: &str, version: &str, plural: &str) -> Option<Kind> {
        KINDS
            .iter()
            .find(|i| i.group == group && i.version == version && i.plural == plural)
            .map(|i| i.kind)
    }

    /// The kind an object's `apiVersion` and `kind` name.
    pub fn from_type(api_version: &str, kind: &str) -> Option<Kind> {
        Kind::all().find(|k| k.info().name == kind && k.api_version() == api_version)
    }

    /// The kind a person means: kind, plural, singular or short name, in any case.
    pub fn from_word(word: &str) -> Option<Kind> {
        let word = word.to_ascii_lowercase();
        KINDS
            .iter()
            .find(|i| {
                i.singular == word || i.plural == word || i.short_names.contains(&word.as_str())
            })
            .map(|i| i.kind)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.info().name)
    }
}

/// `kind` is not one DevPocket knows.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown kind {0:?}")]
pub struct UnknownKind(pub String);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Kind::from_word(word).ok_or_else(|| UnknownKind(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_stable_and_the_table_is_in_their_order() {
        for (index, kind) in Kind::all().enumerate() {
            assert_eq!(kind.number() as usize, index + 1);
            assert_eq!(kind.info().kind, kind);
            assert_eq!(Kind::from_number(kind.number()), Some(kind));
        }
    }

    #[test]
    fn people_may_use_any_of_a_kinds_names() {
        for word in ["env", "Environment", "environments", "ENVS"] {
            assert_eq!(Kind::from_word(word), Some(Kind::Environment));
        }
        assert_eq!(Kind::from_word("pods"), None);
    }

    #[test]
    fn paths_and_types_lead_to_the_same_kind() {
        assert_eq!(
            Kind::from_path("devpocket.dev", "v1alpha1", "machines"),
            Kind::from_type("devpocket.dev/v1alpha1", "Machine")
        );
        assert_eq!(Kind::from_type("v1", "Secret"), Some(Kind::Secret));
        assert_eq!(Kind::from_type("v1", "Environment"), None);
    }
}
