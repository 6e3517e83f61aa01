//! The user-data a machine of an environment gets, with its digest. The order, the reinstall and
//! whoever sends them render through here, so that the digest decided on is the one sent.

use std::collections::BTreeMap;

use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::environment::{EnvVar, Environment};
use devpocket_specs::machine::TemplateVersion;
use devpocket_specs::plan::{Hold, StandstillKind};
use devpocket_specs::render::{self, RenderInput, TemplateUse, Variable};
use devpocket_specs::template::Template;

use super::world::template_name;
use crate::guard::codes;

/// User-data and what it was made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// cloud-init's text.
    pub user_data: String,
    /// SHA-256 of it, hex.
    pub digest: String,
    /// Name of the image it is for.
    pub image: String,
    /// The template, as it was.
    pub template: Option<TemplateVersion>,
}

/// Renders an environment. `template` is the one it names, if it is there.
pub fn render(
    environment: &Environment,
    template: Option<&Template>,
    catalogue: &Catalogue,
) -> Result<Rendered, Hold> {
    let template = named_template(environment, template)?;
    let spec = &environment.spec;
    let image = spec
        .image
        .clone()
        .or_else(|| template.and_then(|t| t.spec.image.clone()))
        .unwrap_or_else(|| catalogue.default_image().to_owned());
    if catalogue.image(&image).is_none() {
        return Err(held(codes::UNKNOWN_IMAGE, format!("\"{image}\" is not an image Contabo has")));
    }
    let input = input(environment, template, &image);
    let rendered = render::render(&input).map_err(|e| held(codes::NOT_RENDERED, e.to_string()))?;
    let template = template.map(|t| TemplateVersion {
        name: t.metadata.name.clone(),
        generation: t.metadata.generation,
    });
    Ok(Rendered { user_data: rendered.user_data, digest: rendered.digest, image, template })
}

fn named_template<'a>(
    environment: &Environment,
    template: Option<&'a Template>,
) -> Result<Option<&'a Template>, Hold> {
    let Some((name, version)) = template_name(environment) else { return Ok(None) };
    let Some(template) = template.filter(|t| t.metadata.name == name) else {
        return Err(held(codes::UNKNOWN_TEMPLATE, format!("there is no template \"{name}\"")));
    };
    let generation = template.metadata.generation;
    if version.is_some_and(|v| v != generation.to_string()) {
        let version = version.unwrap_or_default();
        return Err(held(
            codes::UNKNOWN_TEMPLATE,
            format!("template {name} is at version {generation}; version {version} is not kept"),
        ));
    }
    Ok(Some(template))
}

fn held(code: &str, message: String) -> Hold {
    crate::guard::hold(StandstillKind::Held, code, format!("Nothing was bought: {message}"))
}

fn input(environment: &Environment, template: Option<&Template>, image: &str) -> RenderInput {
    let spec = &environment.spec;
    // A person's keys reach the machine itself only where that is asked for.
    let keys = if spec.user.direct_ssh { spec.user.keys.clone() } else { Vec::new() };
    let step = |s: &devpocket_specs::template::TemplateStep| render::Step {
        name: s.name.clone(),
        run: s.run.clone(),
    };
    RenderInput {
        namespace: environment.metadata.namespace.clone(),
        name: environment.metadata.name.clone(),
        shell: spec.user.shell.clone().unwrap_or_default(),
        authorized_keys: keys,
        variables: spec.env.iter().map(variable).collect(),
        template: template.map(|t| template_use(environment, t)),
        image: image.to_owned(),
        packages: template.map(|t| t.spec.packages.clone()).unwrap_or_default(),
        steps: template.map(|t| t.spec.steps.iter().map(step).collect()).unwrap_or_default(),
    }
}

fn variable(variable: &EnvVar) -> (String, Variable) {
    let value = match &variable.value_from {
        Some(_) => Variable::Secret,
        None => Variable::Plain(variable.value.clone().unwrap_or_default()),
    };
    (variable.name.clone(), value)
}

/// The environment's parameters over the template's defaults.
fn template_use(environment: &Environment, template: &Template) -> TemplateUse {
    let mut parameters: BTreeMap<_, _> = template.spec.parameters.clone();
    parameters.extend(environment.spec.parameters.clone());
    TemplateUse {
        name: template.metadata.name.clone(),
        version: template.metadata.generation.to_string(),
        parameters,
    }
}
