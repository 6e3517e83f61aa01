//! `devpocket schema`: the JSON Schema of a kind, as editors and checks in CI read it.

use clap::Args;
use devpocket_specs::kind::Kind;
use devpocket_specs::schema::{PRESERVE, schema};
use serde_json::{Map, Value, json};

use crate::cli::error::{Outcome, exit};
use crate::cli::output::{Cell, Format, Ink, Table};
use crate::cli::session::Session;
use crate::cli::target::kind_of;

/// The dialect every editor knows.
const DIALECT: &str = "http://json-schema.org/draft-07/schema#";
/// What the server fills in: shown by editors, not asked for.
const READ_ONLY: [&str; 2] = ["status", "metadata/managedFields"];

/// Print the JSON Schema of a kind, for editors and for checks in CI.
#[derive(Args, Debug)]
#[command(
    before_help = "Example:\n  devpocket schema environment\n  devpocket schema --all",
    after_help = "In an editor with the YAML language server (VS Code, Neovim, Helix, Zed): save\n\
                  the output of --all as devpocket.schema.json and begin files with\n  \
                  # yaml-language-server: $schema=devpocket.schema.json"
)]
pub struct SchemaArgs {
    /// The kind; without it the kinds there are
    #[arg(value_name = "KIND", conflicts_with = "all")]
    kind: Option<String>,
    /// One schema for files that hold any of the kinds
    #[arg(long)]
    all: bool,
}

pub fn run(session: &Session, args: &SchemaArgs) -> Outcome {
    let output = &session.output;
    match &args.kind {
        Some(word) => print(session, &of_kind(kind_of(word)?)),
        None if args.all => print(session, &of_all()),
        None if output.format.is_document() => {
            let items: Vec<Value> = Kind::all().map(known).collect();
            output.document(&json!({"items": items}));
        }
        None if output.format == Format::Name => {
            Kind::all().for_each(|kind| output.line(kind.info().singular));
        }
        None => {
            let mut table = Table::new(&["*KIND", "*API-VERSION", "ALSO-CALLED"]);
            for kind in Kind::all() {
                let info = kind.info();
                let mut names = vec![info.plural];
                names.extend(info.short_names);
                table.row(vec![
                    Cell::new(info.singular).ink(Ink::Bold),
                    Cell::new(kind.api_version()),
                    Cell::new(names.join(", ")),
                ]);
            }
            output.table(&table);
            output.hint("One of them: devpocket schema environment. All in one: schema --all");
        }
    }
    Ok(exit::DONE)
}

fn known(kind: Kind) -> Value {
    let info = kind.info();
    json!({
        "kind": info.name,
        "apiVersion": kind.api_version(),
        "names": [info.singular, info.plural],
        "shortNames": info.short_names,
        "namespaced": kind.is_namespaced(),
    })
}

/// JSON is what editors read; YAML only for who asks for it.
fn print(session: &Session, schema: &Value) {
    if session.output.format == Format::Yaml {
        session.output.document(schema);
    } else {
        session.output.line(format!("{schema:#}"));
    }
}

fn of_kind(kind: Kind) -> Value {
    let mut schema = body(kind);
    schema["$schema"] = DIALECT.into();
    schema["title"] = kind.info().name.into();
    schema
}

/// The kind of a document decides which schema it has to fit.
fn of_all() -> Value {
    let name = |kind: Kind| kind.info().name;
    let cases: Vec<Value> = Kind::all()
        .map(|kind| {
            json!({
                "if": {"properties": {"kind": {"const": name(kind)}}, "required": ["kind"]},
                "then": {"$ref": format!("#/definitions/{}", name(kind))},
            })
        })
        .collect();
    let definitions: Map<String, Value> =
        Kind::all().map(|kind| (name(kind).to_owned(), body(kind))).collect();
    json!({
        "$schema": DIALECT,
        "title": "DevPocket",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"enum": Kind::all().map(name).collect::<Vec<_>>()},
        },
        "allOf": cases,
        "definitions": definitions,
    })
}

/// A kind's schema as a plain one: closed, and with its own type.
fn body(kind: Kind) -> Value {
    let mut schema = schema(kind).clone();
    plain(&mut schema);
    let properties = &mut schema["properties"];
    properties["apiVersion"]["const"] = kind.api_version().into();
    properties["kind"]["const"] = kind.info().name.into();
    for path in READ_ONLY {
        let pointer = path.split('/').collect::<Vec<_>>().join("/properties/");
        if let Some(field) = properties.pointer_mut(&format!("/{pointer}")) {
            field["readOnly"] = true.into();
        }
    }
    let mut required: Vec<Value> = vec!["apiVersion".into(), "kind".into(), "metadata".into()];
    let own = schema["required"].as_array().cloned().unwrap_or_default();
    required.extend(own.into_iter().filter(|name| name != "status"));
    required.dedup();
    schema["required"] = required.into();
    schema
}

/// Kubernetes' own keywords in those of JSON Schema: a field that is not listed is a mistake, and
/// what may be null says so.
fn plain(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    let open = members.get(PRESERVE).is_some_and(|open| open == true);
    members.retain(|name, _| !name.starts_with("x-kubernetes-"));
    if members.contains_key("properties") && !open {
        members.entry("additionalProperties").or_insert(false.into());
    }
    if members.remove("nullable").is_some_and(|nullable| nullable == true)
        && let Some(one) = members.get("type").cloned()
    {
        members.insert("type".into(), json!([one, "null"]));
    }
    for name in ["items", "additionalProperties"] {
        if let Some(inner) = members.get_mut(name) {
            plain(inner);
        }
    }
    if let Some(Value::Object(fields)) = members.get_mut("properties") {
        fields.values_mut().for_each(plain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_field_is_a_mistake_and_free_maps_stay_free() {
        let environment = of_kind(Kind::Environment);
        assert_eq!(environment["properties"]["spec"]["additionalProperties"], false);
        let labels = &environment["properties"]["metadata"]["properties"]["labels"];
        assert_eq!(labels["additionalProperties"]["type"], "string");
        assert!(!environment.to_string().contains("x-kubernetes-"));
    }

    #[test]
    fn every_kind_is_in_the_one_for_all() {
        let all = of_all();
        assert_eq!(all["allOf"].as_array().map(Vec::len), Some(Kind::all().count()));
        for kind in Kind::all() {
            let own = &all["definitions"][kind.info().name]["properties"]["kind"]["const"];
            assert_eq!(own, kind.info().name);
        }
    }
}
