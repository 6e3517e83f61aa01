//! The user-data a machine of an environment gets, with its digest. The order, the reinstall and
//! whoever sends them render through here, so that the digest decided on is the one sent.

use std::collections::BTreeMap;

use serde_json::Value;

use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::environment::{EnvVar, Environment};
use devpocket_specs::machine::TemplateVersion;
use devpocket_specs::plan::{Hold, StandstillKind};
use devpocket_specs::render::{self, HostKey, RenderInput, TemplateUse, Variable};
use devpocket_specs::template::{self, Resolved, Template, TemplateSpec};

use crate::guard::codes;

/// What user-data depends on beside the environment.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    pub catalogue: &'a Catalogue,
    /// The template the environment names, if it is there.
    pub template: Option<&'a Template>,
    /// Public key of the authority that signs the bridge's certificates, once there is one.
    pub user_ca: Option<&'a str>,
    /// The key the machine shows at first contact. It is made when the call is made; plans do
    /// without, and the digest does not count it.
    pub host_key: Option<&'a HostKey>,
}

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
    /// Its parameters, defaults included, without those that are secret.
    pub parameters: BTreeMap<String, Value>,
}

impl Rendered {
    /// What is installed, in two words: `python@3`, or the image's name.
    pub fn software(&self) -> String {
        software(self.template.as_ref(), &self.image)
    }
}

/// `python@3`, or the image's name.
pub fn software(template: Option<&TemplateVersion>, image: &str) -> String {
    match template {
        Some(template) => format!("{}@{}", template.name, template.generation),
        None => image.to_owned(),
    }
}

/// Renders an environment.
///
/// # Errors
/// A hold that says what is missing: the template, its version, a parameter, the image.
pub fn render(environment: &Environment, around: &Surroundings<'_>) -> Result<Rendered, Hold> {
    let version = named_version(environment, around.template)?;
    let spec = &environment.spec;
    let image = spec
        .image
        .clone()
        .or_else(|| version.and_then(|v| v.spec.image.clone()))
        .unwrap_or_else(|| around.catalogue.default_image().to_owned());
    if around.catalogue.image(&image).is_none() {
        return Err(held(codes::UNKNOWN_IMAGE, format!("\"{image}\" is not an image Contabo has")));
    }
    let mut input = input(environment, version, &image)?;
    input.user_ca = around.user_ca.map(str::to_owned);
    input.host_key = around.host_key.cloned();
    let rendered = render::render(&input).map_err(|e| held(codes::NOT_RENDERED, e.to_string()))?;
    Ok(Rendered {
        user_data: rendered.user_data,
        digest: rendered.digest,
        image,
        template: version.map(Version::record),
        parameters: input.template.map(|template| template.parameters).unwrap_or_default(),
    })
}

/// A version of a template.
#[derive(Clone, Copy)]
struct Version<'a> {
    name: &'a str,
    generation: i64,
    spec: &'a TemplateSpec,
}

impl Version<'_> {
    fn record(self) -> TemplateVersion {
        TemplateVersion { name: self.name.to_owned(), generation: self.generation }
    }
}

fn named_version<'a>(
    environment: &Environment,
    template: Option<&'a Template>,
) -> Result<Option<Version<'a>>, Hold> {
    let Some(named) = template::named(environment) else { return Ok(None) };
    let unknown = |message: String| held(codes::UNKNOWN_TEMPLATE, message);
    let Some(template) = template.filter(|t| t.metadata.name == named.name) else {
        return Err(unknown(format!("there is no template \"{}\"", named.name)));
    };
    let (generation, spec) =
        template::version_for(environment, template).map_err(|error| unknown(error.to_string()))?;
    Ok(Some(Version { name: &template.metadata.name, generation, spec }))
}

fn held(code: &str, message: String) -> Hold {
    crate::guard::hold(StandstillKind::Held, code, message)
}

fn input(
    environment: &Environment,
    version: Option<Version<'_>>,
    image: &str,
) -> Result<RenderInput, Hold> {
    let spec = &environment.spec;
    // A person's keys reach the machine itself only where that is asked for.
    let keys = if spec.user.direct_ssh { spec.user.keys.clone() } else { Vec::new() };
    let mut input = RenderInput {
        namespace: environment.metadata.namespace.clone(),
        name: environment.metadata.name.clone(),
        shell: spec.user.shell.clone().unwrap_or_default(),
        authorized_keys: keys,
        variables: spec.env.iter().map(variable).collect(),
        image: image.to_owned(),
        ..RenderInput::default()
    };
    if let Some(Version { name, generation, spec }) = version {
        let Resolved { plain, .. } = parameters(environment, spec)?;
        let version = generation.to_string();
        input.template = Some(TemplateUse { name: name.to_owned(), version, parameters: plain });
        input.packages.clone_from(&spec.packages);
        input.steps.clone_from(&spec.steps);
        input.ports.clone_from(&spec.ports);
        input.checks.clone_from(&spec.checks);
    }
    Ok(input)
}

/// Admission judged them too, but the template may have been edited in between.
fn parameters(environment: &Environment, template: &TemplateSpec) -> Result<Resolved, Hold> {
    template::resolve(environment, template).map_err(|faults| {
        let told = faults.first().map(|f| format!("{} {}", f.field, f.message)).unwrap_or_default();
        held(codes::NOT_RENDERED, told)
    })
}

fn variable(variable: &EnvVar) -> (String, Variable) {
    let value = match &variable.value_from {
        Some(_) => Variable::Secret,
        None => Variable::Plain(variable.value.clone().unwrap_or_default()),
    };
    (variable.name.clone(), value)
}
