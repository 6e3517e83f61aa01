//! What comes back from a step: the response, how it is delivered, and whether anything happened.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::resource_view::{
    AssignmentView, AuditView, DataCenterView, ImageChangedView, ImageStatsView, ImageView,
    NetworkView, SecretView, SnapshotView, TagCreatedView, TagView,
};
use super::view::{ActedView, CancelledView, ChangedView, CreatedView, InstanceView};

/// The outcome of one call.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// HTTP status of the response, as far as it is delivered.
    pub status: u16,
    pub body: Body,
    /// What the network makes of it. Both worlds must honour it.
    pub delivery: Delivery,
    /// Whether the account accepted the mutation, whatever the client gets to see. For tests and
    /// the journal; no client could know.
    pub effect: Effect,
    /// `Retry-After` in seconds, with a 429 where the settings ask for it.
    pub retry_after: Option<u64>,
}

/// How the response reaches the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    Delivered,
    /// Delivered, but only after this long.
    Late(SignedDuration),
    /// Delivered drop by drop, the last one after this long.
    Slow(SignedDuration),
    /// The connection is closed without a byte.
    Reset,
    /// No answer, ever; the client's timeout ends it.
    Hang,
    /// The status line and the headers, then nothing, ever.
    Stalled,
    /// The status line, the headers and half of the body, then nothing, ever.
    Half,
    /// The status line, the headers and half of the body, then the end of the connection.
    Truncated,
    /// Well-formed JSON whose ids are strings and whose status is a number.
    Mistyped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// A read, a refusal, or a failure before anything was done.
    Nothing,
    /// A mutation the account accepted.
    Accepted,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// No body at all (204, and the token endpoint, which the wire fills).
    Empty,
    /// Only `_links`.
    LinksOnly,
    Error(ErrorBody),
    Instances(Listing<InstanceView>),
    Instance(Box<InstanceView>),
    Created(Box<CreatedView>),
    /// The small object of PATCH and PUT.
    Changed(ChangedView),
    Cancelled(CancelledView),
    Acted(ActedView),
    Images(Listing<ImageView>),
    Image(Box<ImageView>),
    Audits(Listing<AuditView>),
    Tags(Listing<TagView>),
    Tag(TagView),
    TagCreated(TagCreatedView),
    Assignments(Listing<AssignmentView>),
    Assignment(AssignmentView),
    /// Only the links of a tag's assignment.
    AssignmentLinks,
    Snapshots(Listing<SnapshotView>),
    Snapshot(SnapshotView),
    SnapshotCreated(SnapshotView),
    ImageCreated(ImageChangedView),
    ImageChanged(ImageChangedView),
    ImageStats(ImageStatsView),
    Secrets(Listing<SecretView>),
    Secret(SecretView),
    SecretCreated(SecretView),
    Networks(Listing<NetworkView>),
    Network(Box<NetworkView>),
    NetworkCreated(Box<NetworkView>),
    /// Only the links of an instance's place in a network.
    MemberLinks,
    DataCenters(Listing<DataCenterView>),
    /// A page of something this account has none of.
    Nothing(Listing<()>),
}

/// The shapes in which Contabo says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorBody {
    /// `{"statusCode": .., "message": ".."}`.
    Message(String),
    /// `{"statusCode": .., "message": [".."]}`: validation.
    Messages(Vec<String>),
    /// Not JSON at all: a gateway's page.
    Html(String),
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing<T> {
    pub items: Vec<T>,
    pub page: u64,
    pub size: u64,
    pub total: u64,
}

impl<T> Listing<T> {
    pub(super) fn map<U>(self, view: impl FnMut(T) -> U) -> Listing<U> {
        let items = self.items.into_iter().map(view).collect();
        Listing { items, page: self.page, size: self.size, total: self.total }
    }

    pub fn total_pages(&self) -> u64 {
        self.total.div_ceil(self.size.max(1))
    }
}

impl Reply {
    pub(super) fn read(body: Body) -> Reply {
        Reply {
            status: 200,
            body,
            delivery: Delivery::Delivered,
            effect: Effect::Nothing,
            retry_after: None,
        }
    }

    pub(super) fn accepted(status: u16, body: Body) -> Reply {
        Reply { status, effect: Effect::Accepted, ..Reply::read(body) }
    }

    pub(super) fn refused(status: u16, body: ErrorBody) -> Reply {
        Reply { status, ..Reply::read(Body::Error(body)) }
    }
}
