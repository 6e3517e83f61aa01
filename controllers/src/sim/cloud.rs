//! The cloud port in memory: the one model of Contabo behind it, without a socket.
//!
//! It does to calls what the wire does: they take time, replies get lost, late, truncated. What
//! the account did and what the caller learns are two things here, as they are in reality.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use devpocket_specs::installation::Account;
use jiff::Timestamp;
use jiff::civil::Date;

use super::contabo::{
    AuditFilter, Body, CancelInstance, Contabo, CreateInstance, Delivery, ErrorBody, ImageFilter,
    InstanceFilter, InstanceView, OperationName, PatchInstance, ReinstallInstance, Reply, Request,
    TagBody,
};
use super::{contabo, crash::Switch};
use crate::clock::{Clock, Ids};
use crate::cloud::{
    Action, Audit, AuditLog, AuditQuery, Call, Cloud, CloudError, Image, Instance, Order, Ordered,
    Page, Reinstall, Tag,
};

/// From the call to its arrival, and from there to the reply: an effect happens in between.
const ONE_WAY: Duration = Duration::from_millis(60);
/// When a read that is never answered is given up.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
const PAGE_SIZE: i64 = 100;
/// Address of the account that is recorded.
const API: &str = "memory://contabo";

/// Contabo, in memory. Clones share the account.
#[derive(Clone)]
pub struct SimCloud {
    contabo: Arc<Mutex<Contabo>>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    switch: Arc<Switch>,
}

impl SimCloud {
    pub fn new(
        contabo: Arc<Mutex<Contabo>>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        switch: Arc<Switch>,
    ) -> SimCloud {
        SimCloud { contabo, clock, ids, switch }
    }

    fn lock(&self) -> MutexGuard<'_, Contabo> {
        self.contabo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn perform(&self, request: Request, call: Option<&Call>) -> Result<Reply, CloudError> {
        let name = request.name();
        let request_id = call.map_or_else(|| self.ids.uid(), |call| call.request_id).to_string();
        let trace_id = call.map(|call| call.trace_id.clone());
        let sent = contabo::Call { request_id, trace_id, request };
        self.clock.sleep(ONE_WAY).await;
        if name.is_mutation() {
            self.switch.before(name.as_str()).await;
        }
        let reply = self.lock().step(&sent, self.clock.now());
        if name.is_mutation() {
            self.switch.after(name.as_str()).await;
        }
        self.clock.sleep(ONE_WAY).await;
        let limit = call.map_or(READ_TIMEOUT, |call| call.timeout);
        self.deliver(reply, name, limit).await
    }

    async fn deliver(
        &self,
        reply: Reply,
        name: OperationName,
        limit: Duration,
    ) -> Result<Reply, CloudError> {
        let broken = |message: &str| match name.is_mutation() {
            true => CloudError::Unknown { message: message.into(), code: None },
            false => CloudError::Unavailable { message: message.into() },
        };
        match reply.delivery {
            Delivery::Delivered => judge(reply, name),
            Delivery::Late(by) | Delivery::Slow(by) => {
                let by = Duration::try_from(by).unwrap_or_default();
                self.clock.sleep(by.min(limit)).await;
                if by >= limit { Err(broken("timed out")) } else { judge(reply, name) }
            }
            Delivery::Reset => Err(broken("connection reset")),
            Delivery::Hang | Delivery::Stalled | Delivery::Half => {
                self.clock.sleep(limit).await;
                Err(broken("timed out"))
            }
            Delivery::Truncated | Delivery::Mistyped if name.is_mutation() => {
                Err(CloudError::Unknown { message: "broken reply".into(), code: None })
            }
            Delivery::Truncated | Delivery::Mistyped => {
                Err(CloudError::BadReply { message: "broken reply".into() })
            }
        }
    }
}

fn judge(reply: Reply, name: OperationName) -> Result<Reply, CloudError> {
    let code = reply.status;
    if code < 300 {
        return Ok(reply);
    }
    let message = match &reply.body {
        Body::Error(ErrorBody::Message(text) | ErrorBody::Html(text)) => text.clone(),
        Body::Error(ErrorBody::Messages(texts)) => texts.join("; "),
        _ => String::new(),
    };
    Err(match code {
        401 => CloudError::SignIn { message },
        // 409 to a change may be about the change itself: it is no plain refusal.
        409 if name.is_mutation() => CloudError::Unknown { message, code: Some(code) },
        400..=428 => CloudError::Rejected { code, message },
        _ if name.is_mutation() => CloudError::Unknown { message, code: Some(code) },
        429 => CloudError::Throttled { retry_after: Duration::from_secs(30) },
        _ => CloudError::Unavailable { message },
    })
}

fn unexpected<T>() -> Result<T, CloudError> {
    Err(CloudError::BadReply { message: "another body than asked for".into() })
}

fn page<V, T>(listing: contabo::Listing<V>, read: impl Fn(V) -> T) -> Page<T> {
    Page {
        page: u32::try_from(listing.page).unwrap_or(u32::MAX),
        total_pages: u32::try_from(listing.total_pages()).unwrap_or(u32::MAX),
        total_elements: listing.total,
        items: listing.items.into_iter().map(read).collect(),
    }
}

fn instance(view: InstanceView) -> Instance {
    Instance {
        id: view.instance_id,
        name: view.name.unwrap_or_default(),
        display_name: view.display_name,
        status: view.status,
        product_id: view.product_id,
        region: view.region,
        data_center: view.data_center,
        image_id: Some(view.image_id),
        address: view.ip_config.as_ref().map(|ip| ip.v4.ip.clone()),
        address_v6: view.ip_config.map(|ip| ip.v6.ip),
        ram_mb: view.ram_mb,
        cpu_cores: view.cpu_cores,
        disk_mb: view.disk_mb,
        // Contabo writes whole seconds.
        created: Timestamp::from_second(view.created_date.as_second()).ok(),
        cancel_date: view.cancel_date,
        error_message: view.error_message,
    }
}

#[async_trait]
impl Cloud for SimCloud {
    async fn account(&self) -> Result<Account, CloudError> {
        self.perform(Request::Grant, None).await.map_err(|error| match error {
            CloudError::Rejected { message, .. } => CloudError::SignIn { message },
            other => other,
        })?;
        let account = self.lock().settings().account.clone();
        Ok(Account {
            api: API.into(),
            tenant: account.tenant_id,
            customer: account.customer_id,
            simulated: true,
        })
    }

    async fn instances(&self, number: u32) -> Result<Page<Instance>, CloudError> {
        let page_of = contabo::Page::of(i64::from(number), PAGE_SIZE);
        let filter = Box::new(InstanceFilter::default());
        match self.perform(Request::ListInstances { filter, page: page_of }, None).await?.body {
            Body::Instances(listing) => Ok(page(listing, instance)),
            _ => unexpected(),
        }
    }

    async fn instance(&self, id: i64) -> Result<Option<Instance>, CloudError> {
        match self.perform(Request::GetInstance { instance_id: id }, None).await {
            Ok(Reply { body: Body::Instance(view), .. }) => Ok(Some(instance(*view))),
            Ok(_) => unexpected(),
            Err(CloudError::Rejected { code: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn images(&self, number: u32) -> Result<Page<Image>, CloudError> {
        let page_of = contabo::Page::of(i64::from(number), PAGE_SIZE);
        let filter = ImageFilter::default();
        let read = |view: contabo::ImageView| Image {
            id: view.image_id,
            name: view.name,
            standard: view.standard_image,
        };
        match self.perform(Request::ListImages { filter, page: page_of }, None).await?.body {
            Body::Images(listing) => Ok(page(listing, read)),
            _ => unexpected(),
        }
    }

    async fn audits(&self, log: AuditLog, query: &AuditQuery) -> Result<Page<Audit>, CloudError> {
        let filter = AuditFilter {
            request_id: query.request_id.map(|id| id.to_string()),
            instance_id: query.instance_id,
            start_date: query.since.map(|date| date.to_string()),
            ..AuditFilter::default()
        };
        let page_of = contabo::Page::of(i64::from(query.page.max(1)), PAGE_SIZE);
        let request = match log {
            AuditLog::Instances => Request::ListInstanceAudits { filter, page: page_of },
            AuditLog::Actions => Request::ListActionAudits { filter, page: page_of },
        };
        let read = |view: contabo::AuditView| Audit {
            id: view.id,
            action: view.action,
            at: view.timestamp,
            request_id: view.request_id,
            trace_id: view.trace_id,
            username: view.username,
            instance_id: view.instance_id.unwrap_or(0),
            changes: view.changes.unwrap_or_default(),
        };
        match self.perform(request, None).await?.body {
            Body::Audits(listing) => Ok(page(listing, read)),
            _ => unexpected(),
        }
    }

    async fn order(&self, order: &Order, call: &Call) -> Result<Ordered, CloudError> {
        let body = CreateInstance {
            image_id: Some(order.image_id.clone()),
            product_id: Some(order.product_id.clone()),
            region: Some(order.region.clone()),
            user_data: Some(order.user_data.clone()),
            period: Some(i64::from(order.period)),
            display_name: Some(order.display_name.clone()),
            ..CreateInstance::default()
        };
        match self.perform(Request::CreateInstance(Box::new(body)), Some(call)).await?.body {
            Body::Created(view) => {
                Ok(Ordered { instance_id: view.instance_id, status: Some(view.status) })
            }
            _ => unexpected(),
        }
    }

    async fn rename(&self, id: i64, display_name: &str, call: &Call) -> Result<(), CloudError> {
        let body = PatchInstance { display_name: Some(display_name.to_owned()) };
        let request = Request::PatchInstance { instance_id: id, body };
        self.perform(request, Some(call)).await.map(drop)
    }

    async fn reinstall(&self, id: i64, how: &Reinstall, call: &Call) -> Result<(), CloudError> {
        let body = Box::new(ReinstallInstance {
            image_id: Some(how.image_id.clone()),
            user_data: how.user_data.clone(),
            ..ReinstallInstance::default()
        });
        let request = Request::ReinstallInstance { instance_id: id, body };
        self.perform(request, Some(call)).await.map(drop)
    }

    async fn cancel(&self, id: i64, call: &Call) -> Result<Option<Date>, CloudError> {
        let body = CancelInstance::default();
        let request = Request::CancelInstance { instance_id: id, body };
        match self.perform(request, Some(call)).await?.body {
            Body::Cancelled(view) => Ok(Some(view.cancel_date)),
            _ => unexpected(),
        }
    }

    async fn act(&self, id: i64, action: Action, call: &Call) -> Result<(), CloudError> {
        let action = match action {
            Action::Start => contabo::Action::Start,
            Action::Stop => contabo::Action::Stop,
            Action::Restart => contabo::Action::Restart,
            Action::Shutdown => contabo::Action::Shutdown,
        };
        let request = Request::Act { instance_id: id, action, body: Box::default() };
        self.perform(request, Some(call)).await.map(drop)
    }

    async fn tags(&self, number: u32) -> Result<Page<Tag>, CloudError> {
        let page_of = contabo::Page::of(i64::from(number), PAGE_SIZE);
        let read = |view: contabo::TagView| Tag { id: view.tag_id, name: view.name };
        match self.perform(Request::ListTags { name: None, page: page_of }, None).await?.body {
            Body::Tags(listing) => Ok(page(listing, read)),
            _ => unexpected(),
        }
    }

    async fn create_tag(&self, name: &str, call: &Call) -> Result<Tag, CloudError> {
        let body = TagBody {
            name: Some(name.to_owned()),
            color: Some("#0A78C3".into()),
            description: None,
        };
        match self.perform(Request::CreateTag(body), Some(call)).await?.body {
            Body::TagCreated(view) => Ok(Tag { id: view.tag_id, name: name.to_owned() }),
            _ => unexpected(),
        }
    }

    async fn rename_tag(&self, id: i64, name: &str, call: &Call) -> Result<(), CloudError> {
        let body = TagBody { name: Some(name.to_owned()), ..TagBody::default() };
        self.perform(Request::UpdateTag { tag_id: id, body }, Some(call)).await.map(drop)
    }
}
