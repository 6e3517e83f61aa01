//! What a look at a machine prints: sections of `== NAME CODE BYTES`, each followed by that many
//! bytes.

/// One section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section<'a> {
    pub name: &'a str,
    pub code: i32,
    pub body: &'a [u8],
}

/// Reads them all; nothing if the text is not of this form to its end. A machine's user can make
/// it print anything, and half an answer is none.
pub(super) fn read(mut text: &[u8]) -> Option<Vec<Section<'_>>> {
    let mut found = Vec::new();
    while !text.is_empty() {
        let end = text.iter().position(|byte| *byte == b'\n')?;
        let head = std::str::from_utf8(&text[..end]).ok()?.strip_prefix("== ")?;
        let mut words = head.split(' ');
        let (name, code, bytes) = (words.next()?, words.next()?, words.next()?);
        let (code, bytes): (i32, usize) = (code.parse().ok()?, bytes.parse().ok()?);
        let rest = text.get(end + 1..)?;
        found.push(Section { name, code, body: rest.get(..bytes)? });
        text = &rest[bytes..];
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_read_whatever_is_in_them() {
        let text = b"== a 0 6\n== b \n== c 2 0\n== /x:17 0 1\n\n";
        let read = read(text).unwrap();
        assert_eq!(read.len(), 3);
        assert_eq!((read[0].name, read[0].body), ("a", &b"== b \n"[..]));
        assert_eq!((read[2].name, read[2].code, read[2].body), ("/x:17", 0, &b"\n"[..]));
    }

    #[test]
    fn half_an_answer_is_none() {
        let whole = b"== a 0 3\nabc== b 0 2\nxy";
        assert!(read(whole).is_some());
        for end in (1..whole.len()).filter(|end| *end != 12) {
            assert_eq!(read(&whole[..end]), None, "{end}");
        }
        for wrong in [&b"Last login: today\n"[..], b"== a 0 99999999999\n", b"== a\n"] {
            assert_eq!(read(wrong), None);
        }
    }
}
