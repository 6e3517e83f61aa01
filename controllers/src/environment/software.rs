//! What is on the disk, and how what is declared differs from it.
//!
//! Known is what was installed last: by the reinstall that happened, or by the order. The machine's
//! record keeps it (`spec.order`), because operations are forgotten after ninety days, and an
//! environment that takes a machine back has a status of its own.
//!
//! # Guarantees
//! Only image, template, version and parameters count. Shell, keys and variables are part of
//! user-data too, but a disk is never wiped for what can be changed in place; and a difference is
//! seen only where it is known for certain what was installed.

use std::collections::BTreeMap;

use devpocket_specs::environment::{Environment, RenderedTemplate};
use devpocket_specs::machine::TemplateVersion;
use devpocket_specs::operation::{Operation, Verb};
use devpocket_specs::template::{self, TemplateSpec};
use serde_json::Value;

use super::bound::Bound;
use super::draft::Draft;
use super::observed::happened;
use super::rendered::software;
use super::world::World;
use crate::operation::intent;

/// What a disk was installed from.
#[derive(Clone, Copy)]
struct Installed<'a> {
    image: &'a str,
    template: Option<&'a TemplateVersion>,
    parameters: Option<&'a BTreeMap<String, Value>>,
    digest: &'a str,
}

/// The last reinstall of this environment that happened.
fn reinstalled<'a>(world: &World<'_>, bound: &Bound<'a>) -> Option<&'a Operation> {
    let uid = world.environment.metadata.uid;
    let since = bound.machine.spec.claim.as_ref().map(|claim| claim.at);
    bound.operations.iter().copied().rev().find(|o| {
        o.spec.verb == Verb::Reinstall
            && o.spec.user_data_digest.is_some()
            && o.spec.environment.as_ref().map(|e| e.uid) == uid
            && since.is_none_or(|at| intent::is_created_since(&o.metadata, at))
            && happened(o)
    })
}

fn installed<'a>(world: &World<'_>, bound: &Bound<'a>) -> Option<Installed<'a>> {
    if let Some(Operation { spec, .. }) = reinstalled(world, bound) {
        return Some(Installed {
            image: spec.image.as_deref().unwrap_or_default(),
            template: spec.template.as_ref(),
            parameters: spec.parameters.as_ref(),
            digest: spec.user_data_digest.as_deref().unwrap_or_default(),
        });
    }
    let order = bound.machine.spec.order.as_ref()?;
    // A wiped machine still carries what its former environment ordered.
    let ours = Some(order.demand.environment_uid) == world.environment.metadata.uid;
    let written = ours || order.parameters.is_some();
    (bound.machine.spec.pool.is_none() && written).then_some(Installed {
        image: &order.image,
        template: order.template.as_ref(),
        parameters: order.parameters.as_ref(),
        digest: &order.user_data_digest,
    })
}

/// Writes what is installed into the status, and what a reinstall changed into the machine's record.
/// A pass without news copies nothing.
pub(super) fn tell(draft: &mut Draft<'_, '_>, bound: &Bound<'_>) {
    let world = draft.world;
    let known = world.environment.status.template.as_ref();
    let installed = installed(world, bound);
    let (name, generation, digest) = match (&installed, known) {
        (Some(installed), _) => {
            let template = installed.template;
            let name = template.map_or(installed.image, |t| t.name.as_str());
            (name, template.map_or(0, |t| t.generation), installed.digest)
        }
        (None, Some(known)) => (known.name.as_str(), known.generation, known.digest.as_str()),
        (None, None) => return,
    };
    let newer = world.template.filter(|template| template.metadata.name == name);
    let newer = newer.map(|template| template.metadata.generation);
    let newer = newer.filter(|current| *current > generation && generation > 0);
    let same = known.is_some_and(|known| {
        (known.name.as_str(), known.generation) == (name, generation)
            && (known.digest.as_str(), known.newer) == (digest, newer)
    });
    if !same {
        let (name, digest) = (name.to_owned(), digest.to_owned());
        let told = RenderedTemplate { name, generation, digest, newer };
        draft.status.to_mut().template = Some(told);
    }
    if let Some(installed) = installed {
        keep(draft, bound, installed);
    }
}

fn keep(draft: &mut Draft<'_, '_>, bound: &Bound<'_>, installed: Installed<'_>) {
    let Some(order) = &bound.machine.spec.order else { return };
    let kept = order.user_data_digest == installed.digest
        && order.image == installed.image
        && order.template.as_ref() == installed.template
        && order.parameters.as_ref() == installed.parameters;
    if kept || reinstalled(draft.world, bound).is_none() {
        return;
    }
    draft.edit(bound.machine, |spec| {
        if let Some(order) = &mut spec.order {
            order.user_data_digest = installed.digest.to_owned();
            order.image = installed.image.to_owned();
            order.template = installed.template.cloned();
            order.parameters = installed.parameters.cloned();
        }
    });
}

/// How what is declared differs from the disk, in words; nothing if it does not, or if it is not
/// known what is on it. Asked with every pass, so nothing is rendered for it.
pub(super) fn difference(world: &World<'_>, bound: &Bound<'_>) -> Option<String> {
    let installed = installed(world, bound)?;
    let parameters = installed.parameters?;
    let environment = world.environment;
    // Which version a name alone means is told by the status: before it is written, nothing is.
    environment.status.template.as_ref()?;
    let named = template::named(environment);
    let version = match (named, world.template) {
        (Some(_), Some(template)) => Some((
            template.metadata.name.as_str(),
            template::version_for(environment, template).ok()?,
        )),
        (Some(_), None) => return None,
        (None, _) => None,
    };
    let spec = version.map(|(_, (_, spec))| spec);
    let image = environment.spec.image.as_deref().or(spec.and_then(|s| s.image.as_deref()));
    let image = image.unwrap_or_else(|| world.catalogue.default_image());
    let new = || match version {
        Some((name, (generation, _))) => format!("{name}@{generation}"),
        None => image.to_owned(),
    };
    let same = match (installed.template, version) {
        (Some(old), Some((name, (generation, _)))) => {
            (old.name.as_str(), old.generation) == (name, generation)
        }
        (None, None) => true,
        _ => false,
    };
    if !same {
        let old = software(installed.template, installed.image);
        return Some(format!("wipe the disk and install {}, it has {old}", new()));
    }
    if installed.image != image {
        let old = installed.image;
        return Some(format!("wipe the disk and install {image}, it has {old}"));
    }
    let others = spec.map(|spec| other_parameters(environment, spec, parameters));
    let others = others.filter(|others| !others.is_empty())?;
    Some(format!("wipe the disk and install {} with another {}", new(), others.join(", ")))
}

/// Parameters whose value is another one than what was installed; secret ones are delivered.
fn other_parameters<'s>(
    environment: &Environment,
    spec: &'s TemplateSpec,
    installed: &BTreeMap<String, Value>,
) -> Vec<&'s str> {
    let plain = spec.parameters.iter().filter(|(_, parameter)| !parameter.secret);
    let other = plain.filter(|(name, parameter)| {
        let value = environment.spec.parameters.get(*name).or(parameter.default.as_ref());
        value != installed.get(*name)
    });
    other.map(|(name, _)| name.as_str()).collect()
}

/// Whether the declaration names something else than what is installed, as far as that can be told
/// without rendering it.
pub(super) fn names_another(world: &World<'_>) -> bool {
    let environment = world.environment;
    let Some(installed) = &environment.status.template else { return false };
    match template::named(environment) {
        None => installed.generation > 0,
        Some(named) => {
            named.name != installed.name
                || named.version.is_some_and(|v| v != installed.generation.to_string())
        }
    }
}
