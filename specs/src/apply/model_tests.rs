//! Server-side apply against a reference so small that it can be read at a glance: an object is a
//! map from paths to values, and ownership a set of paths for each manager.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// What can be set. `e:A` is the item A of `spec.env` with its name, `e:A.value` its value, `f:p`
/// the finalizer p; the rest are members of spec.
const PATHS: [&str; 11] =
    ["a", "b", "list", "m.x", "m.y", "e:A", "e:A.value", "e:B", "e:B.value", "f:p", "f:q"];

type Values = BTreeMap<&'static str, u8>;
type Owner = (ManagerOperation, String);

#[derive(Debug, Clone, Default)]
struct Model {
    values: Values,
    owners: BTreeMap<Owner, BTreeSet<&'static str>>,
    exists: bool,
}

/// Whether `below` is `path` or inside it.
fn inside(below: &str, path: &str) -> bool {
    below.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Model {
    fn apply(&mut self, name: &str, config: &Values, force: bool) -> Result<(), BTreeSet<String>> {
        let me = (ManagerOperation::Apply, name.to_owned());
        let mut owners = self.owners.clone();
        if self.exists && owners.is_empty() {
            let before = (ManagerOperation::Update, "before-first-apply".to_owned());
            owners.insert(before, self.values.keys().copied().collect());
        }
        let last = owners.remove(&me).unwrap_or_default();
        let changed: Vec<_> = config
            .iter()
            .filter(|(path, value)| self.values.get(*path) != Some(value))
            .map(|(path, _)| *path)
            .collect();
        let lost = owners.values().flat_map(|o| changed.iter().filter(|p| o.contains(**p)));
        let conflicts: BTreeSet<_> = lost.map(|p| field(p).remove(0)).collect();
        if !force && !conflicts.is_empty() {
            return Err(conflicts);
        }
        self.values.extend(config.iter().map(|(p, v)| (*p, *v)));
        for path in last {
            let wanted = |p: &&str| inside(p, path);
            if !config.keys().any(&wanted) && !owners.values().flatten().any(wanted) {
                self.values.retain(|p, _| !inside(p, path));
            }
        }
        for owned in owners.values_mut() {
            owned.retain(|p| !changed.contains(p) && self.values.contains_key(p));
        }
        owners.insert(me, config.keys().copied().collect());
        owners.retain(|_, owned| !owned.is_empty());
        self.owners = owners;
        self.exists = true;
        Ok(())
    }

    fn update(&mut self, name: &str, new: &Values) {
        let changed: Vec<_> =
            PATHS.into_iter().filter(|p| self.values.get(p) != new.get(p)).collect();
        for owned in self.owners.values_mut() {
            owned.retain(|p| !changed.contains(p));
        }
        let me = (ManagerOperation::Update, name.to_owned());
        let mine = changed.iter().copied().filter(|p| new.contains_key(p));
        self.owners.entry(me).or_default().extend(mine);
        self.owners.retain(|_, owned| !owned.is_empty());
        self.values.clone_from(new);
        self.exists = true;
    }
}

fn object(values: &Values) -> Value {
    let mut object = json!({"metadata": {"name": "x"}, "spec": {}});
    for (path, value) in values {
        match path.split_at_checked(2) {
            Some(("e:", rest)) => {
                let (name, member) = rest.split_at(1);
                if object["spec"]["env"].is_null() {
                    object["spec"]["env"] = json!([]);
                }
                let items = object["spec"]["env"].as_array_mut().unwrap();
                match member {
                    "" => items.push(json!({"name": name})),
                    _ => items.last_mut().unwrap()["value"] = json!(value),
                }
            }
            Some(("f:", rest)) => {
                if object["metadata"]["finalizers"].is_null() {
                    object["metadata"]["finalizers"] = json!([]);
                }
                object["metadata"]["finalizers"].as_array_mut().unwrap().push(json!(rest));
            }
            Some(("m.", rest)) => object["spec"]["m"][rest] = json!(value),
            _ if *path == "list" => object["spec"]["list"] = json!([value]),
            _ => object["spec"][*path] = json!(value),
        }
    }
    // An empty object is a field of its own, which the model does not have.
    if object["spec"] == json!({}) {
        object.as_object_mut().unwrap().remove("spec");
    }
    object
}

/// The fields a path of the model stands for, as they are printed.
fn field(path: &str) -> Vec<String> {
    match path.split_at_checked(2) {
        Some(("e:", rest)) => {
            let (name, member) = rest.split_at(1);
            let item = format!(".spec.env[name={name:?}]");
            match member {
                "" => vec![item.clone(), format!("{item}.name")],
                member => vec![format!("{item}{member}")],
            }
        }
        Some(("f:", rest)) => vec![format!(".metadata.finalizers[={rest:?}]")],
        _ => vec![format!(".spec.{path}")],
    }
}

/// Comparable without order: the model has none.
fn normal(object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"].as_object_mut().unwrap().remove("managedFields");
    for list in ["/metadata/finalizers", "/spec/env"] {
        if let Some(Value::Array(items)) = object.pointer_mut(list) {
            items.sort_by_key(ToString::to_string);
        }
    }
    if object.get("spec").is_none() {
        object["spec"] = json!({});
    }
    object
}

#[derive(Debug, Clone)]
enum Step {
    Apply { manager: usize, values: Values, force: bool },
    Update { manager: usize, edits: Vec<(usize, Option<u8>)> },
}

fn values() -> impl Strategy<Value = Values> {
    prop::collection::btree_map(prop::sample::select(&PATHS[..]), 0..2u8, 0..6).prop_map(whole)
}

/// A value of an item needs the item, and items and finalizers have no value of their own.
fn whole(mut values: Values) -> Values {
    for (item, value) in [("e:A", "e:A.value"), ("e:B", "e:B.value")] {
        if values.contains_key(value) {
            values.insert(item, 0);
        }
    }
    for path in ["e:A", "e:B", "f:p", "f:q"] {
        values.entry(path).and_modify(|v| *v = 0);
    }
    values
}

fn step() -> impl Strategy<Value = Step> {
    let edit = (0..PATHS.len(), prop::option::of(0..2u8));
    prop_oneof![
        3 => (0..3usize, values(), prop::bool::weighted(0.3))
            .prop_map(|(manager, values, force)| Step::Apply { manager, values, force }),
        1 => (0..3usize, prop::collection::vec(edit, 1..4))
            .prop_map(|(manager, edits)| Step::Update { manager, edits }),
    ]
}

fn check(real: Option<&Value>, model: &Model) -> Result<(), TestCaseError> {
    let Some(real) = real else { return Ok(()) };
    prop_assert_eq!(normal(real), normal(&object(&model.values)));
    let managers = Managers::of(real);
    let real: BTreeMap<_, _> = managers
        .owned
        .iter()
        .map(|(id, o)| {
            let fields: BTreeSet<_> = walk::shown(&o.fields).into_iter().collect();
            ((id.operation, id.name.clone()), fields)
        })
        .collect();
    let model: BTreeMap<_, _> = model
        .owners
        .iter()
        .map(|(id, paths)| {
            (id.clone(), paths.iter().flat_map(|p| field(p)).collect::<BTreeSet<_>>())
        })
        .collect();
    prop_assert_eq!(real, model);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn three_managers_agree_with_the_model(steps in prop::collection::vec(step(), 1..14)) {
        let topology = Topology::default();
        let mut model = Model::default();
        let mut real: Option<Value> = None;
        for (second, step) in steps.into_iter().enumerate() {
            let now = Timestamp::from_second(1_800_000_000 + second as i64).unwrap();
            match step {
                Step::Apply { manager, values, force } => {
                    let name = ["ci", "mobile", "cli"][manager];
                    let config = object(&values);
                    let id = ManagerId::apply(name, "v1", None);
                    let write = Write { manager: &id, now, topology: &topology };
                    let result = apply(real.as_ref(), &config, write, force);
                    match (result, model.apply(name, &values, force)) {
                        (Ok(new), Ok(())) => {
                            let now = Timestamp::from_second(1_900_000_000).unwrap();
                            let later = Write { now, ..write };
                            let again = apply(Some(&new), &config, later, false);
                            prop_assert_eq!(again.unwrap(), new.clone(), "a second apply is a no-op");
                            real = Some(new);
                        }
                        (Err(ApplyError::Conflicts(conflicts)), Err(expected)) => {
                            let fields: BTreeSet<_> =
                                conflicts.0.into_iter().map(|c| c.field).collect();
                            prop_assert_eq!(fields, expected);
                        }
                        (real, model) => prop_assert!(false, "{:?} but {:?}", real, model),
                    }
                }
                Step::Update { manager, edits } => {
                    let name = ["ci", "mobile", "cli"][manager];
                    let mut values = model.values.clone();
                    for (path, value) in edits {
                        match value {
                            Some(value) => { values.insert(PATHS[path], value); }
                            None => values.retain(|p, _| !inside(p, PATHS[path])),
                        }
                    }
                    let values = whole(values);
                    let mut new = object(&values);
                    let id = ManagerId::update(name, "v1", None);
                    let write = Write { manager: &id, now, topology: &topology };
                    let fields = track_update(real.as_ref(), &new, write);
                    set_managed_fields(&mut new, fields);
                    model.update(name, &values);
                    real = Some(new);
                }
            }
            check(real.as_ref(), &model)?;
        }
    }
}
