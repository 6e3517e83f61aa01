//! The files on the machine beside the installer's: the variables, what it was made for, the first
//! word of progress.

use serde_json::json;

use super::quote::{is_variable_name, shell_quote};
use super::{RenderError, RenderInput, TemplateUse, USER, Variable};
use crate::install::PROGRESS_VERSION;

/// The progress file as it is before the installer runs.
pub(super) fn first_progress(plan_digest: &str) -> String {
    let first = json!({
        "version": PROGRESS_VERSION, "plan": plan_digest, "state": "running", "step": "start",
        "index": 0, "percent": 0, "boots": 0, "done": [], "lines": [], "warnings": [],
        "startedAt": null, "updatedAt": null, "endedAt": null, "error": null,
    });
    format!("{first}\n")
}

/// Variables of the user, for its login shells. Secret ones are left out; who calls is told which.
pub(super) fn variables(input: &RenderInput) -> Result<(String, Vec<String>), RenderError> {
    let mut lines = String::new();
    let mut omitted = Vec::new();
    for (name, variable) in &input.variables {
        if !is_variable_name(name) {
            return Err(RenderError::VariableName { name: name.clone() });
        }
        match variable {
            Variable::Secret => omitted.push(name.clone()),
            Variable::Plain(value) => {
                let value = shell_quote(value)
                    .ok_or_else(|| RenderError::Nul { place: format!("variable {name}") })?;
                lines.push_str(&format!("export {name}={value}\n"));
            }
        }
    }
    if lines.is_empty() {
        lines.push_str(":\n");
    }
    let content = format!(
        "# Environment variables of {USER}, by DevPocket.\n\
         if [ \"$(id -un)\" = {USER} ]; then\n{lines}fi\n"
    );
    Ok((content, omitted))
}

/// What the machine was made for; for people and programs on it.
pub(super) fn facts(input: &RenderInput) -> String {
    let template = input.template.as_ref().map(|TemplateUse { name, version, parameters }| {
        json!({"name": name, "version": version, "parameters": parameters})
    });
    let facts = json!({
        "environment": {"namespace": input.namespace, "name": input.name},
        "image": input.image,
        "template": template,
    });
    format!("{facts}\n")
}
