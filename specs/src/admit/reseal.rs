//! The same Secret under another key: what it holds stays, only how it is sealed changes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Admitted, Change};
use crate::kind::Kind;
use crate::object::Object;
use crate::secret::SEALED_PREFIX;
use crate::status::{Reason, Status};

/// Replaces sealed texts of a Secret by other sealed texts: values by their key, annotations by their
/// name. Nobody becomes the manager of a field by that, and an immutable Secret stays what it is.
pub(super) fn reseal(
    old: &Object,
    values: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> Result<Admitted, Status> {
    let refused = |message: String| Err(Status::new(Reason::BadRequest, message).about(&old.key()));
    if old.kind != Kind::Secret {
        return refused(format!("a {} is not sealed", old.kind));
    }
    let is_sealed = |text: &str| text.starts_with(SEALED_PREFIX);
    let mut object = old.clone();
    for (key, sealed) in values {
        let place = object.body.get_mut("data").and_then(|data| data.get_mut(key));
        match place {
            Some(Value::String(text)) if is_sealed(text) && is_sealed(sealed) => {
                text.clone_from(sealed);
            }
            _ => return refused(format!("{key:?} is no sealed value of it")),
        }
    }
    for (name, sealed) in annotations {
        match object.metadata.annotations.get_mut(name) {
            Some(text) if is_sealed(text) && is_sealed(sealed) => text.clone_from(sealed),
            _ => return refused(format!("{name:?} is no sealed annotation of it")),
        }
    }
    let change = if object == *old { Change::None } else { Change::Update };
    Ok(Admitted { change, object, expected_revision: Some(old.revision()) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret() -> Object {
        let document = json!({
            "metadata": {
                "name": "db", "namespace": "team-a", "resourceVersion": "7",
                "annotations": {"a": "sealed:v1:old:AAAA", "b": "plain"},
            },
            "data": {"pw": "sealed:v1:old:AAAA"},
            "immutable": true,
        });
        Object::from_value(Kind::Secret, document).unwrap()
    }

    fn map(key: &str, text: &str) -> BTreeMap<String, String> {
        [(key.to_owned(), text.to_owned())].into()
    }

    #[test]
    fn only_the_seal_changes_also_of_what_is_immutable() {
        let (old, none) = (secret(), BTreeMap::new());
        let new = "sealed:v1:new:BBBB";
        let admitted = reseal(&old, &map("pw", new), &map("a", new)).unwrap();
        assert_eq!((admitted.change(), admitted.expected_revision()), (Change::Update, Some(7)));
        let object = admitted.into_object();
        assert_eq!(object.field("data"), &json!({"pw": new}));
        assert_eq!(object.metadata.annotations["a"], new);
        assert_eq!(object.metadata.managed_fields, old.metadata.managed_fields);
        let same = reseal(&old, &none, &none).unwrap();
        assert_eq!(same.change(), Change::None);
    }

    #[test]
    fn nothing_gets_in_or_out_that_way() {
        let (old, none) = (secret(), BTreeMap::new());
        let new = "sealed:v1:new:BBBB";
        for (values, annotations) in [
            (map("pw", "cGxhaW4="), none.clone()),
            (map("another", new), none.clone()),
            (none.clone(), map("b", new)),
            (none.clone(), map("a", "plain")),
        ] {
            assert!(reseal(&old, &values, &annotations).is_err(), "{values:?} {annotations:?}");
        }
        let mut namespace = old;
        namespace.kind = Kind::Namespace;
        assert!(reseal(&namespace, &map("pw", new), &none).is_err());
    }
}
