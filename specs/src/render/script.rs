//! The files on the machine: the install script, the variables, what it was made for.
//!
//! All text from outside goes through [`shell_quote`] or is JSON; nothing is put into source as it
//! is.

use serde::Serialize;
use serde_json::{Value, json};

use super::quote::{is_variable_name, shell_quote};
use super::{
    INSTALL_LOG_PATH, PROGRESS_PATH, RenderError, RenderInput, Step, TemplateUse, USER, Variable,
};

/// Progress in percent when the user exists, and when the steps of the template begin and end.
const USER_PERCENT: u32 = 10;
const STEPS_FROM: u32 = 20;
const STEPS_TO: u32 = 95;

/// What every install script begins with. `report` replaces the progress file as a whole, so that
/// a reader never sees half of one; `step` stops at the first step that fails, and says which.
const HEAD: &str = r#"#!/bin/sh
# Made by DevPocket. Runs once, as root, at the end of the first boot.
set -u
umask 022
exec >>"$LOG" 2>&1 </dev/null
report() {
  printf '%s,"at":"%s"}\n' "$1" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$PROGRESS.new" &&
    mv -f "$PROGRESS.new" "$PROGRESS"
}
step() {
  doing=$1 failed=$2
  shift 2
  printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$doing}"
  report "$doing"
  "$@" && return 0
  printf 'devpocket: this step failed with exit code %s\n' "$?"
  report "$failed"
  exit 1
}
packages() {
  if command -v apt-get >/dev/null; then
    set -- -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 install -y -- "$@"
    apt-get -o Acquire::Retries=3 update && apt-get "$@"
  elif command -v dnf >/dev/null; then
    dnf install -y -- "$@"
  else
    zypper --non-interactive install -- "$@"
  fi
}
export DEBIAN_FRONTEND=noninteractive HOME=/root
"#;

#[derive(Serialize)]
struct Progress<'a> {
    step: &'a str,
    /// `running`, `failed` or `done`.
    state: &'a str,
    percent: u32,
}

/// The progress file as it is before the script runs.
pub(super) fn first_progress() -> String {
    format!("{},\"at\":null}}\n", open("start", "running", 0))
}

/// The install script.
pub(super) fn install(input: &RenderInput) -> Result<String, RenderError> {
    let mut script = String::new();
    let (first, rest) = HEAD.split_once('\n').unwrap_or((HEAD, ""));
    script.push_str(&format!("{first}\n"));
    script.push_str(&format!("LOG={}\n", quote(INSTALL_LOG_PATH, "the log's path")?));
    script.push_str(&format!("PROGRESS={}\n", quote(PROGRESS_PATH, "the progress file's path")?));
    script.push_str(rest);
    for (name, value) in input.template.iter().flat_map(|t| &t.parameters) {
        script.push_str(&parameter(name, value)?);
    }
    script.push_str(&step("user", USER_PERCENT, &["id", "-u", USER])?);
    let packages = (!input.packages.is_empty()).then(|| {
        let words = std::iter::once("packages").chain(input.packages.iter().map(String::as_str));
        ("packages", words.collect::<Vec<_>>())
    });
    // `env` runs programs only: a word like `exit` or `packages` would be the script's own.
    let steps = input.steps.iter().map(|Step { name, run }| {
        let words = ["env", "--"].into_iter().chain(run.iter().map(String::as_str));
        (name.as_str(), words.collect::<Vec<_>>())
    });
    let all: Vec<_> = packages.into_iter().chain(steps).collect();
    let count = u32::try_from(all.len()).unwrap_or(u32::MAX).max(1);
    for (index, (name, words)) in (0..).zip(&all) {
        let percent = STEPS_FROM + (STEPS_TO - STEPS_FROM) * index / count;
        script.push_str(&step(name, percent, words)?);
    }
    let done = quote(&open("done", "done", 100), "the last step")?;
    script.push_str(&format!("report {done}\n"));
    Ok(script)
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
                let value = quote(value, &format!("variable {name}"))?;
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

/// A parameter reaches the steps as a variable: a text as it is, other values as JSON.
fn parameter(name: &str, value: &Value) -> Result<String, RenderError> {
    let variable = parameter_variable(name)
        .ok_or_else(|| RenderError::ParameterName { name: name.to_owned() })?;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Ok(format!("export {variable}={}\n", quote(&text, &format!("parameter {name}"))?))
}

/// The variable in which the steps of a template find a parameter: `node-version` is in
/// `DEVPOCKET_PARAMETER_NODE_VERSION`. `None` for names that make no variable.
#[must_use]
pub fn parameter_variable(name: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase().replace('-', "_");
    is_variable_name(&upper).then(|| format!("DEVPOCKET_PARAMETER_{upper}"))
}

fn step(name: &str, percent: u32, words: &[&str]) -> Result<String, RenderError> {
    let what = format!("step {name}");
    let mut line = format!(
        "step {} {}",
        quote(&open(name, "running", percent), &what)?,
        quote(&open(name, "failed", percent), &what)?
    );
    for word in words {
        line.push(' ');
        line.push_str(&quote(word, &what)?);
    }
    line.push('\n');
    Ok(line)
}

/// A progress object without its end: the script adds the time and the brace.
fn open(step: &str, state: &str, percent: u32) -> String {
    let progress = Progress { step, state, percent };
    let mut json =
        serde_json::to_string(&progress).expect("two texts and a number are always JSON");
    json.pop();
    json
}

fn quote(text: &str, place: &str) -> Result<String, RenderError> {
    shell_quote(text).ok_or_else(|| RenderError::Nul { place: place.to_owned() })
}
