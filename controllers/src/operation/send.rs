//! From an operation to the one call it stands for.

use std::sync::Arc;

use devpocket_specs::environment::Environment;
use devpocket_specs::installation::{self, Installation};
use devpocket_specs::kind::Kind;
use devpocket_specs::machine::Machine;
use devpocket_specs::object::{Key, Resource};
use devpocket_specs::operation::{Operation, Verb};
use devpocket_specs::render::HostKey;
use devpocket_specs::template::Template;

use super::images::Images;
use super::token::trace_id;
use super::transition::Answer;
use crate::client::{Client, ClientError};
use crate::cloud::{self, Action, Call, Cloud, CloudError, Priority};
use crate::environment::rendered;
use crate::environment::world::template_name;
use crate::guest::{Guest, GuestError};

/// A call, complete but for its headers.
#[derive(Clone, Debug, PartialEq)]
pub enum Prepared {
    Order(Box<cloud::Order>),
    Act(i64, Action),
    Rename(i64, String),
    Reinstall(i64, Box<cloud::Reinstall>),
    Cancel(i64),
}

/// Why a call could not be prepared. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The plan no longer fits what is declared: it must be made again.
    #[error("plan-stale: {0}")]
    Stale(String),
    /// The operation lacks what its verb needs; it can never be sent.
    #[error("incomplete: {0}")]
    Incomplete(&'static str),
    #[error("no key for the first contact: {0}")]
    FirstKey(#[source] GuestError),
    #[error("images: {0}")]
    Images(#[source] CloudError),
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// What preparing needs.
pub struct Workbench<'a> {
    pub client: &'a Client,
    pub cloud: &'a dyn Cloud,
    pub guest: &'a dyn Guest,
    pub images: &'a Images,
}

impl Workbench<'_> {
    /// Makes the call of an operation. Nothing is decided here: what is sent is what was planned,
    /// or it is refused.
    pub async fn prepare(
        &self,
        operation: &Operation,
        machine: &Machine,
        environment: Option<&Environment>,
    ) -> Result<Prepared, PrepareError> {
        let spec = &operation.spec;
        let id = spec.instance_id.ok_or(PrepareError::Incomplete("no instance"));
        Ok(match spec.verb {
            Verb::Purchase => self.order(operation, machine, environment).await?,
            Verb::Reinstall => {
                let image_id = self.image(spec.image.as_deref()).await?;
                let user_data = match &spec.user_data_digest {
                    None => None,
                    Some(digest) => {
                        let next = spec.install_generation;
                        Some(self.user_data(digest, environment, machine, next).await?)
                    }
                };
                Prepared::Reinstall(id?, Box::new(cloud::Reinstall { image_id, user_data }))
            }
            Verb::Start => Prepared::Act(id?, Action::Start),
            Verb::Stop => Prepared::Act(id?, Action::Stop),
            Verb::Shutdown => Prepared::Act(id?, Action::Shutdown),
            Verb::Restart => Prepared::Act(id?, Action::Restart),
            Verb::Cancel => Prepared::Cancel(id?),
            Verb::Rename => {
                let name = spec.display_name.clone();
                Prepared::Rename(id?, name.ok_or(PrepareError::Incomplete("no name to set"))?)
            }
        })
    }

    async fn order(
        &self,
        operation: &Operation,
        machine: &Machine,
        environment: Option<&Environment>,
    ) -> Result<Prepared, PrepareError> {
        let order = machine.spec.order.as_ref().ok_or(PrepareError::Incomplete("no order"))?;
        let display_name =
            operation.spec.display_name.clone().ok_or(PrepareError::Incomplete("no name"))?;
        let digest = &order.user_data_digest;
        let user_data = self.user_data(digest, environment, machine, Some(1)).await?;
        let image_id = self.image(Some(&order.image)).await?;
        Ok(Prepared::Order(Box::new(cloud::Order {
            product_id: order.product_id.clone(),
            region: order.region.clone(),
            image_id,
            period: order.contract_months,
            display_name,
            user_data,
        })))
    }

    async fn image(&self, name: Option<&str>) -> Result<String, PrepareError> {
        let name = name.ok_or(PrepareError::Incomplete("no image"))?;
        let id = self.images.id(name, self.cloud, &**self.client.clock()).await;
        id.map_err(PrepareError::Images)?
            .ok_or_else(|| PrepareError::Stale(format!("Contabo has no image {name:?} any more")))
    }

    /// The text is rendered again from what is declared now, and must be the one decided on.
    async fn user_data(
        &self,
        digest: &str,
        environment: Option<&Environment>,
        machine: &Machine,
        generation: Option<i64>,
    ) -> Result<String, PrepareError> {
        let environment =
            environment.ok_or_else(|| PrepareError::Stale("the environment is gone".to_owned()))?;
        let template = match template_name(environment) {
            None => None,
            Some((name, _)) => {
                let key = Key::cluster(Kind::Template, name);
                self.client.get::<Template>(&key).await?
            }
        };
        let key = Key::cluster(Kind::Installation, installation::NAME);
        let installation = self.client.get::<Installation>(&key).await?;
        let user_ca = installation.as_ref().and_then(|i| i.status.user_ca.as_deref());
        let host_key = match generation.filter(|_| user_ca.is_some()) {
            Some(generation) => Some(self.first_key(machine, generation).await?),
            None => None,
        };
        let around = rendered::Surroundings {
            catalogue: self.client.catalogue(),
            template: template.as_ref(),
            user_ca,
            host_key: host_key.as_ref(),
        };
        let rendered = rendered::render(environment, &around)
            .map_err(|hold| PrepareError::Stale(hold.message))?;
        if rendered.digest != digest {
            let text = "the environment or its template changed after this was planned";
            return Err(PrepareError::Stale(text.to_owned()));
        }
        Ok(rendered.user_data)
    }
}

impl Workbench<'_> {
    /// The key by which the machine proves itself at the first contact. It is kept before the call
    /// is sent, so the machine is known even if the reply is lost.
    async fn first_key(&self, machine: &Machine, generation: i64) -> Result<HostKey, PrepareError> {
        let key = self.guest.first_key(&machine.metadata.name, generation).await;
        let key = key.map_err(PrepareError::FirstKey)?;
        Ok(HostKey { private: key.private, public: key.public })
    }
}

/// What every call of an operation carries.
pub fn call(operation: &Operation, installation: &str, timeout: std::time::Duration) -> Call {
    let priority = if operation.spec.by_person { Priority::Person } else { Priority::Background };
    Call { request_id: operation.uid(), trace_id: trace_id(installation), priority, timeout }
}

/// Sends it, once.
pub async fn send(
    cloud: Arc<dyn Cloud>,
    prepared: &Prepared,
    call: &Call,
) -> Result<Answer, CloudError> {
    let mut answer = Answer { code: Some(201), ..Answer::default() };
    match prepared {
        Prepared::Order(order) => {
            let ordered = cloud.order(order, call).await?;
            answer.instance_id = Some(ordered.instance_id);
            answer.message = format!("instance {} is bought", ordered.instance_id);
        }
        Prepared::Act(id, action) => cloud.act(*id, *action, call).await?,
        Prepared::Rename(id, name) => {
            cloud.rename(*id, name, call).await?;
            answer.code = Some(200);
        }
        Prepared::Reinstall(id, how) => {
            cloud.reinstall(*id, how, call).await?;
            answer.code = Some(200);
        }
        Prepared::Cancel(id) => {
            if let Some(date) = cloud.cancel(*id, call).await? {
                answer.message = format!("the contract ends on {date}");
            }
        }
    }
    Ok(answer)
}
