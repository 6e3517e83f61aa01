//! What stands between the network and the product: limits, proxies, bounds, headers, TLS, mail,
//! sealing keys and the served pages, over real sockets and a real Postgres.

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod bodies;
mod browser;
mod browsers;
mod keys;
mod limits;
mod mail;
mod pages;
mod smtp;
mod tls;
mod world;
