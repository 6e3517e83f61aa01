//! Everything that can be wrong with an object, found at once: each fault with its path, the
//! value and what is allowed.
//!
//! Two passes make one list. [`structure`] walks the schema: unknown and missing fields, wrong
//! types, values outside an enum. What it finds it also mends, in a copy, so that the second pass,
//! which reads the typed object ([`rules`]), still finds the faults of the rest.
//!
//! Values are quoted, but never those that may be secret ([`quote`]).

use crate::admit::Context;
use crate::environment::Environment;
use crate::installation::Installation;
use crate::kind::Kind;
use crate::object::{Object, ObjectError, Resource};
use crate::status::Cause;

mod accounts;
mod environment;
mod fault;
mod metadata;
pub mod names;
mod place;
mod quote;
mod ssh_key;
mod structure;
mod templates;

pub use accounts::{MAX_MONEY_CENTS, MAX_PURCHASES_PER_HOUR, MAX_RECLAIM_SECONDS, MAX_SECRET_KEY};
pub use environment::{
    MAX_DISPLAY_NAME, MAX_ENV_BYTES, MAX_ENV_NAME, MAX_ENV_VALUE_BYTES, MAX_ENV_VARS, MAX_KEYS,
    MAX_KEYS_BYTES, MAX_PARAMETERS, MAX_REQUEST_ID, MAX_TEXT,
};
pub use templates::{MAX_CHECKS, MAX_PACKAGES, MAX_STEP_SECONDS, MAX_STEPS, MAX_TRIES};

pub(crate) use accounts::is_secret_key;
pub(crate) use fault::{Fault, one_of};
pub(crate) use quote::quote;
pub(crate) use structure::structure;

/// Most bytes of an object's JSON. A list of 500 of them must stay within what one reply and one
/// cache window hold.
pub const MAX_OBJECT_BYTES: usize = 256 * 1024;

/// The faults of a well-formed object: those no schema can express.
pub(crate) fn rules(object: &Object, context: &Context<'_>) -> Vec<Cause> {
    let mut faults = metadata::check(object);
    let typed = match object.kind {
        Kind::Environment => typed(object, |e: &Environment| environment::check(e, context)),
        Kind::Installation => typed(object, |i: &Installation| accounts::installation(i, context)),
        Kind::Tier => typed(object, |t| accounts::tier(t, context)),
        Kind::Template => typed(object, |t| templates::check(t, context)),
        Kind::Secret => typed(object, accounts::secret),
        Kind::Event => typed(object, accounts::event),
        Kind::Machine | Kind::Operation | Kind::Namespace | Kind::Lease => Ok(Vec::new()),
    };
    match typed {
        Ok(more) => faults.extend(more),
        Err(error) => faults.push(undecodable(&error)),
    }
    faults
}

/// The fault of a document that passed the walk over its schema and still is not of its kind.
pub(crate) fn undecodable(error: &ObjectError) -> Cause {
    let text = match error {
        ObjectError::Decode { source, .. } => source.to_string(),
        other => other.to_string(),
    };
    Fault::invalid("", format!("the object cannot be read: {text}")).cause()
}

fn typed<T: Resource>(
    object: &Object,
    check: impl FnOnce(&T) -> Vec<Cause>,
) -> Result<Vec<Cause>, ObjectError> {
    Ok(check(&object.to::<T>()?))
}

#[cfg(test)]
mod tests;
