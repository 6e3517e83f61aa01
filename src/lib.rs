//! The adapters and servers of DevPocket, as a library so that tests drive them over real sockets.

pub mod access;
pub mod accounts;
pub mod audit;
pub mod cache;
pub mod cli;
pub mod clock;
pub mod columns;
pub mod config;
pub mod contabo;
pub mod context;
pub mod crypto;
pub mod doctor;
pub mod embedded;
pub mod kube;
pub mod mail;
pub mod manifest;
pub mod node;
pub mod picture;
pub mod rest;
pub mod serve;
pub mod server;
pub mod simulator;
pub mod store;
pub mod teams;
pub mod telemetry;
pub mod up;
