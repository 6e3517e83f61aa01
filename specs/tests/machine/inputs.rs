//! What is rendered: shipped templates and single steps, with their sources on loopback.

use std::collections::BTreeMap;

use devpocket_specs::render::{RenderInput, TemplateUse};
use devpocket_specs::template::{TemplateSpec, TemplateStep, shipped, shipped_template};
use serde_json::{Value, json};

use super::mirror::Mirror;

pub fn plain() -> RenderInput {
    RenderInput {
        namespace: "team-a".into(),
        name: "api".into(),
        image: "ubuntu-24.04".into(),
        ..RenderInput::default()
    }
}

/// Every source of the shipped templates, as this server has it.
pub fn sources(mirror: &Mirror) -> BTreeMap<String, Value> {
    ["docker", "node", "nvm", "go"]
        .map(|name| (format!("{name}-source"), json!(mirror.url(name))))
        .into_iter()
        .chain([
            ("npm-source".to_owned(), json!(mirror.url("npm/"))),
            ("pypi-source".to_owned(), json!(mirror.url("pypi"))),
            ("rustup-source".to_owned(), json!(mirror.url("rust"))),
        ])
        .collect()
}

/// A shipped template with its defaults, and these parameters over them.
pub fn template(name: &str, parameters: BTreeMap<String, Value>) -> RenderInput {
    let spec = shipped_template(shipped(name).expect(name)).expect(name).spec;
    let mut values: BTreeMap<String, Value> =
        spec.parameters.iter().filter_map(|(n, p)| Some((n.clone(), p.default.clone()?))).collect();
    values.extend(parameters.into_iter().filter(|(name, _)| spec.parameters.contains_key(name)));
    of(name, spec, values)
}

fn of(name: &str, spec: TemplateSpec, parameters: BTreeMap<String, Value>) -> RenderInput {
    let (name, version) = (name.to_owned(), "1".to_owned());
    RenderInput {
        template: Some(TemplateUse { name, version, parameters }),
        packages: spec.packages,
        steps: spec.steps,
        ports: spec.ports,
        checks: spec.checks,
        ..plain()
    }
}

/// Only these steps, with every parameter there is.
pub fn steps(mirror: &Mirror, steps: Vec<TemplateStep>) -> RenderInput {
    let mut values = sources(mirror);
    for (name, value) in [
        ("node-version", "lts"),
        ("nvm-version", "0.40.6"),
        ("git-name", "Ada"),
        ("git-email", "ada@example.org"),
        ("go-version", "1.25.4"),
        ("rust-version", "stable"),
        ("web-port", "8080"),
    ] {
        values.insert(name.into(), json!(value));
    }
    let template = TemplateUse { name: "mine".into(), version: "1".into(), parameters: values };
    RenderInput { template: Some(template), steps, ..plain() }
}

pub fn uses(shipped: &str, arguments: &[&str]) -> TemplateStep {
    let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
    TemplateStep { shipped: Some(shipped.to_owned()), arguments, ..TemplateStep::default() }
}

pub fn script(name: &str, source: &str) -> TemplateStep {
    let (name, script) = (name.to_owned(), Some(source.to_owned()));
    TemplateStep { name, script, tries: Some(1), ..TemplateStep::default() }
}
