//! The last calls, and how many there were: what a person debugging a client wants to see, and what
//! a test counts.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::operation::OperationName;
use super::reply::{Delivery, Effect, Reply};

/// Calls kept; the oldest go first. Counts are kept for ever.
pub const JOURNAL_LIMIT: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JournalEntry {
    /// 1 is the first call ever.
    pub number: u64,
    pub at: Timestamp,
    pub operation: OperationName,
    pub request_id: String,
    pub instance_id: Option<i64>,
    pub status: u16,
    pub delivery: Delivery,
    pub effect: Effect,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Journal {
    pub entries: VecDeque<JournalEntry>,
    pub counts: BTreeMap<OperationName, u64>,
    pub total: u64,
}

impl Journal {
    pub fn record(&mut self, call: &Call, reply: &Reply, instance_id: Option<i64>, at: Timestamp) {
        let operation = call.request.name();
        self.total += 1;
        *self.counts.entry(operation).or_default() += 1;
        if self.entries.len() >= JOURNAL_LIMIT {
            self.entries.pop_front();
        }
        self.entries.push_back(JournalEntry {
            number: self.total,
            at,
            operation,
            request_id: call.request_id.clone(),
            instance_id,
            status: reply.status,
            delivery: reply.delivery,
            effect: reply.effect,
        });
    }
}
