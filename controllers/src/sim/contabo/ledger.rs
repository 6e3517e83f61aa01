//! What was paid: one entry for every accepted order and every renewal, never taken back.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::catalogue::CURRENCY;

/// Every charge, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    pub currency: String,
    pub total_cents: i64,
    pub entries: Vec<LedgerEntry>,
}

/// One irrevocable charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntry {
    /// 1 is the first.
    pub number: u64,
    pub at: Timestamp,
    pub kind: Charge,
    pub instance_id: i64,
    /// As it stood in the order; for a renewal, as it stands then.
    pub display_name: String,
    pub product_id: String,
    pub region: String,
    pub months: i64,
    pub cents: i64,
    /// `x-request-id` of the order; `None` for renewals and for the panel.
    pub request_id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Charge {
    /// Bought through the API.
    Purchase,
    /// Bought by a person in the panel.
    PanelPurchase,
    /// An add-on bought through the API for a machine that exists.
    AddOn,
    /// A follow-up term.
    Renewal,
}

impl Default for Ledger {
    fn default() -> Ledger {
        Ledger { currency: CURRENCY.to_owned(), total_cents: 0, entries: Vec::new() }
    }
}

impl Ledger {
    pub(super) fn charge(&mut self, entry: LedgerEntry) {
        self.total_cents += entry.cents;
        self.entries.push(LedgerEntry { number: self.entries.len() as u64 + 1, ..entry });
    }

    /// Orders that came through the API.
    pub fn purchases(&self) -> usize {
        self.entries.iter().filter(|entry| entry.kind == Charge::Purchase).count()
    }
}
