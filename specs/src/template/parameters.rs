//! Parameters: what a template declares, what an environment sets, and what comes of it.
//!
//! The same function judges at admission, where it refuses with the field's name, and before
//! rendering, where it holds: a template can be edited in between.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Parameter, ParameterType, Template, TemplateSpec, version_for};
use crate::environment::{Environment, EnvironmentSpec, SecretKeyRef};
use crate::schema::nearest_name;
use crate::status::Cause;
use crate::validation::{Fault, one_of, quote};

/// The longest value of a text parameter, in bytes. It is part of user-data.
const MAX_VALUE_BYTES: usize = 1024;

/// The values a template is rendered with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resolved {
    /// Values by name, defaults included.
    pub plain: BTreeMap<String, Value>,
    /// Where secret ones come from. They are delivered over SSH and never rendered.
    pub secret: BTreeMap<String, SecretKeyRef>,
}

/// The environment's parameters over the template's defaults.
///
/// # Errors
/// Every fault, each with its field (`spec.parameters.node-version`).
pub fn resolve(environment: &Environment, template: &TemplateSpec) -> Result<Resolved, Vec<Cause>> {
    let faults = parameter_faults(environment, template);
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut resolved = Resolved::default();
    for (name, parameter) in &template.parameters {
        let value = environment.spec.parameters.get(name).or(parameter.default.as_ref());
        match value {
            Some(value) if parameter.secret => {
                resolved.secret.extend(reference(value).map(|secret| (name.clone(), secret)));
            }
            Some(value) => {
                resolved.plain.insert(name.clone(), value.clone());
            }
            None => {}
        }
    }
    Ok(resolved)
}

/// The parameters an environment gives as references to Secrets. Only those that the template says
/// are secret can be given so.
pub fn secret_parameters(
    spec: &EnvironmentSpec,
) -> impl Iterator<Item = (&str, SecretKeyRef)> + '_ {
    spec.parameters.iter().filter_map(|(name, value)| Some((name.as_str(), reference(value)?)))
}

/// What is wrong with how an environment uses its template: the version, the parameters, and
/// whether it may still be used by something new.
#[must_use]
pub fn usage_faults(
    environment: &Environment,
    template: Option<&Template>,
    is_new: bool,
) -> Vec<Cause> {
    const FIELD: &str = "spec.template";
    let Some(template) = template else {
        let set = !environment.spec.parameters.is_empty() && environment.spec.template.is_none();
        let message = "are for a template, and spec.template names none";
        return set
            .then(|| Fault::invalid("spec.parameters", message).cause())
            .into_iter()
            .collect();
    };
    if is_new && template.spec.deprecated {
        let message = format!("is {:?}, which is not to be used any more", template.metadata.name);
        return vec![Fault::invalid(FIELD, message).cause()];
    }
    match version_for(environment, template) {
        Ok((_, version)) => parameter_faults(environment, version),
        Err(error) => {
            let text = environment.spec.template.as_deref().unwrap_or_default();
            vec![Fault::invalid(FIELD, format!("is {text:?}; {error}")).cause()]
        }
    }
}

/// What is wrong with the parameters of an environment, as this version of its template has them.
#[must_use]
pub fn parameter_faults(environment: &Environment, template: &TemplateSpec) -> Vec<Cause> {
    let mut faults = Vec::new();
    for (name, value) in &environment.spec.parameters {
        let field = format!("spec.parameters.{name}");
        let Some(parameter) = template.parameters.get(name) else {
            faults.push(unknown(&field, name, template));
            continue;
        };
        if parameter.secret {
            if reference(value).is_none() {
                // The value is not shown: it is likely to be the secret itself.
                let message = "is secret, and is given as {secretKeyRef: {name, key}}; a value here \
                               would be readable on the machine and at the provider";
                faults.push(Fault::forbidden(field, message).cause());
            }
        } else if let Some(fault) = value_fault(&field, value, parameter) {
            faults.push(fault);
        }
    }
    for (name, parameter) in &template.parameters {
        let missing = parameter.default.is_none() && !parameter.secret;
        if missing && !environment.spec.parameters.contains_key(name) {
            let field = format!("spec.parameters.{name}");
            faults.push(Fault::required(field, &expected(parameter)).cause());
        }
    }
    faults
}

fn unknown(field: &str, name: &str, template: &TemplateSpec) -> Cause {
    let names: Vec<&str> = template.parameters.keys().map(String::as_str).collect();
    let there = match names.is_empty() {
        true => "the template has no parameters".to_owned(),
        false => format!("the template has {}", one_of(&names).replace(" or ", " and ")),
    };
    let fault = Fault::not_supported(field, format!("is no parameter of the template; {there}"));
    fault.nearest(nearest_name(name, names.into_iter())).cause()
}

/// What is wrong with a value, or with a default.
pub(crate) fn value_fault(field: &str, value: &Value, parameter: &Parameter) -> Option<Cause> {
    let fits = match (parameter.r#type, value) {
        (ParameterType::String, Value::String(_)) | (ParameterType::Boolean, Value::Bool(_)) => {
            true
        }
        (ParameterType::Integer, Value::Number(number)) => number.is_i64(),
        _ => false,
    };
    let wrong = |expected: &str| Some(Fault::wrong(field, quote("", value), expected).cause());
    if !fits {
        let fault = Fault::wrong_type(field, quote("", value), &expected(parameter));
        return Some(fault.cause());
    }
    if !parameter.allowed.is_empty() && !parameter.allowed.contains(value) {
        return wrong(&expected(parameter));
    }
    if let Value::String(text) = value {
        if text.len() > MAX_VALUE_BYTES {
            return Some(Fault::too_long(field, text.len(), MAX_VALUE_BYTES, "bytes").cause());
        }
        if text.chars().any(char::is_control) {
            return Some(Fault::invalid(field, "has a control character; it is one line").cause());
        }
        if let Some(pattern) = &parameter.pattern
            && !matches(pattern, text).unwrap_or(false)
        {
            return wrong(&expected(parameter));
        }
    }
    let number = value.as_i64().unwrap_or_default();
    let below = parameter.minimum.is_some_and(|minimum| number < minimum);
    let above = parameter.maximum.is_some_and(|maximum| number > maximum);
    if parameter.r#type == ParameterType::Integer && (below || above) {
        return wrong(&expected(parameter));
    }
    None
}

/// What a value of it is, in words.
fn expected(parameter: &Parameter) -> String {
    if !parameter.allowed.is_empty() {
        let names: Vec<String> = parameter.allowed.iter().map(|v| quote("", v)).collect();
        return one_of(&names);
    }
    match (parameter.r#type, &parameter.pattern, parameter.minimum, parameter.maximum) {
        (ParameterType::Boolean, ..) => "true or false".to_owned(),
        (ParameterType::Integer, _, Some(low), Some(high)) => {
            format!("a number from {low} to {high}")
        }
        (ParameterType::Integer, _, Some(low), None) => format!("a number of at least {low}"),
        (ParameterType::Integer, _, None, Some(high)) => format!("a number of at most {high}"),
        (ParameterType::Integer, ..) => "a whole number".to_owned(),
        (ParameterType::String, Some(pattern), ..) => format!("a text that fits {pattern}"),
        (ParameterType::String, ..) => "a text".to_owned(),
    }
}

fn reference(value: &Value) -> Option<SecretKeyRef> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    serde_json::from_value(members.get("secretKeyRef")?.clone()).ok()
}

/// Whether the whole of `text` matches.
pub(crate) fn matches(pattern: &str, text: &str) -> Result<bool, regex::Error> {
    let whole =
        regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(64 * 1024).build()?;
    Ok(whole.is_match(text))
}
