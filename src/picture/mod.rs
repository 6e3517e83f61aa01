//! A picture of an account: what of it matters for a rehearsal, and nothing that says whose it is.
//!
//! `devpocket doctor --save FILE` writes one, `devpocket up --twin FILE` starts the simulator on it.
//! It is YAML for people: it can be read before it is handed on, and changed by hand to ask "what if".
//!
//! # What is in it
//! Products, regions, states, dates, terms, prices, snapshots and counts. Every text is either one of
//! the words Contabo and the catalogue use, or made up here from a number: no name, address, id,
//! customer, mail, key or tag of the account. What belongs together stays together: one installation
//! of DevPocket has one made-up id in all names and marks.
//!
//! # The format
//! [`VERSION`] grows with every change an older program could misread; other versions are refused.
//! Unknown fields are refused, so that a mistyped one is not silently nothing.

mod check;
mod file;

use std::fmt;

use devpocket_specs::money::Money;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use check::{IMAGE_CUSTOM, STATUSES, is_image, is_product, is_region};
pub use file::{FILE_BYTES, PictureError, read, write};

/// The only version there is.
pub const VERSION: u32 = 1;
/// What a file says it is.
pub const KIND: &str = "ContaboAccount";
/// Most machines in a picture: as many as a sweep reads.
pub const MACHINES: usize = 100_000;

/// An account without its owner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Picture {
    /// Always [`KIND`].
    pub kind: String,
    /// Always [`VERSION`].
    pub version: u32,
    /// When it was taken; the twin begins here.
    pub taken: Timestamp,
    /// In the order in which they were bought.
    #[serde(default)]
    pub machines: Vec<Machine>,
    #[serde(default)]
    pub secrets: Secrets,
    /// DevPocket's own tags, and how many others there are.
    #[serde(default)]
    pub marks: Vec<Mark>,
    #[serde(default)]
    pub tags: u32,
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Machine {
    /// Contabo's id of the product, such as `V91`.
    pub product: String,
    /// A region's slug, such as `EU`.
    pub region: String,
    /// One of [`STATUSES`].
    pub status: String,
    /// A standard image by name, or `custom`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// When it was ordered, to the minute: its contract renews on that day of the month.
    pub created: Timestamp,
    /// Length of a term in months. Contabo does not tell it, so a saved picture says 1.
    #[serde(default = "one")]
    pub months: u8,
    /// What a month costs, net; absent where no price was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly: Option<Price>,
    /// The last day, if it was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_date: Option<Date>,
    /// Its display name: `machine-3`, with the token of an installation where it bore one. Absent:
    /// it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<Snapshot>,
}

fn one() -> u8 {
    1
}

/// A snapshot; all are called `snapshot-N`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snapshot {
    pub created: Timestamp,
    /// When Contabo deletes it by itself; absent: thirty days after it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// How many secrets there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Secrets {
    #[serde(default)]
    pub passwords: u32,
    #[serde(default)]
    pub keys: u32,
}

/// The mark an installation of DevPocket left in the account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mark {
    /// 1 is the first installation; its made-up id is `00000001`.
    pub installation: u32,
    /// Calls it had sent.
    pub calls: u64,
    pub written: Timestamp,
}

/// An amount as people write it: `7.50 EUR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price(pub Money);

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Price, D::Error> {
        let text = String::deserialize(deserializer)?;
        let money = crate::config::money(&text);
        money.map(Price).ok_or_else(|| serde::de::Error::custom("is an amount such as 7.50 EUR"))
    }
}

/// The made-up id of the `number`-th installation.
pub fn installation_id(number: u32) -> String {
    format!("{number:08x}")
}
