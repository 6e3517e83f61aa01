//! Manifests: YAML documents that keep the place each value was written at.
//!
//! A fault is only useful where it can be mended, so every value of a document leads back to file,
//! line and column, also when it was the server that found the fault: it names a field
//! (`spec.env[0].name`), and [`Document::place`] says where that is.
//!
//! # Guarantees
//! - Everything is read before anything is judged, and all faults of all files are told at once.
//! - A name that occurs twice in one object is a fault, never "the last one wins": a review would
//!   read one thing and the server another.
//! - Reading is bounded ([`limits`]): size, number and depth of what is read, and what aliases
//!   unfold to.
//! - What a server printed can be read: what it fills in (status, revision, managed fields, ...) is
//!   left out, and what remains is what is declared.
//!
//! # Caveats
//! YAML 1.2: `on` and `yes` are text. Merge keys (`<<`) are not part of it and are unknown fields.

mod document;
mod load;
mod parse;
mod place;
mod scalar;

pub mod limits {
    //! Most of everything that is read.

    /// Files in one call.
    pub const FILES: usize = 2_000;
    /// Documents in one call.
    pub const DOCUMENTS: usize = 5_000;
    /// Bytes of one file.
    pub const FILE_BYTES: u64 = 8 * 1024 * 1024;
    /// Bytes of all files.
    pub const TOTAL_BYTES: u64 = 64 * 1024 * 1024;
    /// Nested lists and objects; the server's own limit.
    pub const DEPTH: usize = devpocket_specs::patch::MAX_DEPTH;
    /// Values in one document after aliases are unfolded: "a billion laughs" ends here.
    pub const NODES: usize = 50_000;
}

pub use document::Document;
pub(crate) use document::{declared, short_name};
pub use load::{LoadError, Manifests, load};
pub use place::{Fault, Place, Position, Source};
