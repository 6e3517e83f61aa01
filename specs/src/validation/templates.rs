//! Rules for templates: what they install ends up in a script that runs as root.

use super::environment::{MAX_TEXT, display_name, label, parameters};
use super::fault::Fault;
use super::place;
use super::quote::text;
use crate::admit::Context;
use crate::status::Cause;
use crate::template::Template;

/// Most packages of a template.
pub const MAX_PACKAGES: usize = 500;
/// Most steps of a template.
pub const MAX_STEPS: usize = 100;

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
    packages(&spec.packages, &mut faults);
    steps(template, &mut faults);
    faults
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
        label(&format!("{field}.name"), &step.name, faults);
        if steps[..index].iter().any(|earlier| earlier.name == step.name) {
            faults.push(Fault::duplicate(format!("{field}.name"), text(&step.name)).cause());
        }
        let run = format!("{field}.run");
        let program = step.run.first().map_or("", String::as_str);
        // The script runs it through `env`, which would take these for an option or a variable.
        if program.is_empty() || program.starts_with('-') || program.contains('=') {
            let message = "does not begin with a program; it is a program and its arguments";
            faults.push(Fault::invalid(run, message).cause());
        } else if step.run.iter().any(|argument| argument.contains('\0')) {
            faults.push(Fault::invalid(run, "has a NUL character").cause());
        }
    }
}
