//! How faults are put into words, so that all read alike.

use std::fmt::Display;

use crate::status::{Cause, did_you_mean};

pub(crate) const CODE_BAD_VALUE: &str = "bad-value";
pub(crate) const CODE_UNKNOWN_FIELD: &str = "unknown-field";

/// Builds one [`Cause`].
#[must_use]
pub(crate) struct Fault(Cause);

impl Fault {
    fn new(reason: &str, field: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault(Cause {
            reason: reason.to_owned(),
            message: message.into(),
            field: field.into(),
            code: Some(CODE_BAD_VALUE.to_owned()),
            ..Cause::default()
        })
    }

    /// `field` is there, but not as it must be. `message` follows the field's name.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault::new("FieldValueInvalid", field, message)
    }

    /// `field` is `value` (already quoted); `expected` says what it is when it is right.
    pub fn wrong(field: impl Into<String>, value: impl Display, expected: &str) -> Fault {
        Fault::invalid(field, format!("is {value}; it is {expected}"))
    }

    /// Of another type than the schema says.
    pub fn wrong_type(field: impl Into<String>, value: impl Display, expected: &str) -> Fault {
        Fault::new("FieldValueTypeInvalid", field, format!("is {value}; it is {expected}"))
    }

    /// None of the values there are; `message` follows the field's name or begins with the value.
    pub fn not_supported(field: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault::new("FieldValueNotSupported", field, message)
    }

    pub fn required(field: impl Into<String>, expected: &str) -> Fault {
        Fault::new("FieldValueRequired", field, format!("is missing; it is {expected}"))
    }

    pub fn duplicate(field: impl Into<String>, value: impl Display) -> Fault {
        Fault::new("FieldValueDuplicate", field, format!("is {value}, which is there twice"))
    }

    /// Longer, or more, than the limit.
    pub fn too_long(field: impl Into<String>, has: usize, limit: usize, unit: &str) -> Fault {
        let message = format!("has {has} {unit}; at most {limit}");
        Fault::new("FieldValueTooLong", field, message)
    }

    /// May not be set, or not be changed.
    pub fn forbidden(field: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault::new("FieldValueForbidden", field, message)
    }

    /// Not a field of the object around it.
    pub fn unknown_field(path: &str, name: &str, parent: &str) -> Fault {
        let parent = if parent.is_empty() { "the object" } else { parent };
        let message = format!("{} is not a field of {parent}", super::quote::text(name));
        Fault::new("FieldValueForbidden", path, message).code(CODE_UNKNOWN_FIELD)
    }

    pub fn code(mut self, code: &str) -> Fault {
        self.0.code = Some(code.to_owned());
        self
    }

    /// Adds the one near name, also to the message.
    pub fn nearest(mut self, nearest: Option<String>) -> Fault {
        if let Some(nearest) = nearest {
            self.0.message += &did_you_mean(&nearest);
            self.0.nearest = Some(nearest);
        }
        self
    }

    pub fn because(mut self, because: impl Into<String>) -> Fault {
        self.0.because = Some(because.into());
        self
    }

    pub fn attempt(mut self, what: impl Into<String>) -> Fault {
        self.0.r#try.push(what.into());
        self
    }

    pub fn cause(self) -> Cause {
        self.0
    }
}

/// `A`, `A or B`, `A, B or C`.
pub(crate) fn one_of<S: AsRef<str>>(names: &[S]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} or {}", first.join(", "), last.as_ref())
        }
    }
}
