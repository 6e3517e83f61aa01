//! The Kubernetes-style API over a real socket, driven by the real `kube` client and, for what that
//! client never sends, by plain HTTP.

#[path = "../support/mod.rs"]
mod support;

mod apply;
mod collections;
mod crud;
mod doors;
mod foreign;
mod forms;
mod pages;
mod patches;
mod plans;
mod postgres;
mod refusals;
mod revoked;
mod roles;
mod rules;
mod secrets;
mod server;
mod tiers;
mod undelete;
mod versions;
mod watches;
mod withheld;
mod world;
