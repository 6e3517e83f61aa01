//! How requests are made, and what lists come back as.

use serde_json::Value;

/// How a write is done.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// Judge, write nothing.
    pub dry_run: bool,
    /// Take fields over that another manager owns.
    pub force: bool,
    /// Hash of the plan the person saw; the server refuses if it is another one now.
    pub plan_hash: Option<String>,
}

impl WriteOptions {
    pub(super) fn query(&self) -> Vec<(&'static str, &str)> {
        let mut query = Vec::new();
        if self.dry_run {
            query.push(("dryRun", "All"));
        }
        if self.force {
            query.push(("force", "true"));
        }
        if let Some(hash) = &self.plan_hash {
            query.push(("planHash", hash.as_str()));
        }
        query
    }
}

/// A list with the revision a watch can go on from.
#[derive(Clone, Debug)]
pub struct Listing {
    pub items: Vec<Value>,
    pub version: String,
}
