//! Makes a document fit the path it was sent to: kind, namespace and name agree, and fields the
//! kind does not have are dealt with as the client asked.

use devpocket_specs::schema::{prune_unknown, unknown_fields};
use devpocket_specs::status::{Cause, Reason, Status};
use serde_json::{Map, Value};

use super::body::Document;
use super::call::Call;
use super::events;
use super::params::{FieldValidation, bad};
use super::path::ResourcePath;

/// A whole object for this path, with the warnings its answer carries.
///
/// Under `Strict`, unknown fields stay: admission reports them together with every other fault.
pub(super) fn object(
    call: &Call,
    resource: &ResourcePath,
    document: Document,
) -> Result<(Value, Vec<String>), Status> {
    let (mut value, warnings) = fields(call, resource, document)?;
    let kind = resource.kind;
    agree(&mut value, "apiVersion", &kind.api_version(), "API version")?;
    agree(&mut value, "kind", kind.info().name, "kind")?;
    if let Some(object) = value.as_object_mut() {
        let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        if metadata.is_null() {
            *metadata = Value::Object(Map::new());
        }
        if !metadata.is_object() {
            return Err(bad("metadata is an object"));
        }
        if kind.is_namespaced() {
            agree(metadata, "namespace", &resource.namespace, "namespace")?;
        }
        if !resource.name.is_empty() {
            agree(metadata, "name", &resource.name, "name")?;
        }
    }
    Ok((value, warnings))
}

/// An object or a merge patch: only its fields are looked at.
pub(super) fn fields(
    call: &Call,
    resource: &ResourcePath,
    document: Document,
) -> Result<(Value, Vec<String>), Status> {
    let Document { mut value, repeated } = document;
    if resource.new_events {
        value = events::inward(value);
    }
    if !value.is_object() {
        return Err(bad("the body is a JSON or YAML object"));
    }
    let validation = call.params.field_validation;
    if validation == FieldValidation::Strict {
        return if repeated.is_empty() { Ok((value, Vec::new())) } else { Err(twice(repeated)) };
    }
    let mut warnings = Vec::new();
    if validation == FieldValidation::Warn {
        warnings.extend(repeated.iter().map(|path| format!("duplicate field {path:?}")));
        warnings.extend(unknown_fields(resource.kind, &value).iter().map(|field| {
            match &field.nearest {
                Some(near) => {
                    format!("unknown field {:?}; did you mean {near:?}?", field.path)
                }
                None => format!("unknown field {:?}", field.path),
            }
        }));
    }
    prune_unknown(resource.kind, &mut value);
    Ok((value, warnings))
}

fn twice(repeated: Vec<String>) -> Status {
    let list: Vec<String> =
        repeated.iter().map(|path| format!("duplicate field {path:?}")).collect();
    let mut status =
        Status::new(Reason::BadRequest, format!("strict decoding error: {}", list.join(", ")))
            .with_code("duplicate-field");
    status.details.causes = repeated
        .into_iter()
        .map(|field| Cause {
            reason: "FieldValueDuplicate".into(),
            message: "is there twice".into(),
            field,
            code: Some("duplicate-field".into()),
            ..Cause::default()
        })
        .collect();
    status
}

/// A member that the path decides: filled in, or the same.
fn agree(value: &mut Value, name: &str, expected: &str, what: &str) -> Result<(), Status> {
    let Some(object) = value.as_object_mut() else { return Ok(()) };
    match object.get(name) {
        None | Some(Value::Null) => {
            object.insert(name.to_owned(), expected.into());
            Ok(())
        }
        Some(Value::String(text)) if text.is_empty() || text == expected => {
            object.insert(name.to_owned(), expected.into());
            Ok(())
        }
        Some(Value::String(text)) => Err(bad(format!(
            "the {what} in the data ({text}) does not match the {what} of the request ({expected})"
        ))),
        Some(_) => Err(bad(format!("{name} is text"))),
    }
}
