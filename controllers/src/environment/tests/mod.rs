//! What the decision does, rule by rule, and what holds for every history.

mod acquire;
mod acts;
pub(crate) mod lab;
mod loss;
mod ordering;
mod plan;
mod power;
mod properties;
mod recover;
mod release;
mod software;
