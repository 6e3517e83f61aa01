//! The simulator's machines over SSH: real OpenSSH as the client, and what must not be possible.

#[path = "guests/configured.rs"]
mod configured;
#[path = "guests/contact.rs"]
mod contact;
#[path = "guests/harm.rs"]
mod harm;
#[path = "guests/life.rs"]
mod life;
#[path = "guests/openssh.rs"]
mod openssh;
#[path = "guests/sessions.rs"]
mod sessions;
#[path = "support/mod.rs"]
mod support;
#[path = "guests/world.rs"]
mod world;
