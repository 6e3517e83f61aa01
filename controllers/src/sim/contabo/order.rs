//! The purchase: validated, charged, provisioned. Nothing dedups it: the same request id, the same
//! display name, the same body twice are two machines and two charges.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::audit::{AuditAction, Trail};
use super::body::CreateInstance;
use super::call::Call;
use super::catalogue::{Extras, term_cents};
use super::contract::Contract;
use super::fault::{Drawn, FaultKind, Outcome};
use super::instance::{Facts, Guest, Instance, Next, Origin, Pending, Status};
use super::ledger::{Charge, LedgerEntry};
use super::lifecycle::after;
use super::naming;
use super::reply::{Body, Reply};
use super::validate::{self, Order, Refusal};
use super::view::CreatedView;
use super::{Contabo, Note};

impl Contabo {
    pub(super) fn create_instance(
        &mut self,
        call: &Call,
        body: &CreateInstance,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        let order = validate::order(body, self)?;
        let outcome = match &drawn.behaviour {
            Some(FaultKind::Order { outcome }) => outcome.clone(),
            _ => Outcome::Normal,
        };
        let id = self.buy(&order, body, Some(&call.request_id), outcome);
        let note = Note::new(Trail::Instances, AuditAction::Created, id)
            .changes(json!({}), json!({ "displayName": body.display_name }));
        self.audit(call, drawn, note);
        let instance = &self.instances[&id];
        let view = CreatedView {
            tenant_id: self.settings.account.tenant_id.clone(),
            customer_id: self.settings.account.customer_id.clone(),
            instance_id: id,
            created_date: instance.created,
            image_id: instance.facts.image_id.clone(),
            product_id: instance.product_id.clone(),
            region: instance.region.clone(),
            add_ons: instance.add_on_views(),
            os_type: "Linux".to_owned(),
            status: instance.facts.status.as_str().to_owned(),
            ssh_keys: instance.facts.ssh_keys.clone(),
        };
        Ok(Reply::accepted(201, Body::Created(Box::new(view))))
    }

    /// Charges the account and starts provisioning. Without a request id the panel bought it.
    pub(super) fn buy(
        &mut self,
        order: &Order,
        body: &CreateInstance,
        request_id: Option<&str>,
        outcome: Outcome,
    ) -> i64 {
        let number = naming::next_number(self.seed, self.orders, self.last_number);
        let id = naming::instance_id(number);
        self.orders += 1;
        self.last_number = Some(number);
        let cents = term_cents(order.product, order.region, order.months, order.extras);
        let by_api = request_id.is_some();
        let mut contract = Contract::new(order.months, self.now, cents);
        contract.api_cancellable = by_api || self.settings.panel_contracts_cancellable;
        let display_name = body.display_name.clone().unwrap_or_default();
        self.ledger.charge(LedgerEntry {
            number: 0,
            at: self.now,
            kind: if by_api { Charge::Purchase } else { Charge::PanelPurchase },
            instance_id: id,
            display_name: display_name.clone(),
            product_id: order.product.id.to_owned(),
            region: order.region.code.to_owned(),
            months: order.months,
            cents,
            request_id: request_id.map(str::to_owned),
        });
        let (status, wait) = first_status(&outcome, self.provisioning(id));
        let lag = self.settings.paced(self.settings.get_lag);
        let instance = Instance {
            instance_id: id,
            name: naming::name(number),
            product_id: order.product.id.to_owned(),
            region: order.region.code.to_owned(),
            created: self.now,
            origin: if by_api { Origin::Api } else { Origin::Panel },
            facts: Facts {
                display_name,
                status,
                image_id: order.image.id.clone(),
                ssh_keys: body.ssh_keys.clone(),
                default_user: Some(body.default_user.clone().unwrap_or("admin".to_owned())),
                hardware: None,
                cancel_date: None,
                error_message: None,
            },
            contract,
            guest: guest(body.user_data.as_deref()),
            published: Vec::new(),
            gettable_from: after(self.now, lag),
            pending: wait.map(|wait| Pending { at: after(self.now, wait), next: Next::Allocate }),
            outcome,
            reverts_name: false,
            gone: None,
            add_ons: add_on_ids(order.extras),
        };
        self.instances.insert(id, Arc::new(instance));
        self.publish(id, self.now);
        id
    }
}

/// How an order begins, and how long until there is hardware (`None`: a person must act first).
fn first_status(
    outcome: &Outcome,
    provisioning: SignedDuration,
) -> (Status, Option<SignedDuration>) {
    match outcome {
        Outcome::PendingPayment => (Status::PendingPayment, None),
        Outcome::ProductNotAvailable => (Status::ProductNotAvailable, None),
        Outcome::ManualProvisioning => (Status::ManualProvisioning, None),
        Outcome::VerificationRequired => (Status::VerificationRequired, None),
        Outcome::StuckProvisioning => (Status::Provisioning, None),
        Outcome::Normal
        | Outcome::StuckInstalling
        | Outcome::Error(_)
        | Outcome::UnknownStatus(_) => (Status::Provisioning, Some(provisioning)),
    }
}

/// An empty disk that will be installed with this.
pub(super) fn guest(user_data: Option<&str>) -> Guest {
    Guest {
        user_data: user_data.map(str::to_owned),
        user_data_digest: user_data.map(digest),
        ..Guest::default()
    }
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn add_on_ids(extras: Extras) -> Vec<i64> {
    let wanted = [
        (extras.private_networking, naming::PRIVATE_NETWORKING),
        (extras.additional_ip, naming::ADDITIONAL_IP),
        (extras.backup, naming::BACKUP),
    ];
    wanted.into_iter().filter(|(wanted, _)| *wanted).map(|(_, id)| id).collect()
}
