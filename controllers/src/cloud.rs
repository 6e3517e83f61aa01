//! The cloud port: Contabo as the controllers need it.
//!
//! Every call says in its error whether something may have happened. That distinction is the
//! whole point: a purchase whose reply was lost must never be sent again, and a refusal must never
//! be waited on.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use devpocket_specs::installation::Account;

/// How a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloudError {
    /// Contabo refused (400, 401 after a fresh token, 402, 403, 404, 405, 415, 422; a read also
    /// with 409): nothing happened, and the same call will be refused again.
    #[error("refused with {code}: {message}")]
    Rejected { code: u16, message: String },
    /// The credentials are not accepted: nothing happened.
    #[error("sign-in refused: {message}")]
    SignIn { message: String },
    /// Nothing was sent: the limiter is closed after 429, or has no room before the deadline.
    #[error("throttled, next try in {} s", retry_after.as_secs())]
    Throttled { retry_after: Duration },
    /// It is certain that nothing was sent, or the call only reads.
    #[error("not reachable: {message}")]
    Unavailable { message: String },
    /// The call may have happened (timeout, 5xx, 409, 429 or a broken reply to a mutation).
    #[error("outcome unknown: {message}")]
    Unknown { message: String, code: Option<u16> },
    /// A read was answered with something that cannot be understood.
    #[error("reply not understood: {message}")]
    BadReply { message: String },
}

impl CloudError {
    /// Whether it is certain that nothing happened.
    pub fn nothing_happened(&self) -> bool {
        !matches!(self, CloudError::Unknown { .. })
    }
}

/// Who waits for the answer; people go first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    #[default]
    Background,
    Person,
}

/// What a mutating call carries.
#[derive(Clone, Debug)]
pub struct Call {
    /// Sent as `x-request-id` and recorded in Contabo's audits: the operation's uid.
    pub request_id: Uuid,
    /// Sent as `x-trace-id`: names this installation.
    pub trace_id: String,
    pub priority: Priority,
    /// The caller stops waiting after this long, from the start of the call.
    pub timeout: Duration,
}

/// An instance as a list or a GET shows it. Fields Contabo leaves null or out are `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Instance {
    pub id: i64,
    /// Contabo's name (`vmi...`); empty while there is no hardware.
    pub name: String,
    pub display_name: String,
    /// As it came; may be a word nobody knows yet.
    pub status: String,
    pub product_id: String,
    pub region: String,
    pub data_center: Option<String>,
    pub image_id: Option<String>,
    pub address: Option<String>,
    pub address_v6: Option<String>,
    pub ram_mb: Option<i64>,
    pub cpu_cores: Option<i64>,
    pub disk_mb: Option<i64>,
    pub created: Option<Timestamp>,
    pub cancel_date: Option<Date>,
    pub error_message: Option<String>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// 1-based.
    pub page: u32,
    pub total_pages: u32,
    pub total_elements: u64,
}

/// An image by id and name.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    pub id: String,
    pub name: String,
    pub standard: bool,
}

/// The order of an instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub product_id: String,
    pub region: String,
    pub image_id: String,
    /// Months.
    pub period: u8,
    pub display_name: String,
    pub user_data: String,
}

/// What the reply to an order says.
#[derive(Clone, Debug, PartialEq)]
pub struct Ordered {
    pub instance_id: i64,
    pub status: Option<String>,
}

/// A reinstallation.
#[derive(Clone, Debug, PartialEq)]
pub struct Reinstall {
    pub image_id: String,
    pub user_data: Option<String>,
}

/// Power actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Start,
    Stop,
    Restart,
    Shutdown,
}

impl Action {
    /// The word in the path.
    pub fn word(self) -> &'static str {
        match self {
            Action::Start => "start",
            Action::Stop => "stop",
            Action::Restart => "restart",
            Action::Shutdown => "shutdown",
        }
    }
}

/// Which audits to ask for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AuditQuery {
    pub request_id: Option<Uuid>,
    pub instance_id: Option<i64>,
    /// Only entries on or after this day.
    pub since: Option<Date>,
    /// 1-based; 0 means 1.
    pub page: u32,
}

/// Audits of instances (created, changed) or of actions (power).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditLog {
    Instances,
    Actions,
}

/// One change Contabo's API made. Panel changes are not recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Audit {
    pub id: i64,
    /// `CREATED`, `UPDATED`, `DELETED`.
    pub action: String,
    pub at: Timestamp,
    pub request_id: String,
    pub trace_id: Option<String>,
    pub username: String,
    /// 0 while Contabo does not know it yet.
    pub instance_id: i64,
    pub changes: serde_json::Value,
}

/// A tag; DevPocket keeps its mark of the account in the name of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Tag {
    pub id: i64,
    pub name: String,
}

/// Contabo. Reads take no request id: the adapter draws one. Every method is one HTTP call (plus
/// token refresh), so that callers can count.
#[async_trait]
pub trait Cloud: Send + Sync + 'static {
    /// Whose account this is; from the token, no API call beyond the sign-in.
    async fn account(&self) -> Result<Account, CloudError>;

    /// One page of all instances, 100 to a page.
    async fn instances(&self, page: u32) -> Result<Page<Instance>, CloudError>;

    /// `None` is a 404.
    async fn instance(&self, id: i64) -> Result<Option<Instance>, CloudError>;

    /// One page of the images, 100 to a page.
    async fn images(&self, page: u32) -> Result<Page<Image>, CloudError>;

    async fn audits(&self, log: AuditLog, query: &AuditQuery) -> Result<Page<Audit>, CloudError>;

    /// **Spends money** when it succeeds, and perhaps when it fails with `Unknown`.
    async fn order(&self, order: &Order, call: &Call) -> Result<Ordered, CloudError>;

    async fn rename(&self, id: i64, display_name: &str, call: &Call) -> Result<(), CloudError>;

    /// Wipes the disk.
    async fn reinstall(&self, id: i64, how: &Reinstall, call: &Call) -> Result<(), CloudError>;

    /// One-way. Answers the last day of the contract.
    async fn cancel(&self, id: i64, call: &Call) -> Result<Option<Date>, CloudError>;

    async fn act(&self, id: i64, action: Action, call: &Call) -> Result<(), CloudError>;

    /// One page of the tags, 100 to a page.
    async fn tags(&self, page: u32) -> Result<Page<Tag>, CloudError>;

    async fn create_tag(&self, name: &str, call: &Call) -> Result<Tag, CloudError>;

    async fn rename_tag(&self, id: i64, name: &str, call: &Call) -> Result<(), CloudError>;
}
