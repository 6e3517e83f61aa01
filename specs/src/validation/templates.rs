//! Rules for templates: what they install is run as root.

use super::environment::{MAX_TEXT, display_name, label, parameters};
use super::fault::{Fault, one_of};
use super::place;
use super::quote::text;
use crate::admit::Context;
use crate::render::{
    LIBRARY, MAX_USER_DATA_BYTES, RenderInput, TemplateUse, parameter_variable, render,
    shipped_step,
};
use crate::schema::nearest_name;
use crate::status::Cause;
use crate::template::{Parameter, ParameterType, Template, TemplateStep, matches, value_fault};

/// Most packages of a template.
pub const MAX_PACKAGES: usize = 500;
/// Most steps of a template.
pub const MAX_STEPS: usize = 100;
/// Most checks and open ports of a template.
pub const MAX_CHECKS: usize = 100;
/// Most tries of a step.
pub const MAX_TRIES: u32 = 10;
/// Longest time one try of a step may have, in seconds.
pub const MAX_STEP_SECONDS: u32 = 3_600;

pub(super) fn check(template: &Template, context: &Context<'_>) -> Vec<Cause> {
    let mut faults = Vec::new();
    let spec = &template.spec;
    display_name(spec.display_name.as_deref(), &mut faults);
    let length = spec.description.as_deref().map_or(0, |text| text.chars().count());
    if length > MAX_TEXT {
        faults.push(Fault::too_long("spec.description", length, MAX_TEXT, "characters").cause());
    }
    if let Some(image) = spec.image.as_deref().filter(|i| context.catalogue.image(i).is_none()) {
        faults.push(place::unknown_image(image, context.catalogue));
    }
    parameters(spec.parameters.keys(), &mut faults);
    for (name, parameter) in &spec.parameters {
        declared(&format!("spec.parameters.{name}"), parameter, &mut faults);
    }
    packages(&spec.packages, &mut faults);
    steps(template, &mut faults);
    checks(template, &mut faults);
    if faults.is_empty() {
        faults.extend(renders(template));
    }
    faults
}

/// A parameter as it is declared.
fn declared(field: &str, parameter: &Parameter, faults: &mut Vec<Cause>) {
    let mut wrong = |member: &str, message: &str| {
        faults.push(Fault::invalid(format!("{field}.{member}"), message).cause());
    };
    if let Some(pattern) = &parameter.pattern
        && let Err(error) = matches(pattern, "")
    {
        let lines = error.to_string();
        let last = lines.lines().last().unwrap_or_default();
        wrong(
            "pattern",
            &format!("is no regular expression: {}", last.trim_start_matches("error: ")),
        );
    }
    if parameter.pattern.is_some() && parameter.r#type != ParameterType::String {
        wrong("pattern", "is for parameters of type string");
    }
    let bounded = parameter.minimum.is_some() || parameter.maximum.is_some();
    if bounded && parameter.r#type != ParameterType::Integer {
        wrong("minimum", "and maximum are for parameters of type integer");
    }
    if parameter.secret && (parameter.default.is_some() || !parameter.allowed.is_empty()) {
        wrong(
            "secret",
            "is set, so it has no default and no allowed values: a template is no secret",
        );
    }
    let plain = Parameter { allowed: Vec::new(), ..parameter.clone() };
    for (index, value) in parameter.allowed.iter().enumerate() {
        faults.extend(value_fault(&format!("{field}.allowed[{index}]"), value, &plain));
    }
    if let Some(default) = &parameter.default {
        faults.extend(value_fault(&format!("{field}.default"), default, parameter));
    }
}

fn packages(packages: &[String], faults: &mut Vec<Cause>) {
    if packages.len() > MAX_PACKAGES {
        let fault = Fault::too_long("spec.packages", packages.len(), MAX_PACKAGES, "packages");
        faults.push(fault.cause());
    }
    // Debian's rule for names, with the `=version` and `:arch` that apt takes.
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"+-.:=~_".contains(&b);
    let fits = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.bytes().all(inner)
    };
    for (index, name) in packages.iter().enumerate().filter(|(_, name)| !fits(name)) {
        let field = format!("spec.packages[{index}]");
        faults.push(Fault::wrong(field, text(name), "the name of a Debian package").cause());
    }
}

fn steps(template: &Template, faults: &mut Vec<Cause>) {
    let steps = &template.spec.steps;
    if steps.len() > MAX_STEPS {
        faults.push(Fault::too_long("spec.steps", steps.len(), MAX_STEPS, "steps").cause());
    }
    for (index, step) in steps.iter().enumerate() {
        let field = format!("spec.steps[{index}]");
        label(&format!("{field}.name"), step.title(), faults);
        // The first steps are the same on every machine, under these names.
        let taken = LIBRARY[..5].iter().any(|shipped| shipped.name == step.title());
        if taken || steps[..index].iter().any(|earlier| earlier.title() == step.title()) {
            faults.push(Fault::duplicate(format!("{field}.name"), text(step.title())).cause());
        }
        action(&field, step, template, faults);
        let mut range = |member: &str, value: Option<u32>, most: u32| {
            if value.is_some_and(|value| !(1..=most).contains(&value)) {
                let expected = format!("a number from 1 to {most}");
                let value = value.unwrap_or_default();
                faults.push(Fault::wrong(format!("{field}.{member}"), value, &expected).cause());
            }
        };
        range("tries", step.tries, MAX_TRIES);
        range("timeoutSeconds", step.timeout_seconds, MAX_STEP_SECONDS);
    }
}

/// Exactly one of `use`, `run` and `script`, and that one right.
fn action(field: &str, step: &TemplateStep, template: &Template, faults: &mut Vec<Cause>) {
    let given = [step.shipped.is_some(), !step.run.is_empty(), step.script.is_some()];
    if given.iter().filter(|given| **given).count() != 1 {
        let message = "has not exactly one of use, run and script, which say what it does";
        return faults.push(Fault::invalid(field, message).cause());
    }
    let texts = step.run.iter().chain(&step.arguments).chain(&step.script);
    if texts.into_iter().any(|text| text.contains('\0')) {
        faults.push(Fault::invalid(field, "has a NUL character").cause());
    }
    if let Some(name) = &step.shipped {
        return shipped(&format!("{field}.use"), name, template, faults);
    }
    if let Some(program) = step.run.first() {
        if !step.arguments.is_empty() {
            let message = "are for use and script; the arguments of run stand in run";
            faults.push(Fault::invalid(format!("{field}.arguments"), message).cause());
        }
        // It is run through `env`, which would take these for an option or a variable.
        if program.is_empty() || program.starts_with('-') || program.contains('=') {
            let message = "does not begin with a program; it is a program and its arguments";
            faults.push(Fault::invalid(format!("{field}.run"), message).cause());
        }
    }
}

fn shipped(field: &str, name: &str, template: &Template, faults: &mut Vec<Cause>) {
    let Some(step) = shipped_step(name) else {
        let names: Vec<&str> = LIBRARY[5..].iter().map(|step| step.name).collect();
        let expected = format!("one of the steps that come with DevPocket: {}", one_of(&names));
        let nearest = nearest_name(name, names.into_iter());
        return faults.push(Fault::wrong(field, text(name), &expected).nearest(nearest).cause());
    };
    let missing = |parameter: &&&str| !template.spec.parameters.contains_key(**parameter);
    for parameter in step.parameters.iter().filter(missing) {
        let message =
            format!("is {name}, which reads the parameter {parameter}; the template declares it");
        faults.push(Fault::invalid(field, message).cause());
    }
}

fn checks(template: &Template, faults: &mut Vec<Cause>) {
    let spec = &template.spec;
    for (field, count) in [("spec.checks", spec.checks.len()), ("spec.ports", spec.ports.len())] {
        if count > MAX_CHECKS {
            faults.push(Fault::too_long(field, count, MAX_CHECKS, "entries").cause());
        }
    }
    for (index, port) in spec.ports.iter().enumerate().filter(|(_, port)| **port == 0) {
        let field = format!("spec.ports[{index}]");
        faults.push(Fault::wrong(field, port, "a number from 1 to 65535").cause());
    }
    for (index, check) in spec.checks.iter().enumerate() {
        let field = format!("spec.checks[{index}]");
        let inner = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
        let tool = &check.tool;
        if tool.is_empty() || tool.len() > 63 || !tool.bytes().all(inner) {
            let expected = "1 to 63 letters, digits, '-', '_' and '.'";
            faults.push(Fault::wrong(format!("{field}.tool"), text(tool), expected).cause());
        }
        if spec.checks[..index].iter().any(|earlier| earlier.tool == *tool) {
            faults.push(Fault::duplicate(format!("{field}.tool"), text(tool)).cause());
        }
        if check.run.first().is_none_or(|program| program.is_empty()) {
            let message = "does not begin with a program; it is a program and its arguments";
            faults.push(Fault::invalid(format!("{field}.run"), message).cause());
        }
        if check.run.iter().any(|word| word.contains('\0')) {
            faults.push(Fault::invalid(format!("{field}.run"), "has a NUL character").cause());
        }
    }
}

/// A template that cannot be rendered with its own defaults can be used by nobody.
fn renders(template: &Template) -> Option<Cause> {
    let spec = &template.spec;
    let mut variables: Vec<_> =
        spec.parameters.keys().filter_map(|p| parameter_variable(p)).collect();
    variables.sort_unstable();
    if variables.windows(2).any(|pair| pair[0] == pair[1]) {
        let message = "has two names that differ only in case, '-' and '_', and are one variable";
        return Some(Fault::invalid("spec.parameters", message).cause());
    }
    let defaults =
        spec.parameters.iter().filter_map(|(name, p)| Some((name.clone(), p.default.clone()?)));
    let input = RenderInput {
        namespace: "n".into(),
        name: "n".into(),
        template: Some(TemplateUse {
            name: template.metadata.name.clone(),
            version: template.metadata.generation.to_string(),
            parameters: defaults.collect(),
        }),
        packages: spec.packages.clone(),
        steps: spec.steps.clone(),
        ports: spec.ports.clone(),
        checks: spec.checks.clone(),
        ..RenderInput::default()
    };
    let error = render(&input).err()?;
    let message = format!(
        "cannot be rendered: {error}. All of it, with what an environment adds, is at most \
         {MAX_USER_DATA_BYTES} bytes"
    );
    Some(Fault::invalid("spec", message).cause())
}
