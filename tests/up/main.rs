//! `devpocket up` as a person meets it: the real program, a real Postgres, real sockets.

mod doing;
mod first_start;
mod looks;
mod machine;
mod readme;
mod real;
mod refusals;
mod sessions;
#[path = "../up_support/mod.rs"]
mod support;
mod twin;
