//! Somebody in the customer panel, or at Contabo: things that happen to the account without a call
//! of the API, and so without an audit entry.

use std::sync::Arc;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use super::Contabo;
use super::body::CreateInstance;
use super::change::takes_install;
use super::custom_image::ImageRef;
use super::fault::Outcome;
use super::instance::{Guest, Instance, Next, Pending, Status};
use super::lifecycle::{Quiet, after, begin_install, remove};
use super::naming;
use super::reply::ErrorBody;
use super::seed::{self, Stream};
use super::validate;

/// What a person does to one instance. Power changes show at once; lists lag as ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum PanelAction {
    Start,
    Stop,
    Rename {
        display_name: String,
    },
    /// With the term, or with the first term that ends on or after the date.
    Cancel {
        #[serde(default)]
        date: Option<Date>,
    },
    /// With the present image, unless another is named; without user-data.
    Reinstall {
        #[serde(default)]
        image_id: Option<String>,
    },
    /// Gone at once, disk and all: what a fraud check or a chargeback does.
    Remove,
    /// The payment arrives, the stock is refilled, the stuck installation is kicked.
    Proceed,
    /// `error` with this message.
    Fail {
        message: String,
    },
    /// The host is drained: the machine moves to another one, and is rebooted if it ran.
    Migrate,
    /// Whether the API may cancel the contract.
    SetCancellable {
        cancellable: bool,
    },
}

/// Why the panel could not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PanelError {
    #[error("no instance has the id {0}")]
    NoSuchInstance(i64),
    #[error("{0} is {1}: that cannot be done to it now")]
    NotNow(String, String),
    #[error("no image has the id {0}")]
    NoSuchImage(String),
    #[error("the order is refused: {0}")]
    Refused(String),
}

impl Contabo {
    /// Existing instances that a person means by this text: an id or a name (`vmi2563139`), else a
    /// whole word of the display name, else any part of it, in any case.
    pub fn find(&self, text: &str) -> Vec<i64> {
        let existing = || self.instances().filter(|instance| instance.exists());
        let wanted = text.to_lowercase();
        let names = |instance: &Instance| instance.facts.display_name.to_lowercase();
        let is_it =
            |instance: &Instance| instance.name == text || instance.instance_id.to_string() == text;
        let has_word =
            |instance: &Instance| names(instance).split_whitespace().any(|word| word == wanted);
        let has_part = |instance: &Instance| names(instance).contains(&wanted);
        // `demo` means `demo dp-1`, not `demo-2 dp-2`, if there are both.
        let ways: [&dyn Fn(&Instance) -> bool; 3] = [&is_it, &has_word, &has_part];
        let found = ways.into_iter().map(|way| {
            let found = existing().filter(|instance| way(instance));
            found.map(|instance| instance.instance_id).collect::<Vec<i64>>()
        });
        found.into_iter().find(|ids| !ids.is_empty()).unwrap_or_default()
    }

    pub fn panel(
        &mut self,
        id: i64,
        action: &PanelAction,
        now: Timestamp,
    ) -> Result<(), PanelError> {
        self.advance(now);
        let installing = self.installing(id);
        let (now, seed) = (self.now, self.seed);
        let image = match action {
            PanelAction::Reinstall { image_id: Some(id) } => {
                Some(self.image_ref(id).ok_or_else(|| PanelError::NoSuchImage(id.to_owned()))?)
            }
            _ => None,
        };
        let instance = self.instances.get_mut(&id).filter(|instance| instance.exists());
        let Some(instance) = instance.map(Arc::make_mut) else {
            return Err(PanelError::NoSuchInstance(id));
        };
        let done = after(now, installing);
        match action {
            PanelAction::Start => power(instance, Status::Running)?,
            PanelAction::Stop => power(instance, Status::Stopped)?,
            PanelAction::Rename { display_name } => {
                instance.facts.display_name.clone_from(display_name);
            }
            PanelAction::Cancel { date } => {
                if instance.contract.ends.is_none() {
                    instance.facts.cancel_date = Some(instance.contract.cancel(*date));
                }
            }
            PanelAction::Reinstall { .. } => reinstall(instance, image, done)?,
            PanelAction::Remove => remove(instance, now),
            PanelAction::Proceed => proceed(instance, now, done)?,
            PanelAction::Fail { message } => {
                instance.facts.status = Status::Error;
                instance.facts.error_message = Some(message.clone());
                instance.pending = None;
            }
            PanelAction::Migrate => migrate(instance, seed)?,
            PanelAction::SetCancellable { cancellable } => {
                instance.contract.api_cancellable = *cancellable;
            }
        }
        if *action == PanelAction::Remove {
            self.forget(id);
        }
        self.publish(id, now);
        self.revision += 1;
        self.quiet = Quiet::default();
        self.advance(now);
        Ok(())
    }

    /// An order in the panel: charged like any other, unknown to the audits. Returns the id.
    pub fn panel_purchase(
        &mut self,
        body: &CreateInstance,
        now: Timestamp,
    ) -> Result<i64, PanelError> {
        self.advance(now);
        let order = validate::order(body, self).map_err(|refusal| {
            PanelError::Refused(match refusal.body {
                ErrorBody::Message(text) | ErrorBody::Html(text) => text,
                ErrorBody::Messages(texts) => texts.join("; "),
            })
        })?;
        self.revision += 1;
        self.quiet = Quiet::default();
        Ok(self.buy(&order, body, None, Outcome::Normal))
    }
}

fn not_now(instance: &Instance) -> PanelError {
    PanelError::NotNow(instance.name.clone(), instance.facts.status.to_string())
}

fn power(instance: &mut Instance, wanted: Status) -> Result<(), PanelError> {
    match instance.facts.status {
        Status::Running | Status::Stopped | Status::Rescue => {}
        _ => return Err(not_now(instance)),
    }
    instance.pending = None;
    if instance.facts.status != wanted && wanted == Status::Running {
        instance.guest.boots += 1;
    }
    instance.facts.status = wanted;
    Ok(())
}

fn reinstall(
    instance: &mut Instance,
    image: Option<ImageRef>,
    done: Timestamp,
) -> Result<(), PanelError> {
    if !takes_install(instance) {
        return Err(not_now(instance));
    }
    if let Some(image) = image {
        instance.facts.image_id = image.id;
    }
    instance.guest = Guest { generation: instance.guest.generation, ..Guest::default() };
    begin_install(instance, Some(done));
    Ok(())
}

fn proceed(instance: &mut Instance, now: Timestamp, done: Timestamp) -> Result<(), PanelError> {
    instance.outcome = Outcome::Normal;
    match instance.facts.status {
        Status::PendingPayment
        | Status::ProductNotAvailable
        | Status::ManualProvisioning
        | Status::VerificationRequired
        | Status::Provisioning => {
            instance.facts.status = Status::Provisioning;
            instance.pending = Some(Pending { at: now, next: Next::Allocate });
        }
        Status::Installing => instance.pending = Some(Pending { at: done, next: Next::Installed }),
        Status::Running | Status::Stopped => return Err(not_now(instance)),
        _ if instance.facts.hardware.is_some() => {
            instance.facts.error_message = None;
            instance.facts.status = Status::Running;
            instance.pending = None;
        }
        _ => {
            instance.facts.error_message = None;
            instance.facts.status = Status::Provisioning;
            instance.pending = Some(Pending { at: now, next: Next::Allocate });
        }
    }
    Ok(())
}

fn migrate(instance: &mut Instance, seed: u64) -> Result<(), PanelError> {
    let running = instance.facts.status == Status::Running;
    let number = instance.instance_id.unsigned_abs();
    match instance.facts.hardware.as_mut() {
        None => return Err(not_now(instance)),
        Some(hardware) => {
            let old = hardware.host_number.unsigned_abs();
            let draw = seed::draw(seed, Stream::Hosting, number.wrapping_add(old << 32));
            let host = naming::host_number(draw);
            hardware.host_number = if host == hardware.host_number { host + 1 } else { host };
        }
    }
    if running {
        instance.guest.boots += 1;
    }
    Ok(())
}
