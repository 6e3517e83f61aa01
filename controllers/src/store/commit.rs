//! What committing a write means, decided once for every store.
//!
//! All of it is pure: a store fetches what is needed in its transaction, asks here whether the
//! write may happen, and here what it becomes. So the in-memory store cannot be kinder than
//! Postgres by accident.

use std::sync::Arc;

use devpocket_specs::admit::Change;
use devpocket_specs::object::Object;

use super::{EventType, Fence, Guard, Revision, StoreError, Stored, WatchEvent, Write};

/// Largest serialised object: Kubernetes' own limit (etcd's request size) is 1.5 MiB.
pub const OBJECT_BYTES_MAX: usize = 1_536 * 1024;

/// Compares the write with the object that is there now.
pub fn check(write: &Write, current: Option<&Stored>) -> Result<(), StoreError> {
    let key = write.admitted.key();
    match (write.admitted.change(), current) {
        (Change::Create, None) => Ok(()),
        (Change::Create, Some(_)) => Err(StoreError::AlreadyExists(key)),
        (_, None) => Err(StoreError::NotFound(key)),
        (_, Some(current)) => {
            if write.admitted.expected_revision() == Some(current.revision()) {
                Ok(())
            } else {
                Err(StoreError::Conflict(key))
            }
        }
    }
}

/// Refuses what no store can hold, before it reaches one: in Postgres it would fail the whole
/// batch it travels in.
fn storable(write: &Write, stored: &Stored) -> Result<(), StoreError> {
    let refuse = |message: String| Err(StoreError::Unstorable { key: stored.key(), message });
    if stored.bytes.len() > OBJECT_BYTES_MAX {
        return refuse(format!(
            "it is {} bytes long, and {OBJECT_BYTES_MAX} bytes are the most",
            stored.bytes.len()
        ));
    }
    let actor = &write.actor;
    let said = [&actor.user, &actor.manager, &actor.request_id];
    let nul = said.into_iter().chain(&actor.address).any(|text| text.contains('\0'));
    if nul || has_nul(&stored.bytes) {
        return refuse("it contains a NUL character".to_owned());
    }
    Ok(())
}

/// Whether JSON text as serde_json writes it has a NUL in one of its texts: `\u0000`, and not the
/// six characters themselves, of which the first would be written twice.
fn has_nul(json: &[u8]) -> bool {
    const ESCAPED: &[u8] = b"\\u0000";
    let mut rest = json;
    while let Some(at) = memchr::memmem::find(rest, ESCAPED) {
        let before = rest[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
        if before % 2 == 0 {
            return true;
        }
        rest = &rest[at + ESCAPED.len()..];
    }
    false
}

/// The write as it is committed at `revision`; refused if no store can hold it.
pub fn event(
    write: &Write,
    revision: Revision,
    previous: Option<Arc<Stored>>,
) -> Result<WatchEvent, StoreError> {
    let mut object = write.admitted.object().clone();
    object.metadata.resource_version = Some(revision.to_string());
    let event = match write.admitted.change() {
        Change::Create => EventType::Added,
        Change::Update | Change::None => EventType::Modified,
        Change::Delete => EventType::Deleted,
    };
    let stored = Stored::new(object);
    storable(write, &stored)?;
    Ok(WatchEvent { revision, event, object: Arc::new(stored), previous })
}

/// Whether the writer still holds the lease.
pub fn check_fence(fence: &Fence, lease: Option<&Object>) -> Result<(), StoreError> {
    let epoch = lease.and_then(|lease| lease.field("spec")["leaseTransitions"].as_i64());
    if epoch == Some(i64::from(fence.epoch)) {
        Ok(())
    } else {
        Err(StoreError::Fenced { lease: fence.lease.clone(), epoch: fence.epoch })
    }
}

/// The text at a JSON pointer into the whole document; none if there is no string.
pub fn text_at(object: &Object, pointer: &str) -> Option<String> {
    let rest = pointer.strip_prefix('/')?;
    let (first, rest) = match rest.split_once('/') {
        Some((first, rest)) => (first, format!("/{rest}")),
        None => (rest, String::new()),
    };
    let metadata;
    let field = if first == "metadata" {
        metadata = serde_json::to_value(&object.metadata).ok()?;
        &metadata
    } else {
        object.body.get(&first.replace("~1", "/").replace("~0", "~"))?
    };
    Some(field.pointer(&rest)?.as_str()?.to_owned())
}

/// The refusal of a guard that does not hold.
pub fn refusal(guard: &Guard) -> StoreError {
    let (code, message) = match guard {
        Guard::CountBelow { code, message, .. } => (code.clone(), message.clone()),
        Guard::Unique { kind, namespace, pointer, value, .. } => (
            "name-taken".to_owned(),
            format!(
                "another {} in namespace {namespace} has {value:?} as {}",
                kind.info().singular,
                pointer.trim_start_matches('/').replace('/', "."),
            ),
        ),
        Guard::Exists { key } => {
            ("missing".to_owned(), format!("{key} does not exist or is being deleted"))
        }
        Guard::Unchanged { key, .. } => {
            ("changed".to_owned(), format!("{key} was changed since this was decided"))
        }
    };
    StoreError::Guard { code, message }
}

/// Decides the guards that look at one object; the caller counts for the other two.
pub fn keyed_guard_holds(guard: &Guard, object: Option<&Object>) -> bool {
    match guard {
        Guard::Exists { .. } => object.is_some_and(|o| !o.metadata.is_deleting()),
        Guard::Unchanged { revision, .. } => object.is_some_and(|o| o.revision() == *revision),
        Guard::CountBelow { .. } | Guard::Unique { .. } => true,
    }
}

/// The refusal of a watch that starts after the latest revision: its reader saw a newer store
/// than this one, as after a restore of an older backup, and would miss changes silently.
pub fn ahead(requested: Revision, current: Revision) -> StoreError {
    StoreError::Unavailable(format!(
        "revision {requested} is in the future, the latest is {current}"
    ))
}

#[cfg(test)]
mod tests {
    use super::has_nul;

    /// Breaks without it: a text about `\u0000` cannot be stored, or a NUL fails a whole batch.
    #[test]
    fn a_nul_is_told_from_a_text_that_speaks_of_one() {
        for (text, has) in [
            ("plain", false),
            ("a\0b", true),
            ("\\u0000", false),
            ("\\\0", true),
            ("\\\\u0000", false),
            ("\\u0000 and \0", true),
        ] {
            let json = serde_json::to_vec(&serde_json::json!({ "note": text })).unwrap();
            assert_eq!(has_nul(&json), has, "{text:?}");
        }
    }
}
