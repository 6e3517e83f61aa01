//! Rules for environments.

use super::accounts::{money, pause};
use super::fault::Fault;
use super::names::{LABEL_RULE, is_dns_label, is_dns_subdomain};
use super::quote::text;
use super::{place, ssh_key};
use crate::admit::Context;
use crate::environment::{AutoApprove, EnvVar, Environment, SecretKeyRef, UserSpec};
use crate::metadata::names::UNDELETE_OF;
use crate::plan::RiskClass;
use crate::render::is_variable_name;
use crate::status::Cause;

/// Most characters of a display name.
pub const MAX_DISPLAY_NAME: usize = 50;
/// Most environment variables.
pub const MAX_ENV_VARS: usize = 100;
/// Most bytes of a variable's name.
pub const MAX_ENV_NAME: usize = 255;
/// Most bytes of a variable's value.
pub const MAX_ENV_VALUE_BYTES: usize = 4 * 1024;
/// Most bytes of all variables together: they travel in the user-data of the order, which has a
/// limit of its own ([`crate::render::MAX_USER_DATA_BYTES`]).
pub const MAX_ENV_BYTES: usize = 12 * 1024;
/// Most keys of the user.
pub const MAX_KEYS: usize = 32;
/// Most bytes of all keys together; they travel the same way.
pub const MAX_KEYS_BYTES: usize = 12 * 1024;
/// Most parameters of a template.
pub const MAX_PARAMETERS: usize = 64;
/// Most characters of the id of a one-shot request.
pub const MAX_REQUEST_ID: usize = 64;
/// Most characters of the reason of a pause, and of other texts for people.
pub const MAX_TEXT: usize = 500;

pub(super) fn check(environment: &Environment, context: &Context<'_>) -> Vec<Cause> {
    let spec = &environment.spec;
    let taken_back = environment.metadata.annotations.contains_key(UNDELETE_OF);
    let mut faults = place::check(spec, taken_back, context);
    display_name(spec.display_name.as_deref(), &mut faults);
    if let Some(template) = spec.template.as_deref() {
        faults.extend(template_reference(template));
    }
    parameters(spec.parameters.keys(), &mut faults);
    user(&spec.user, &mut faults);
    variables(&spec.env, &mut faults);
    let requests = [
        ("spec.restart.id", &spec.restart),
        ("spec.rebuild.id", &spec.rebuild),
        ("spec.recover.id", &spec.recover),
    ];
    for (field, request) in requests {
        if let Some(request) = request {
            request_id(field, &request.id, &mut faults);
        }
    }
    // What is taken back may carry a pause that ran out meanwhile.
    if let Some(paused) = spec.paused.as_ref().filter(|_| !taken_back) {
        pause("spec.paused", paused, context, &mut faults);
    }
    if let Some(auto) = &spec.auto_approve {
        auto_approve(auto, &mut faults);
    }
    faults
}

pub(super) fn display_name(name: Option<&str>, faults: &mut Vec<Cause>) {
    const FIELD: &str = "spec.displayName";
    let Some(name) = name else { return };
    let length = name.chars().count();
    if length > MAX_DISPLAY_NAME {
        faults.push(Fault::too_long(FIELD, length, MAX_DISPLAY_NAME, "characters").cause());
    } else if name.trim().is_empty() {
        faults.push(Fault::wrong(FIELD, text(name), "1 to 50 characters").cause());
    } else if name.trim() != name || name.chars().any(char::is_control) {
        let expected = "one line without spaces at its ends";
        faults.push(Fault::wrong(FIELD, text(name), expected).cause());
    }
}

fn template_reference(template: &str) -> Option<Cause> {
    let (name, version) = template.split_once('@').unwrap_or((template, "1"));
    let counts = |v: &str| v.parse::<u32>().is_ok_and(|v| v > 0) && !v.starts_with(['+', '0']);
    if is_dns_label(name) && counts(version) {
        return None;
    }
    let expected = "a template's name, or name@version such as python@3";
    Some(Fault::wrong("spec.template", text(template), expected).cause())
}

pub(super) fn parameters<'p>(
    names: impl ExactSizeIterator<Item = &'p String>,
    faults: &mut Vec<Cause>,
) {
    const FIELD: &str = "spec.parameters";
    if names.len() > MAX_PARAMETERS {
        faults.push(Fault::too_long(FIELD, names.len(), MAX_PARAMETERS, "parameters").cause());
    }
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let fits = |name: &str| {
        name.len() <= 63
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(inner)
    };
    for name in names.filter(|name| !fits(name)) {
        let message = format!(
            "has the name {}; a name is a letter, then at most 62 letters, digits, '-' and '_'",
            text(name)
        );
        faults.push(Fault::invalid(FIELD, message).cause());
    }
}

fn user(user: &UserSpec, faults: &mut Vec<Cause>) {
    if let Some(shell) = user.shell.as_deref() {
        let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.');
        let absolute = shell.starts_with('/') && !shell.ends_with('/') && shell.len() <= 255;
        if !absolute || !shell.bytes().all(safe) {
            let expected = "an absolute path such as /bin/bash";
            faults.push(Fault::wrong("spec.user.shell", text(shell), expected).cause());
        }
    }
    if user.keys.len() > MAX_KEYS {
        faults.push(Fault::too_long("spec.user.keys", user.keys.len(), MAX_KEYS, "keys").cause());
    }
    let bytes: usize = user.keys.iter().map(String::len).sum();
    if bytes > MAX_KEYS_BYTES {
        faults.push(Fault::too_long("spec.user.keys", bytes, MAX_KEYS_BYTES, "bytes").cause());
    }
    for (index, key) in user.keys.iter().enumerate() {
        let field = format!("spec.user.keys[{index}]");
        match ssh_key::fault(key) {
            Some(message) => faults.push(Fault::invalid(field, message).cause()),
            None if user.keys[..index].contains(key) => {
                faults.push(Fault::duplicate(field, "a key").cause());
            }
            None => {}
        }
    }
    if let Some(secret) = &user.password_secret {
        secret_key("spec.user.passwordSecret", secret, faults);
    }
}

fn variables(env: &[EnvVar], faults: &mut Vec<Cause>) {
    if env.len() > MAX_ENV_VARS {
        faults.push(Fault::too_long("spec.env", env.len(), MAX_ENV_VARS, "variables").cause());
    }
    let bytes = env.iter().map(|v| v.name.len() + v.value.as_deref().map_or(0, str::len)).sum();
    if bytes > MAX_ENV_BYTES {
        faults.push(Fault::too_long("spec.env", bytes, MAX_ENV_BYTES, "bytes").cause());
    }
    for (index, variable) in env.iter().enumerate() {
        let field = format!("spec.env[{index}]");
        let name = &variable.name;
        if name.len() > MAX_ENV_NAME || !is_variable_name(name) {
            let expected = "letters, digits and '_', and does not begin with a digit";
            faults.push(Fault::wrong(format!("{field}.name"), text(name), expected).cause());
        }
        if env[..index].iter().any(|earlier| earlier.name == *name) {
            faults.push(Fault::duplicate(format!("{field}.name"), text(name)).cause());
        }
        value(&field, variable, faults);
    }
}

fn value(field: &str, variable: &EnvVar, faults: &mut Vec<Cause>) {
    match (&variable.value, &variable.value_from) {
        (Some(_), Some(_)) => {
            let message = "has both value and valueFrom; it is one of them";
            faults.push(Fault::invalid(field, message).cause());
        }
        (None, None) => {
            faults.push(Fault::required(format!("{field}.value"), "a text").cause());
        }
        _ => {}
    }
    if let Some(value) = &variable.value {
        let field = format!("{field}.value");
        if value.len() > MAX_ENV_VALUE_BYTES {
            let fault = Fault::too_long(&field, value.len(), MAX_ENV_VALUE_BYTES, "bytes");
            faults.push(fault.cause());
        }
        if value.contains('\0') {
            faults.push(Fault::invalid(&field, "has a NUL character").cause());
        }
    }
    if let Some(from) = &variable.value_from {
        secret_key(&format!("{field}.valueFrom.secretKeyRef"), &from.secret_key_ref, faults);
    }
}

fn secret_key(field: &str, secret: &SecretKeyRef, faults: &mut Vec<Cause>) {
    if !is_dns_subdomain(&secret.name) {
        let fault = Fault::wrong(format!("{field}.name"), text(&secret.name), "a Secret's name");
        faults.push(fault.cause());
    }
    if secret.key.is_empty() {
        faults.push(Fault::wrong(format!("{field}.key"), "\"\"", "a key of that Secret").cause());
    }
}

fn request_id(field: &str, id: &str, faults: &mut Vec<Cause>) {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    if id.is_empty() || id.len() > MAX_REQUEST_ID || !id.bytes().all(inner) {
        let expected = "1 to 64 letters, digits, '-', '_', '.' and ':'";
        faults.push(Fault::wrong(field, text(id), expected).cause());
    }
}

fn auto_approve(auto: &AutoApprove, faults: &mut Vec<Cause>) {
    const LIMIT: &str = "spec.autoApprove.maxMonthlyIncrease";
    match &auto.max_monthly_increase {
        Some(limit) => money(LIMIT, limit, faults),
        None if auto.classes.contains(&RiskClass::Money) => {
            // Without it one edit of a size could commit any amount unseen.
            let expected = "an amount when purchases are approved unseen";
            faults.push(Fault::required(LIMIT, expected).cause());
        }
        None => {}
    }
}

/// For kinds whose names are only labels in messages.
pub(super) fn label(field: &str, value: &str, faults: &mut Vec<Cause>) {
    if !is_dns_label(value) {
        faults.push(Fault::wrong(field, text(value), LABEL_RULE).cause());
    }
}
