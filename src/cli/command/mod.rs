//! One file per command.

pub mod apply;
pub mod budget;
pub mod completion;
pub mod context;
pub mod create;
pub mod delete;
pub mod describe;
pub mod doctor;
pub mod events;
pub mod explain;
pub mod get;
pub mod host;
pub mod kubeconfig;
pub mod login;
pub mod man;
pub mod operation;
pub mod pause;
pub mod plan;
pub mod power;
pub mod regions;
pub mod schema;
pub mod simulator;
pub mod sizes;
pub mod start_failure;
pub mod status;
pub mod undelete;
pub mod version;
pub mod wait;

mod change;
mod columns;
mod explain_field;
mod faults;
mod files;
mod panel;
mod recordings;
