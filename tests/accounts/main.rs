//! People and what they sign in with, over a real Postgres and a socket: what each endpoint
//! promises, and what somebody may try who means no good.

#[path = "../support/mod.rs"]
mod support;

mod admins;
mod alike;
mod audit;
mod contract;
mod devices;
mod google;
mod history;
mod install_lines;
mod install_logs;
mod leaving;
mod locks;
mod passwords;
mod sessions;
mod sign_up;
mod teams;
mod tickets;
mod tokens;
mod world;
