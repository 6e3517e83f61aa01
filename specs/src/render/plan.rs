//! The plan: what the installer on the machine does, as data. What people write reaches it as JSON
//! and never as source, so there is nothing to break out of.
//!
//! ```json
//! {"version":1, "software":"python@3",
//!  "environment":{"DEVPOCKET_SHELL":"/bin/bash", "DEVPOCKET_PARAMETER_NODE_VERSION":"lts"},
//!  "steps":[{"name":"docker", "percent":31, "user":"root", "tries":3, "timeout":600,
//!            "optional":false, "script":"docker", "arguments":[]}],
//!  "checks":[{"tool":"node", "run":["node","--version"]}]}
//! ```
//! A step has `script` (a file beside the plan, in `steps/`) with `arguments`, or `run`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::cloud_config::File;
use super::library::{DEFAULT_TIMEOUT, DEFAULT_TRIES, DEFAULT_WEIGHT, shipped_step};
use super::{PARAMETER_PREFIX, RenderError, RenderInput, parameter_variable, shell};
use crate::template::{StepUser, TemplateStep, ToolCheck};

/// Where the steps' files are.
const STEPS_FOLDER: &str = "/usr/local/lib/devpocket/steps/";

/// Percent when the first step begins, and when the last one ends but for telling so.
const FROM: u32 = 2;
const TO: u32 = 99;

/// The port of sshd.
const SSH_PORT: u16 = 22;

#[derive(Serialize)]
struct Plan<'a> {
    version: u32,
    software: String,
    environment: BTreeMap<String, String>,
    steps: Vec<Step<'a>>,
    checks: &'a [ToolCheck],
}

#[derive(Serialize)]
struct Step<'a> {
    name: &'a str,
    percent: u32,
    user: StepUser,
    tries: u32,
    timeout: u32,
    optional: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a [String]>,
    #[serde(skip)]
    weight: u32,
}

/// The plan as JSON, and the files its steps need.
pub(super) fn plan(input: &RenderInput) -> Result<(String, Vec<File>), RenderError> {
    let own = all_steps(input);
    let mut files: BTreeMap<String, File> = BTreeMap::new();
    let mut steps = own.iter().map(|s| step(s, &mut files)).collect::<Result<Vec<_>, _>>()?;
    let mut names = BTreeSet::new();
    if let Some(twice) = own.iter().find(|step| !names.insert(step.title())) {
        return Err(RenderError::StepTwice { step: twice.title().to_owned() });
    }
    percentages(&mut steps);
    let plan = Plan {
        version: 1,
        software: input.software(),
        environment: environment(input)?,
        steps,
        checks: &input.checks,
    };
    let json = serde_json::to_string(&plan).map_err(|e| RenderError::Yaml(e.to_string()))?;
    Ok((format!("{json}\n"), files.into_values().collect()))
}

/// What every machine gets, then what the template asks for.
fn all_steps(input: &RenderInput) -> Vec<TemplateStep> {
    let shipped = |name: &str, arguments: &[String]| TemplateStep {
        shipped: Some(name.to_owned()),
        arguments: arguments.to_vec(),
        ..TemplateStep::default()
    };
    let mut steps = vec![shipped("clock", &[])];
    if !input.packages.is_empty() {
        steps.push(shipped("packages", &input.packages));
    }
    steps.extend(["user", "firewall", "security-updates"].map(|name| shipped(name, &[])));
    steps.extend(input.steps.iter().cloned());
    steps
}

fn step<'a>(
    step: &'a TemplateStep,
    files: &mut BTreeMap<String, File>,
) -> Result<Step<'a>, RenderError> {
    let title = step.title();
    let wrong = |found: &str| RenderError::Step { step: title.to_owned(), found: found.to_owned() };
    if !is_label(title) {
        return Err(wrong("its name is not a DNS label"));
    }
    let nul = step.run.iter().chain(&step.arguments).chain(&step.script).any(|t| t.contains('\0'));
    if nul {
        return Err(RenderError::Nul { place: format!("step {title}") });
    }
    let mut made = Step {
        name: title,
        percent: 0,
        user: step.user.unwrap_or(StepUser::Root),
        tries: step.tries.unwrap_or(DEFAULT_TRIES).max(1),
        timeout: step.timeout_seconds.unwrap_or(DEFAULT_TIMEOUT).max(1),
        optional: step.optional,
        run: None,
        script: None,
        arguments: None,
        weight: DEFAULT_WEIGHT,
    };
    match (&step.shipped, &step.script, step.run.first()) {
        (Some(name), None, None) => {
            let shipped = shipped_step(name).ok_or_else(|| wrong("it uses no step there is"))?;
            made.user = step.user.unwrap_or(shipped.user);
            made.weight = shipped.weight;
            made.script = Some(shipped.name.to_owned());
            made.arguments = Some(&step.arguments);
            let path = format!("{STEPS_FOLDER}{}", shipped.name);
            files.entry(path.clone()).or_insert_with(|| File::packed(path, "0644", shipped.source));
        }
        (None, Some(script), None) => {
            // Apart from shipped ones, which may bear the same name.
            let name = format!("own-{title}");
            let path = format!("{STEPS_FOLDER}{name}");
            files.insert(path.clone(), File::packed(path, "0644", script));
            made.script = Some(name);
            made.arguments = Some(&step.arguments);
        }
        (None, None, Some(program)) => {
            // `env` would take these for an option or for a variable.
            if program.is_empty() || program.starts_with('-') || program.contains('=') {
                let (step, found) = (title.to_owned(), program.clone());
                return Err(RenderError::Program { step, found });
            }
            made.run = Some(&step.run);
        }
        _ => return Err(wrong("it has not exactly one of use, run and script")),
    }
    Ok(made)
}

/// When each step begins, by what the ones before count for.
fn percentages(steps: &mut [Step<'_>]) {
    let all: u32 = steps.iter().map(|step| step.weight).sum::<u32>().max(1);
    let mut before = 0;
    for step in steps {
        step.percent = FROM + (TO - FROM) * before / all;
        before += step.weight;
    }
}

/// A parameter reaches the steps as a variable: a text as it is, other values as JSON.
fn environment(input: &RenderInput) -> Result<BTreeMap<String, String>, RenderError> {
    let mut variables = BTreeMap::new();
    for (name, value) in input.template.iter().flat_map(|t| &t.parameters) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if text.contains('\0') {
            return Err(RenderError::Nul { place: format!("parameter {name}") });
        }
        let variable = parameter_variable(name)
            .filter(|variable| !variables.contains_key(variable))
            .ok_or_else(|| RenderError::ParameterName { name: name.clone() })?;
        variables.insert(variable, text);
    }
    debug_assert!(variables.keys().all(|name| name.starts_with(PARAMETER_PREFIX)));
    let ports: BTreeSet<u16> = std::iter::once(SSH_PORT).chain(input.ports.clone()).collect();
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    variables.insert("DEVPOCKET_PORTS".to_owned(), ports.join(" "));
    variables.insert("DEVPOCKET_SHELL".to_owned(), shell(input)?);
    Ok(variables)
}

fn is_label(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(inner) && !name.starts_with('-')
}

/// The steps of a machine's plan, from the user-data it was given: name, percent when it begins and
/// whether it may fail. For who stands in for a machine.
#[must_use]
pub fn planned_steps(plan: &str) -> Option<Vec<PlannedStep>> {
    let plan: Value = serde_json::from_str(plan).ok()?;
    let steps = plan["steps"].as_array()?.iter().map(|step| {
        Some(PlannedStep {
            name: step["name"].as_str()?.to_owned(),
            percent: u8::try_from(step["percent"].as_u64()?).ok()?,
        })
    });
    steps.collect()
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    pub name: String,
    pub percent: u8,
}
