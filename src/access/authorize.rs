//! Authorization: one trait, asked once per request.

use std::collections::BTreeSet;

use super::User;

/// What a request asks for, in the words of Kubernetes' `ResourceAttributes`. Empty text means
/// "not named": every namespace, every name, no subresource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `approve`, `reveal`, ...
    pub verb: String,
    pub group: String,
    pub version: String,
    /// The plural, such as `environments`.
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    /// For what is not a resource, such as `/version`.
    pub path: String,
}

impl Attributes {
    /// A verb on the things of a namespace that are not objects, such as `members`.
    pub fn within(verb: &str, resource: &str, namespace: &str) -> Attributes {
        Attributes {
            verb: verb.to_owned(),
            group: devpocket_specs::kind::GROUP.to_owned(),
            version: devpocket_specs::kind::VERSION.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            ..Attributes::default()
        }
    }

    /// The same in another namespace.
    pub fn at(&self, namespace: &str) -> Attributes {
        Attributes { namespace: namespace.to_owned(), ..self.clone() }
    }
}

/// The answer of an [`Authorizer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Allow,
    /// Allowed in these namespaces; what lies elsewhere is left out of the answer.
    Within(BTreeSet<String>),
    /// The namespace is not there, or somebody else's: which of the two is not told, and not
    /// looked up.
    Hidden(String),
    /// With a sentence saying why.
    Deny(String),
}

impl Decision {
    pub fn is_allowed(&self) -> bool {
        matches!(self, Decision::Allow | Decision::Within(_))
    }
}

/// Who may do what. A pure function of its arguments.
pub trait Authorizer: Send + Sync + 'static {
    fn authorize(&self, user: &User, attributes: &Attributes) -> Decision;
}
