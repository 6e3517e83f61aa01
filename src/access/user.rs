//! Who somebody is and what that lets them do.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

/// Group of those who may do everything.
pub const ADMINS: &str = "system:masters";
/// Group of everybody whose token was accepted.
pub const AUTHENTICATED: &str = "system:authenticated";

/// What somebody may do in a namespace. Each includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Looks.
    Viewer,
    /// Changes what is declared, but approves nothing that costs money or data.
    Editor,
    /// Approves, reads secrets, and says who belongs.
    Owner,
}

impl Role {
    pub const ALL: [Role; 3] = [Role::Viewer, Role::Editor, Role::Owner];

    /// As it is stored and written.
    pub fn word(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Editor => "editor",
            Role::Owner => "owner",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Role, String> {
        let found = Role::ALL.into_iter().find(|role| role.word() == text);
        found.ok_or_else(|| format!("{text:?} is no role; there are viewer, editor and owner"))
    }
}

/// What a request was signed in with: what ends when it is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// A token of the configuration.
    Configured,
    /// A sign-in: access and refresh tokens of one family.
    Session(Uuid),
    /// A `dpk_` token.
    ApiToken(Uuid),
}

/// What an API token may be used for at most. Empty lists do not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    pub verbs: Vec<String>,
    /// Plurals, such as `environments`.
    pub kinds: Vec<String>,
    pub namespace: Option<String>,
}

/// Somebody whose token was accepted, with everything an [`super::Authorizer`] decides from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The account's user name; never begins with `system:`.
    pub name: String,
    pub groups: Vec<String>,
    /// None for tokens of the configuration.
    pub account: Option<Uuid>,
    pub credential: Credential,
    /// Role in each namespace they belong to.
    pub roles: Arc<BTreeMap<String, Role>>,
    pub scope: Option<Arc<Scope>>,
    /// Whether their address is known to be theirs. Tokens of the configuration have none to verify.
    pub verified: bool,
    /// Name of their tier; without one they may spend nothing.
    pub tier: Option<String>,
}

impl User {
    /// A token of the configuration in these groups.
    pub fn configured(name: impl Into<String>, groups: &[&str]) -> User {
        User {
            name: name.into(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            account: None,
            credential: Credential::Configured,
            roles: Arc::default(),
            scope: None,
            verified: true,
            tier: None,
        }
    }

    /// A user who may do everything.
    pub fn admin(name: impl Into<String>) -> User {
        User::configured(name, &[ADMINS, AUTHENTICATED])
    }

    pub fn is_admin(&self) -> bool {
        self.groups.iter().any(|group| group == ADMINS)
    }

    /// Their role there, if they belong.
    pub fn role_in(&self, namespace: &str) -> Option<Role> {
        self.roles.get(namespace).copied()
    }
}
