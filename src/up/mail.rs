//! Mail of a demonstration: letters lie in the folder, and the screen says where.

use std::net::SocketAddr;
use std::sync::Arc;

use super::folder::Folder;
use super::screen::{Screen, short};
use crate::mail::{self, Mailboxes};
use crate::node::EdgeParts;

/// The folder's part that holds letters.
pub const FOLDER: &str = "mail";
/// Who they are from. The name is reserved: nothing is ever delivered there.
const FROM: &str = "DevPocket <devpocket@localhost>";

/// The edge of a server on this computer: nobody is limited, letters become files.
pub fn edge(folder: &Folder, address: SocketAddr, screen: &Screen) -> EdgeParts {
    let boxes = Mailboxes::read(FROM, None).expect("it is a mailbox");
    let told = screen.clone();
    let carrier = mail::Folder::new(folder.path().join(FOLDER), boxes, move |posted, file| {
        let text = format!("letter to {}: {}", posted.recipient, short(file));
        told.event(told.now(), "mail", &text);
    });
    EdgeParts {
        public_url: Some(format!("http://{address}")),
        carrier: Some(Arc::new(carrier)),
        ..EdgeParts::default()
    }
}
