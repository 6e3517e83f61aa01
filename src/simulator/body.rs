//! JSON bodies into the model's: types are judged here, values by the model.
//!
//! Wrong types are answered as class-validator does, all of them at once. Unknown fields are
//! ignored. An array where an object belongs (the empty object of a careless client) is refused.

use devpocket_controllers::sim::contabo::{
    AddOns, CancelInstance, CreateInstance, PatchInstance, ReinstallInstance, TagBody,
};
use serde_json::{Map, Value};

/// What is wrong with a body: a sentence, or a list of violations.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadBody {
    Sentence(String),
    Violations(Vec<String>),
}

/// An object whose fields are taken one by one, and what was wrong with them.
pub(super) struct Fields {
    object: Map<String, Value>,
    wrong: Vec<String>,
}

impl Fields {
    /// An empty body is an empty object unless one is `required`.
    pub fn parse(bytes: &[u8], required: bool) -> Result<Fields, BadBody> {
        if bytes.is_empty() && !required {
            return Ok(Fields { object: Map::new(), wrong: Vec::new() });
        }
        if bytes.is_empty() {
            return Err(BadBody::Sentence("Request body is required".to_owned()));
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(object)) => Ok(Fields { object, wrong: Vec::new() }),
            Ok(_) => Err(BadBody::Violations(vec!["Request body must be an object".to_owned()])),
            Err(error) => Err(BadBody::Sentence(format!("Request body is not JSON: {error}"))),
        }
    }

    fn take(&self, name: &str) -> Option<Value> {
        self.object.get(name).filter(|value| !value.is_null()).cloned()
    }

    fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name) {
            None => None,
            Some(Value::String(text)) => Some(text),
            Some(_) => {
                self.wrong.push(format!("{name} must be a string"));
                None
            }
        }
    }

    fn integer(&mut self, name: &str) -> Option<i64> {
        let value = self.take(name)?;
        let number = value.as_i64();
        if number.is_none() {
            self.wrong.push(format!("{name} must be an integer number"));
        }
        number
    }

    fn integers(&mut self, name: &str) -> Vec<i64> {
        let Some(value) = self.take(name) else { return Vec::new() };
        let numbers = value.as_array().and_then(|all| all.iter().map(Value::as_i64).collect());
        numbers.unwrap_or_else(|| {
            self.wrong.push(format!("each value in {name} must be an integer number"));
            Vec::new()
        })
    }

    fn add_ons(&mut self) -> AddOns {
        let mut add_ons = AddOns::default();
        match self.take("addOns") {
            None => {}
            Some(Value::Object(wanted)) => {
                for (name, value) in wanted {
                    match name.as_str() {
                        _ if value.is_null() => {}
                        "privateNetworking" => add_ons.private_networking = true,
                        "additionalIps" => add_ons.additional_ips = true,
                        "backup" => add_ons.backup = true,
                        _ => add_ons.unsupported.push(name),
                    }
                }
            }
            Some(_) => self.wrong.push("addOns must be an object".to_owned()),
        }
        add_ons
    }

    fn done<T>(self, body: T) -> Result<T, BadBody> {
        if self.wrong.is_empty() { Ok(body) } else { Err(BadBody::Violations(self.wrong)) }
    }
}

pub(super) fn create(mut fields: Fields) -> Result<CreateInstance, BadBody> {
    let body = CreateInstance {
        image_id: fields.text("imageId"),
        product_id: fields.text("productId"),
        region: fields.text("region"),
        ssh_keys: fields.integers("sshKeys"),
        root_password: fields.integer("rootPassword"),
        user_data: fields.text("userData"),
        license: fields.text("license"),
        period: fields.integer("period"),
        display_name: fields.text("displayName"),
        default_user: fields.text("defaultUser"),
        add_ons: fields.add_ons(),
        application_id: fields.text("applicationId"),
    };
    fields.done(body)
}

pub(super) fn reinstall(mut fields: Fields) -> Result<ReinstallInstance, BadBody> {
    let body = ReinstallInstance {
        image_id: fields.text("imageId"),
        ssh_keys: fields.integers("sshKeys"),
        root_password: fields.integer("rootPassword"),
        user_data: fields.text("userData"),
        default_user: fields.text("defaultUser"),
        application_id: fields.text("applicationId"),
    };
    fields.done(body)
}

pub(super) fn patch(mut fields: Fields) -> Result<PatchInstance, BadBody> {
    let body = PatchInstance { display_name: fields.text("displayName") };
    fields.done(body)
}

pub(super) fn cancel(mut fields: Fields) -> Result<CancelInstance, BadBody> {
    let body = CancelInstance { cancel_date: fields.text("cancelDate") };
    fields.done(body)
}

pub(super) fn tag(mut fields: Fields) -> Result<TagBody, BadBody> {
    let body = TagBody {
        name: fields.text("name"),
        color: fields.text("color"),
        description: fields.text("description"),
    };
    fields.done(body)
}
