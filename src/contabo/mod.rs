//! The client of Contabo's API: the [`Cloud`](devpocket_controllers::cloud::Cloud) port over HTTP.
//!
//! # Guarantees
//! - **No mutation is sent twice.** One call of a mutating method puts at most one request on the
//!   wire. What cannot be known is reported as `Unknown`, never guessed and never repeated: every
//!   accepted order is an irrevocable purchase, and Contabo has no idempotency key.
//! - A refusal (400, 401, 402, 403, 404, 405, 415, 422) is certain not to have happened. So is a
//!   call that never reached the socket.
//! - Credentials and tokens appear in no log and in no error: they live in [`Sensitive`], which
//!   prints as `***`, and nothing here formats a request.
//! - One limiter for the whole account, with a share kept for people, halves its rate on 429.
//! - Replies are read with tolerance (nulls, absent and extra fields, unknown words, three error
//!   shapes, empty links) but a list whose completeness cannot be judged is an error, because a
//!   short list taken for a whole one reads as vanished machines.
//!
//! # Assumptions
//! The rules come from Contabo's OpenAPI document and from what its API was seen to do where the
//! two differ: `cancelDate` is null or empty, hardware fields are null before allocation, error
//! messages are a string or a list of strings, and 429 carries no `Retry-After`.

mod client;
mod decode;
mod limiter;
mod observe;
mod outcome;
mod resources;
mod sensitive;
mod token;

pub use client::{ContaboClient, ContaboConfig, Credentials, READ_TIMEOUT, SetupError};
pub use limiter::Limiter;
pub use resources::{DataCenter, Secret, SecretKind, Snapshot};
pub use sensitive::Sensitive;
pub use token::{Half, Refusal};
