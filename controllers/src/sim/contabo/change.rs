//! Calls that change one instance: rename, reinstall, cancel and the actions.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::audit::{AuditAction, Trail};
use super::body::{
    Action, ActionBody, CancelInstance, PatchInstance, ReinstallInstance, UpgradeInstance,
};
use super::call::Call;
use super::catalogue::{Extras, find_product, find_region};
use super::fault::{Drawn, FaultKind};
use super::instance::{Guest, Instance, Next, Pending, Status};
use super::ledger::{Charge, LedgerEntry};
use super::lifecycle::{after, begin_install};
use super::order;
use super::reply::{Body, Reply};
use super::settings::{BusyAnswer, ReinstalledName, RepeatedCancel};
use super::validate::{self, Refusal};
use super::view::{ActedView, CancelledView, ChangedView};
use super::{Contabo, Note};

impl Contabo {
    pub(super) fn patch_instance(
        &mut self,
        call: &Call,
        id: i64,
        body: &PatchInstance,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        let old = self.reachable(id)?.facts.display_name.clone();
        validate::new_display_name(body.display_name.as_deref())?;
        if let Some(name) = &body.display_name {
            if !drawn.ignores() {
                self.edit(id, |instance| instance.facts.display_name = name.clone());
            }
            let note =
                updated(id).changes(json!({ "displayName": old }), json!({ "displayName": name }));
            self.audit(call, drawn, note);
        }
        Ok(Reply::accepted(200, Body::Changed(self.changed(id))))
    }

    pub(super) fn reinstall_instance(
        &mut self,
        call: &Call,
        id: i64,
        body: &ReinstallInstance,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        let instance = self.reachable(id)?;
        let (old, idle) = (instance.facts.image_id.clone(), takes_install(instance));
        let image = validate::reinstall(body, self)?;
        let accepted = Reply::accepted(200, Body::Changed(self.changed(id)));
        if !idle {
            return self.busy(id, accepted);
        }
        if !drawn.ignores() {
            let stuck = drawn.behaviour == Some(FaultKind::StuckReinstall);
            let reverts = drawn.behaviour == Some(FaultKind::RevertDisplayName)
                || self.settings.reinstalled_name == ReinstalledName::Cleared;
            let done = (!stuck).then(|| after(self.now, self.installing(id)));
            self.edit(id, |instance| {
                let generation = instance.guest.generation;
                instance.facts.image_id.clone_from(&image.id);
                instance.facts.ssh_keys = body.ssh_keys.clone();
                let user = body.default_user.clone().unwrap_or("admin".to_owned());
                instance.facts.default_user = Some(user);
                instance.reverts_name = reverts;
                let guest = order::guest(body.user_data.as_deref());
                instance.guest = Guest { generation, ..guest };
                begin_install(instance, done);
            });
        }
        let note = updated(id).changes(json!({ "imageId": old }), json!({ "imageId": image.id }));
        self.audit(call, drawn, note);
        Ok(accepted)
    }

    pub(super) fn cancel_instance(
        &mut self,
        call: &Call,
        id: i64,
        body: &CancelInstance,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        let contract = &self.reachable(id)?.contract;
        let standing = contract.cancel_date();
        let allowed =
            contract.api_cancellable && drawn.behaviour != Some(FaultKind::NotCancellable);
        let wanted = validate::cancel_date(body, self.now)?;
        if !allowed {
            return Err(Refusal::sentence(422, "This contract can not be cancelled via API"));
        }
        let date = match (standing, self.settings.repeated_cancel) {
            (None, _) => {
                let mut date = None;
                self.edit(id, |instance| {
                    date = Some(instance.contract.cancel(wanted));
                    instance.facts.cancel_date = date;
                });
                date
            }
            (Some(date), RepeatedCancel::SameDate) => Some(date),
            (Some(_), RepeatedCancel::Unprocessable) => {
                return Err(Refusal::sentence(422, "Instance is already cancelled"));
            }
            (Some(_), RepeatedCancel::Conflict) => {
                return Err(Refusal::sentence(409, "Instance is already cancelled"));
            }
        };
        let Some(date) = date else { return Err(Refusal::not_found("Instance", id)) };
        if standing.is_none() {
            let note =
                updated(id).changes(json!({ "cancelDate": null }), json!({ "cancelDate": date }));
            self.audit(call, drawn, note);
        }
        let account = &self.settings.account;
        let view = CancelledView {
            tenant_id: account.tenant_id.clone(),
            customer_id: account.customer_id.clone(),
            instance_id: id,
            cancel_date: date,
        };
        Ok(Reply::accepted(201, Body::Cancelled(view)))
    }

    /// Buys add-ons for the running term and all that follow; nothing gives them back.
    pub(super) fn upgrade_instance(
        &mut self,
        call: &Call,
        id: i64,
        body: UpgradeInstance,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        let instance = self.reachable(id)?;
        let extras = Extras {
            private_networking: body.private_networking,
            backup: body.backup,
            ..Extras::default()
        };
        let wanted = super::order::add_on_ids(extras);
        if wanted.is_empty() {
            let text = "privateNetworking or backup should not be empty";
            return Err(Refusal::violations(vec![text.to_owned()]));
        }
        if wanted.iter().any(|add_on| instance.add_ons.contains(add_on)) {
            return Err(Refusal::sentence(409, "Instance has this add-on already"));
        }
        let known = find_product(&instance.product_id).zip(find_region(&instance.region));
        let monthly = match known {
            Some((product, _)) if product.takes(extras) => product.extras_cents(extras),
            _ => return Err(Refusal::sentence(400, "This add-on is not sold for this product")),
        };
        let months = instance.contract.months;
        let entry = LedgerEntry {
            number: 0,
            at: self.now,
            kind: Charge::AddOn,
            instance_id: id,
            display_name: instance.facts.display_name.clone(),
            product_id: instance.product_id.clone(),
            region: instance.region.clone(),
            months,
            cents: monthly * months,
            request_id: Some(call.request_id.clone()),
        };
        self.ledger.charge(entry);
        self.edit(id, |instance| {
            instance.contract.term_cents += monthly * months;
            instance.add_ons.extend(&wanted);
        });
        let note = updated(id).changes(json!({}), json!({ "addOns": wanted }));
        self.audit(call, drawn, note);
        Ok(Reply::accepted(200, Body::Changed(self.changed(id))))
    }

    pub(super) fn act(
        &mut self,
        call: &Call,
        id: i64,
        action: Action,
        body: &ActionBody,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        let status = self.reachable(id)?.facts.status.clone();
        validate::access(body, self)?;
        let account = &self.settings.account;
        let accepted = Reply::accepted(
            201,
            Body::Acted(ActedView {
                tenant_id: account.tenant_id.clone(),
                customer_id: account.customer_id.clone(),
                instance_id: id,
                action: action.as_str().to_owned(),
            }),
        );
        if !matches!(status, Status::Running | Status::Stopped | Status::Rescue) {
            return self.busy(id, accepted);
        }
        if !drawn.ignores() {
            self.set_power(id, action, &status);
        }
        let note = Note::new(Trail::Actions, AuditAction::Created, id)
            .changes(json!({}), json!({ "action": action.as_str() }));
        self.audit(call, drawn, note);
        Ok(accepted)
    }

    /// A later order replaces one that has not shown yet: stop after start ends stopped.
    fn set_power(&mut self, id: i64, action: Action, status: &Status) {
        let lag = self.settings.paced(self.settings.power_lag);
        let slow = self.settings.paced(self.settings.shutdown_lag);
        let reset = self.settings.paced(self.settings.reset_password);
        let now = self.now;
        let running = *status == Status::Running;
        let stopped = *status == Status::Stopped;
        self.edit(id, |instance| {
            instance.pending = match action {
                Action::Start if running => None,
                Action::Start => pending(now, lag, Next::PowerOn),
                Action::Stop | Action::Shutdown if stopped => None,
                Action::Stop => pending(now, lag, Next::PowerOff),
                Action::Shutdown => pending(now, slow, Next::PowerOff),
                Action::Restart => pending(now, lag, Next::Reboot),
                Action::Rescue => pending(now, lag, Next::Rescue),
                Action::ResetPassword => {
                    instance.facts.status = Status::ResetPassword;
                    pending(now, reset, Next::PasswordSet)
                }
            };
        });
        // A lag of zero is over at once.
        self.advance(now);
    }

    /// The instance as the API knows it: 404 for what is gone or not there yet.
    pub(super) fn reachable(&self, id: i64) -> Result<&Instance, Refusal> {
        self.instance(id)
            .filter(|instance| instance.exists() && instance.gettable_from <= self.now)
            .ok_or_else(|| Refusal::not_found("Instance", id))
    }

    pub(super) fn busy(&self, id: i64, accepted: Reply) -> Result<Reply, Refusal> {
        let text = format!("Instance {id} is not ready for this action");
        match self.settings.busy {
            BusyAnswer::BadRequest => Err(Refusal::sentence(400, text)),
            BusyAnswer::Conflict => Err(Refusal::sentence(409, text)),
            BusyAnswer::AcceptAndIgnore => Ok(accepted),
        }
    }

    fn changed(&self, id: i64) -> ChangedView {
        let account = &self.settings.account;
        ChangedView {
            tenant_id: account.tenant_id.clone(),
            customer_id: account.customer_id.clone(),
            instance_id: id,
            created_date: self.instances.get(&id).map_or(self.now, |instance| instance.created),
        }
    }

    /// Changes an instance now, and what lists show of it later.
    pub(super) fn edit(&mut self, id: i64, change: impl FnOnce(&mut Instance)) {
        if let Some(instance) = self.instances.get_mut(&id).map(Arc::make_mut) {
            change(instance);
        }
        self.look_again(id);
        self.publish(id, self.now);
    }
}

/// Whether a reinstallation may begin.
pub(super) fn takes_install(instance: &Instance) -> bool {
    !matches!(
        instance.facts.status,
        Status::Provisioning
            | Status::Installing
            | Status::ResetPassword
            | Status::PendingPayment
            | Status::ProductNotAvailable
            | Status::ManualProvisioning
            | Status::VerificationRequired
    )
}

fn pending(now: Timestamp, wait: SignedDuration, next: Next) -> Option<Pending> {
    Some(Pending { at: after(now, wait), next })
}

fn updated(id: i64) -> Note {
    Note::new(Trail::Instances, AuditAction::Updated, id)
}
