//! From where a request came, for the trail and for the list of sessions.

use uuid::Uuid;

use crate::access::trail::Entry;
use crate::access::{Credential, User};

/// Who the trail names where nobody is signed in.
pub const ANONYMOUS: &str = "anonymous";
/// Characters of a `User-Agent` that are kept.
const CLIENT_CHARS: usize = 200;

/// Who asks for something, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub actor: String,
    pub account: Option<Uuid>,
    pub credential: Option<Credential>,
    pub address: Option<String>,
    pub request_id: String,
    /// The `User-Agent`.
    pub client: String,
}

impl Origin {
    /// Nobody who is known, from nowhere in particular.
    pub fn anonymous() -> Origin {
        Origin {
            actor: ANONYMOUS.into(),
            account: None,
            credential: None,
            address: None,
            request_id: String::new(),
            client: String::new(),
        }
    }

    /// The same place, with somebody in it.
    pub fn of(&self, user: &User) -> Origin {
        Origin {
            actor: user.name.clone(),
            account: user.account,
            credential: Some(user.credential),
            ..self.clone()
        }
    }

    /// With this `User-Agent`, cut to what is kept of one.
    pub fn with_client(self, client: &str) -> Origin {
        let client = client.chars().filter(|c| !c.is_control()).take(CLIENT_CHARS).collect();
        Origin { client, ..self }
    }

    /// A line of the trail about this.
    pub(super) fn entry(&self, verb: &str, subject: &str, name: &str) -> Entry {
        Entry {
            actor: self.actor.clone(),
            account: self.account,
            address: self.address.clone(),
            request_id: self.request_id.clone(),
            verb: verb.into(),
            subject: subject.into(),
            name: name.into(),
            ..Entry::default()
        }
    }
}
