//! Kubernetes' protobuf, read only: the typed clients of Go (`kubectl auth can-i`,
//! `kubectl create namespace`) send bodies in it and in nothing else. Answers are JSON, which they
//! take.
//!
//! A body is four bytes of magic, then an envelope with the kind's name and the object. Objects are
//! read by the tables in [`tables`]; a member that is not in them is left out, as an unknown field.

mod tables;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use devpocket_specs::status::Status;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::params::bad;
use tables::{Field, Shape};

/// The content type.
pub(super) const CONTENT_TYPE: &str = "application/vnd.kubernetes.protobuf";

const MAGIC: [u8; 4] = *b"k8s\0";

/// Reads a body as the JSON it stands for.
pub(super) fn decode(body: &[u8]) -> Result<Value, Status> {
    read(body).ok_or_else(|| bad("the body is not Kubernetes' protobuf"))?
}

fn read(body: &[u8]) -> Option<Result<Value, Status>> {
    let envelope = Reader(body.strip_prefix(&MAGIC)?);
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for part in envelope {
        match part? {
            (1, Part::Bytes(names)) => {
                for name in Reader(names) {
                    match name? {
                        (1, Part::Bytes(text)) => {
                            api_version = String::from_utf8(text.into()).ok()?
                        }
                        (2, Part::Bytes(text)) => kind = String::from_utf8(text.into()).ok()?,
                        _ => {}
                    }
                }
            }
            (2, Part::Bytes(object)) => raw = object,
            _ => {}
        }
    }
    let Some(table) = tables::of(&api_version, &kind) else {
        let message =
            format!("{kind} in {api_version} is not read from protobuf; send it as JSON or YAML");
        return Some(Err(bad(message)));
    };
    let mut object = message(table, raw)?;
    object.insert("apiVersion".into(), api_version.into());
    object.insert("kind".into(), kind.into());
    Some(Ok(Value::Object(object)))
}

/// A message by its table. Values that say nothing (empty text, zero) are left out: the encoding
/// writes them where JSON would not.
fn message(table: &[Field], bytes: &[u8]) -> Option<Map<String, Value>> {
    let mut members = Map::new();
    for part in Reader(bytes) {
        let (number, part) = part?;
        let Some(field) = table.iter().find(|field| field.number == number) else { continue };
        let value = value(&field.shape, part)?;
        match (&field.shape, value) {
            (_, Value::Null) => {}
            (Shape::TextMap | Shape::BytesMap, Value::Object(entry)) => {
                if let Value::Object(map) =
                    members.entry(field.name).or_insert_with(|| Value::Object(Map::new()))
                {
                    map.extend(entry);
                }
            }
            (Shape::Texts | Shape::Messages(_), value) => {
                if let Value::Array(items) =
                    members.entry(field.name).or_insert_with(|| Value::Array(Vec::new()))
                {
                    items.push(value);
                }
            }
            (_, value) => {
                members.insert(field.name.into(), value);
            }
        }
    }
    Some(members)
}

fn value(shape: &Shape, part: Part<'_>) -> Option<Value> {
    Some(match (shape, part) {
        (Shape::Text, Part::Bytes([])) | (Shape::Number, Part::Number(0)) => Value::Null,
        (Shape::Text | Shape::Texts, Part::Bytes(text)) => {
            String::from_utf8(text.into()).ok()?.into()
        }
        // Negative numbers are written as their two's complement.
        (Shape::Number, Part::Number(number)) => number.cast_signed().into(),
        (Shape::Flag, Part::Number(number)) => (number != 0).into(),
        (Shape::Time, Part::Bytes(bytes)) => time(bytes)?,
        (Shape::Json, Part::Bytes(bytes)) => {
            let raw = Reader(bytes).next()??;
            let (1, Part::Bytes(json)) = raw else { return None };
            serde_json::from_slice(json).ok()?
        }
        (Shape::Message(table) | Shape::Messages(table), Part::Bytes(bytes)) => {
            message(table, bytes)?.into()
        }
        (Shape::TextMap | Shape::BytesMap, Part::Bytes(bytes)) => entry(shape, bytes)?.into(),
        _ => return None,
    })
}

/// One entry of a map with text keys.
fn entry(shape: &Shape, bytes: &[u8]) -> Option<Map<String, Value>> {
    let (mut key, mut value) = (String::new(), &[][..]);
    for part in Reader(bytes) {
        match part? {
            (1, Part::Bytes(text)) => key = String::from_utf8(text.into()).ok()?,
            (2, Part::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    let value = match shape {
        Shape::BytesMap => STANDARD.encode(value),
        _ => String::from_utf8(value.into()).ok()?,
    };
    Some(Map::from_iter([(key, value.into())]))
}

/// Seconds and nanoseconds; nothing stands for no time.
fn time(bytes: &[u8]) -> Option<Value> {
    if bytes.is_empty() {
        return Some(Value::Null);
    }
    let (mut seconds, mut nanoseconds) = (0, 0);
    for part in Reader(bytes) {
        match part? {
            (1, Part::Number(number)) => seconds = number.cast_signed(),
            (2, Part::Number(number)) => nanoseconds = i32::try_from(number).ok()?,
            _ => {}
        }
    }
    Some(Timestamp::new(seconds, nanoseconds).ok()?.to_string().into())
}

/// One field as it is on the wire.
enum Part<'b> {
    Number(u64),
    Bytes(&'b [u8]),
    /// Of a form that none of the tables has.
    Other,
}

/// The fields of a message in order; an item that is none ends it.
struct Reader<'b>(&'b [u8]);

impl<'b> Iterator for Reader<'b> {
    type Item = Option<(u64, Part<'b>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let part = self.part();
        if part.is_none() {
            self.0 = &[];
        }
        Some(part)
    }
}

impl<'b> Reader<'b> {
    fn part(&mut self) -> Option<(u64, Part<'b>)> {
        let tag = self.number()?;
        let part = match tag & 7 {
            0 => Part::Number(self.number()?),
            1 => self.take(8).map(|_| Part::Other)?,
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                Part::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Part::Other)?,
            _ => return None,
        };
        Some((tag >> 3, part))
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use devpocket_specs::status::Reason;
    use serde_json::json;

    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        assert!(bytes.len() < 128, "one byte of length is enough here");
        out.push(bytes.len() as u8);
        out.extend_from_slice(bytes);
        out
    }

    fn body(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let names = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), field(1, &names), field(2, raw), field(3, b""), field(4, b"")].concat()
    }

    #[test]
    fn a_secret_and_a_namespace_are_read() {
        let labels = [field(1, b"app"), field(2, b"web")].concat();
        let metadata = [field(1, b"db"), field(2, b""), field(11, &labels), field(8, b"")].concat();
        let value = [field(1, b"pw"), field(2, b"hunter2")].concat();
        let raw = [field(1, &metadata), field(2, &value), field(3, b"Opaque")].concat();
        let read = decode(&body("v1", "Secret", &raw)).unwrap();
        assert_eq!(
            read,
            json!({
                "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
                "metadata": {"name": "db", "labels": {"app": "web"}},
                "data": {"pw": "aHVudGVyMg=="},
            })
        );
    }

    #[test]
    fn a_question_about_rights_is_read() {
        let resource = [field(2, b"get"), field(3, b"devpocket.dev"), field(5, b"environments")];
        let raw = [field(1, b""), field(2, &field(1, &resource.concat())), field(3, b"")].concat();
        let kind = "SelfSubjectAccessReview";
        let read = decode(&body("authorization.k8s.io/v1", kind, &raw)).unwrap();
        let expected = json!({"verb": "get", "group": "devpocket.dev", "resource": "environments"});
        assert_eq!(read["spec"]["resourceAttributes"], expected);
    }

    #[test]
    fn what_is_cut_short_or_strange_is_refused() {
        let whole = body("v1", "Namespace", &field(1, &field(1, b"team-b")));
        assert_eq!(decode(&whole).unwrap()["metadata"]["name"], "team-b");
        let mut refused = 0;
        for end in 0..whole.len() {
            // A message without its last fields is a message; it must only never be misread.
            match decode(&whole[..end]) {
                Err(status) => {
                    assert_eq!(status.reason, Reason::BadRequest);
                    refused += 1;
                }
                Ok(read) => assert!(!read["metadata"]["name"].is_string() || end > 20, "{read}"),
            }
        }
        assert!(refused > 20, "{refused}");
        assert!(decode(&body("apps/v1", "Deployment", b"")).unwrap_err().message.contains("JSON"));
        assert!(decode(&[&MAGIC[..], &[0xff; 40]].concat()).is_err());
    }
}
