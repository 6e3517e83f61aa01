//! Where a page of the audit ended, in both of its tables.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The last lines that were shown; none: from the newest on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub(super) revision: Option<i64>,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub(super) access: Option<(i64, Uuid)>,
}

impl Cursor {
    /// None for what this server did not make.
    pub fn read(text: &str) -> Option<Cursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    pub(super) fn text(&self) -> String {
        let json = serde_json::to_vec(self).expect("numbers and texts are always JSON");
        URL_SAFE_NO_PAD.encode(json)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_comes_back_and_others_are_nothing() {
        let cursor = Cursor { revision: Some(7), access: Some((1, Uuid::from_u128(9))) };
        assert_eq!(Cursor::read(&cursor.text()), Some(cursor));
        for text in ["", "x", "e30x", "eyJ4IjoxfQ"] {
            assert_eq!(Cursor::read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_fall_over(text in "\\PC*", bytes in any::<Vec<u8>>()) {
            let _ = (Cursor::read(&text), Cursor::read(&URL_SAFE_NO_PAD.encode(bytes)));
        }

        #[test]
        fn whatever_is_read_is_written_the_same(revision: Option<i64>, access: Option<(i64, u128)>) {
            let access = access.map(|(at, id)| (at, Uuid::from_u128(id)));
            let cursor = Cursor { revision, access };
            prop_assert_eq!(Cursor::read(&cursor.text()), Some(cursor));
        }
    }
}
