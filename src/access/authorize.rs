//! Authorization: one trait, asked once per request.

use super::User;

/// What a request asks for, in the words of Kubernetes' `ResourceAttributes`. Empty text means
/// "not named": every namespace, every name, no subresource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `approve`, ...
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

/// The answer of an [`Authorizer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Allow,
    /// With a sentence saying why.
    Deny(String),
}

impl Decision {
    pub fn is_allowed(&self) -> bool {
        *self == Decision::Allow
    }
}

/// Who may do what.
pub trait Authorizer: Send + Sync + 'static {
    fn authorize(&self, user: &User, attributes: &Attributes) -> Decision;
}

/// Admins may do everything, nobody else anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct AdminOnly;

impl Authorizer for AdminOnly {
    fn authorize(&self, user: &User, _attributes: &Attributes) -> Decision {
        if user.is_admin() {
            Decision::Allow
        } else {
            Decision::Deny(format!("{:?} is not an administrator", user.name))
        }
    }
}
