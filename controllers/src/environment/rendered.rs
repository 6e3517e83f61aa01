//! The user-data a machine of an environment gets, with its digest. The order, the reinstall and
//! whoever sends them render through here, so that the digest decided on is the one sent.

use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::environment::Environment;
use devpocket_specs::machine::TemplateVersion;
use devpocket_specs::plan::{Hold, StandstillKind, hex};
use devpocket_specs::template::Template;
use sha2::{Digest, Sha256};

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
    let user_data = text(environment, template);
    let digest = hex(&Sha256::digest(user_data.as_bytes()));
    let template = template.map(|t| TemplateVersion {
        name: t.metadata.name.clone(),
        generation: t.metadata.generation,
    });
    Ok(Rendered { user_data, digest, image, template })
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

fn text(environment: &Environment, template: Option<&Template>) -> String {
    let shell = environment.spec.user.shell.as_deref().unwrap_or("/bin/bash");
    let packages = template.map(|t| t.spec.packages.join(", ")).unwrap_or_default();
    format!("#cloud-config\nusers:\n- name: dev\n  shell: {shell}\npackages: [{packages}]\n")
}
