use super::unknown::member_schema;
use super::*;

/// Keywords a structural schema of this project may hold.
const KEYWORDS: [&str; 18] = [
    "type",
    "description",
    "default",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "enum",
    "nullable",
    "format",
    "properties",
    "required",
    "items",
    "additionalProperties",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    PRESERVE,
];

/// Kubernetes' rules for structural schemas, as far as they concern what is derived here.
fn assert_structural(node: &Value, path: &str) {
    let members = node.as_object().unwrap_or_else(|| panic!("{path} is no schema: {node}"));
    for keyword in members.keys() {
        assert!(KEYWORDS.contains(&keyword.as_str()), "{path} has {keyword}");
    }
    let r#type = node.get("type").and_then(Value::as_str);
    assert!(r#type.is_some() || node.get(PRESERVE).is_some(), "{path} has no type");
    let both = node.get("properties").is_some() && node.get("additionalProperties").is_some();
    assert!(!both, "{path} has properties and additionalProperties");
    match r#type {
        Some("array") => assert_structural(&node["items"], &format!("{path}[]")),
        Some("object") => {
            let described = ["properties", "additionalProperties", PRESERVE];
            assert!(described.iter().any(|key| node.get(key).is_some()), "{path} takes nothing");
        }
        _ => {}
    }
    for (name, member) in node.get("properties").and_then(Value::as_object).into_iter().flatten() {
        assert_structural(member, &format!("{path}.{name}"));
    }
    for name in node.get("required").and_then(Value::as_array).into_iter().flatten() {
        let name = name.as_str().unwrap();
        assert!(member_schema(node, name).is_some(), "{path} requires {name}, which it lacks");
    }
    if let Some(values) = node.get("additionalProperties") {
        assert_structural(values, &format!("{path}{{}}"));
    }
}

#[test]
fn every_schema_is_structural() {
    for kind in Kind::all() {
        assert_structural(schema(kind), kind.info().name);
    }
}

/// What Kubernetes checks of a definition beyond its structure when it is created.
fn assert_acceptable(node: &Value, path: &str) {
    let r#type = node.get("type").and_then(Value::as_str).unwrap_or_default();
    if let Some(default) = node.get("default") {
        let fits = match r#type {
            "string" => default.is_string(),
            "integer" => default.is_i64() || default.is_u64(),
            "number" => default.is_number(),
            "boolean" => default.is_boolean(),
            "array" => default.is_array(),
            "object" => default.is_object(),
            _ => true,
        };
        assert!(fits || default.is_null() && node.get("nullable").is_some(), "{path}: {default}");
        let allowed = node.get("enum").and_then(Value::as_array);
        assert!(allowed.is_none_or(|all| all.contains(default)), "{path}: {default}");
        assert!(unknown_in(node, default).is_empty(), "{path}: {default}");
    }
    for key in
        node.get("x-kubernetes-list-map-keys").and_then(Value::as_array).into_iter().flatten()
    {
        let items = &node["items"];
        let required = items["required"].as_array().is_some_and(|names| names.contains(key));
        let member = &items["properties"][key.as_str().unwrap()];
        assert!(required || member.get("default").is_some(), "{path}: key {key} may be missing");
        assert!(["string", "integer", "boolean"].contains(&member["type"].as_str().unwrap()));
    }
    for (name, member) in node.get("properties").and_then(Value::as_object).into_iter().flatten() {
        assert_acceptable(member, &format!("{path}.{name}"));
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = node.get(inner) {
            assert_acceptable(inner, &format!("{path}[]"));
        }
    }
}

/// Members of a default that its schema would prune.
fn unknown_in(node: &Value, default: &Value) -> Vec<String> {
    let members = default.as_object().into_iter().flatten();
    members.map(|(n, _)| n.clone()).filter(|n| member_schema(node, n).is_none()).collect()
}

#[test]
fn kubernetes_would_take_the_definitions() {
    for kind in Kind::all() {
        let version = &crd(kind)["spec"]["versions"][0];
        let schema = &version["schema"]["openAPIV3Schema"];
        assert_acceptable(schema, kind.info().name);
        // Of metadata a definition may say nothing but that it is an object.
        assert_eq!(schema["properties"]["metadata"], json!({ "type": "object" }), "{kind}");
        let columns = version["additionalPrinterColumns"].as_array().unwrap();
        assert!(columns.iter().all(|column| column["jsonPath"].as_str().unwrap().starts_with('.')));
    }
}

#[test]
fn documented_choices_become_one_enum() {
    let power = &schema(Kind::Environment)["properties"]["spec"]["properties"]["reclaim"];
    assert_eq!(power["enum"], json!(["Pool", "CancelAtTermEnd", "Retain"]));
    assert_eq!(power["default"], "Pool");
    let text = power["description"].as_str().unwrap();
    assert!(text.starts_with("What becomes of the paid machine"), "{text}");
    assert!(text.contains("Retain: Left exactly as it is"), "{text}");
}

#[test]
fn every_column_shows_a_field() {
    for kind in Kind::all() {
        for column in columns(kind) {
            let mut node = schema(kind);
            let path = column.path.split("[?").next().unwrap();
            for name in path.split('.').filter(|name| !name.is_empty()) {
                node = member_schema(node, name)
                    .unwrap_or_else(|| panic!("{kind} has no {}", column.path));
            }
        }
    }
}

#[test]
fn a_field_is_explained_from_its_text() {
    let docs = field_docs(Kind::Environment, "spec.env").unwrap();
    assert_eq!(docs.r#type, "[]object");
    assert_eq!(docs.doc, "Environment variables of the `dev` user.");
    let names: Vec<&str> = docs.fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["name", "value", "valueFrom"]);
    assert!(docs.fields[0].1.required && !docs.fields[1].1.required);
    let power = field_docs(Kind::Environment, "spec.power").unwrap();
    assert_eq!(power.allowed, ["Running", "Stopped"]);
    assert_eq!(power.default.as_deref(), Some("\"Running\""));
    assert!(field_docs(Kind::Environment, "spec.env[0].valueFrom.secretKeyRef.key").is_some());
    let until = field_docs(Kind::Environment, "spec.paused.until").unwrap();
    assert_eq!(until.r#type, "date-time");
    assert_eq!(field_docs(Kind::Environment, "spec.powr"), None);
    let kind = field_docs(Kind::Machine, "").unwrap();
    assert_eq!(kind.doc, "One instance in the account, bought by us or not.");
}

#[test]
fn unknown_fields_are_found_and_pruned() {
    let mut document = json!({
        "apiVersion": "devpocket.dev/v1alpha1",
        "metadata": { "name": "x", "lables": {} },
        "spec": {
            "siez": "x",
            "env": [{ "name": "A", "vlaue": "1" }],
            "parameters": { "anything": { "goes": [1] } },
        },
        "extra": 1,
    });
    let found: Vec<String> = unknown_fields(Kind::Environment, &document)
        .into_iter()
        .map(|field| format!("{} {}", field.path, field.nearest.unwrap_or_default()))
        .collect();
    assert_eq!(
        found,
        ["extra ", "metadata.lables labels", "spec.env[0].vlaue value", "spec.siez size"]
    );
    prune_unknown(Kind::Environment, &mut document);
    assert_eq!(unknown_fields(Kind::Environment, &document), []);
    assert_eq!(document["spec"]["parameters"]["anything"]["goes"], json!([1]));
    assert_eq!(document["spec"]["env"], json!([{ "name": "A" }]));
}

#[test]
fn a_short_name_is_not_taken_for_any_other() {
    let names = ["size", "region", "power", "env"];
    let nearest = |asked| nearest_name(asked, names.into_iter());
    assert_eq!(nearest("sizes").as_deref(), Some("size"));
    assert_eq!(nearest("REGION").as_deref(), Some("region"));
    assert_eq!(nearest("pwoer").as_deref(), Some("power"));
    assert_eq!(nearest("enx").as_deref(), Some("env"));
    assert_eq!(nearest("xyz"), None);
    assert_eq!(nearest(""), None);
}
