//! The one model of Contabo: a pure state machine of an account.
//!
//! # What it promises
//!
//! [`Contabo::step`] takes a [`Call`] and the time and returns a [`Reply`]; nothing else goes in,
//! nothing else comes out. It does no I/O, reads no clock and draws no chance but from its seed, so
//! the same seed, settings and calls give the same replies, and the whole state can be saved,
//! loaded and continued without a client noticing. It is built in twice: under the in-memory world
//! of the tests, and under the HTTP simulator. Both must honour [`Reply::delivery`], or faults that
//! lose a reply would not lose it.
//!
//! * Every accepted order is one charge in the [`Ledger`], to the cent, and nothing takes it back.
//!   Orders are never deduplicated: not by request id, not by display name.
//! * A mutation is either accepted, and then it happened whatever the client sees
//!   ([`Reply::effect`]), or refused, and then nothing happened.
//! * Time only moves forward; events are dated when they are due, so the size of clock steps does
//!   not matter. Contract dates are calendar months and ignore [`Settings::speed`].
//! * No input makes it panic.
//!
//! # Where it follows the real thing, and where it guesses
//!
//! Types, names and rules are written from Contabo's published API document and from what clients
//! have recorded, and shared with no client code: a shared type would hide a shared mistake.
//! What nobody has documented (exact or substring filters, lag, repeated cancellation, actions
//! during installing, page size, and more) is a switch in [`Settings`]. Users, roles, VIPs and
//! object storages are not modelled: their lists are empty.

mod assignment;
mod audit;
mod body;
mod call;
mod catalogue;
mod change;
mod check;
mod contract;
mod custom_image;
mod data_center;
mod dispatch;
mod existing;
mod failure;
mod fault;
mod filter;
mod image;
mod instance;
mod journal;
mod ledger;
mod lifecycle;
mod list;
mod naming;
mod network;
mod operation;
mod order;
mod panel;
mod reply;
mod resource_view;
mod secret;
mod seed;
mod settings;
mod snapshot;
mod state;
mod tag;
mod target;
mod validate;
mod view;

#[cfg(test)]
mod tests;

pub use assignment::{Assignment, RESOURCE_TYPES};
pub use audit::{AUDIT_LIMIT, AuditAction, AuditEntry, Trail};
pub use body::{
    Action, ActionBody, AddOns, CancelInstance, CreateInstance, ImageBody, NetworkBody,
    PatchInstance, ReinstallInstance, SecretBody, SnapshotBody, TagBody, UpgradeInstance,
};
pub use call::{Call, Request};
pub use catalogue::{
    CURRENCY, DEFAULT_IMAGE, DEFAULT_PRODUCT, DEFAULT_REGION, Extras, Family, PRODUCTS, Product,
    REGIONS, Region, find_product, find_region, term_cents,
};
pub use contract::Contract;
pub use custom_image::CustomImage;
pub use existing::Existing;
pub use failure::Failure;
pub use fault::{ArmedFault, FAULT_LIMIT, Fault, FaultKind, Outcome};
pub use filter::{
    AuditFilter, DataCenterFilter, ImageFilter, InstanceFilter, NetworkFilter, Page, SecretFilter,
};
pub use image::{IMAGES, Image, find_image};
pub use instance::{Facts, Guest, Hardware, Instance, Next, Origin, Pending, Published, Status};
pub use journal::{JOURNAL_LIMIT, JournalEntry};
pub use ledger::{Charge, Ledger, LedgerEntry};
pub use network::{Member, Network};
pub use operation::OperationName;
pub use panel::{PanelAction, PanelError};
pub use reply::{Body, Delivery, Effect, ErrorBody, Listing, Reply};
pub use resource_view::{
    AssignedTagView, AssignmentView, AuditView, DataCenterView, ImageChangedView, ImageStatsView,
    ImageView, MemberView, NetworkView, PrivateIpConfigView, SecretView, SnapshotView,
    TagCreatedView, TagView,
};
pub use secret::{SECRET_NAME_LIMIT, Secret, SecretKind};
pub use settings::{
    Account, BusyAnswer, LineUp, NetworkJoin, RateLimit, ReinstalledName, RepeatedCancel,
    RepeatedRequestId, Settings, TextMatch, UnknownFields,
};
pub use snapshot::{SNAPSHOT_DESCRIPTION_LIMIT, SNAPSHOT_LIFE, SNAPSHOT_NAME_LIMIT, Snapshot};
pub use state::Contabo;
pub use tag::Tag;
pub use target::Target;
pub use validate::{DISPLAY_NAME_LIMIT, TAG_NAME_LIMIT};
pub use view::{
    ActedView, AddOnView, AdditionalIpView, AddressView, CancelledView, ChangedView, CreatedView,
    InstanceView, IpConfigView,
};

use state::Note;
