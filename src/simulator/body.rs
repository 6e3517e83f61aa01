//! JSON bodies into the model's: types are judged here, values by the model.
//!
//! Wrong types are answered as class-validator does, all of them at once. Unknown fields are
//! ignored, or refused where the account is set so. An array where an object belongs (the empty
//! object of a careless client) is refused; `null` is an empty object, as some clients send it.

use devpocket_controllers::sim::contabo::{
    ActionBody, AddOns, CancelInstance, CreateInstance, ImageBody, NetworkBody, PatchInstance,
    ReinstallInstance, SecretBody, SnapshotBody, TagBody, UnknownFields, UpgradeInstance,
};
use serde_json::{Map, Value};

/// What is wrong with a body: a sentence, or a list of violations.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadBody {
    Sentence(String),
    Violations(Vec<String>),
}

/// The bytes of a body, and what its unknown fields do.
#[derive(Clone, Copy)]
pub(super) struct Sent<'a> {
    pub bytes: &'a [u8],
    pub unknown: UnknownFields,
}

impl Sent<'_> {
    /// The fields of a body that must be there, even if it is empty.
    pub fn fields(self) -> Result<Fields, BadBody> {
        if self.bytes.is_empty() {
            return Err(BadBody::Sentence("Request body is required".to_owned()));
        }
        let object = match serde_json::from_slice(self.bytes) {
            Ok(Value::Object(object)) => object,
            Ok(Value::Null) => Map::new(),
            Ok(_) => {
                let text = "Request body must be an object".to_owned();
                return Err(BadBody::Violations(vec![text]));
            }
            Err(error) => {
                let text = format!("Request body is not JSON: {error}");
                return Err(BadBody::Sentence(text));
            }
        };
        Ok(Fields { object, wrong: Vec::new(), unknown: self.unknown })
    }
}

/// An object whose fields are taken one by one, and what was wrong with them.
pub(super) struct Fields {
    object: Map<String, Value>,
    wrong: Vec<String>,
    unknown: UnknownFields,
}

impl Fields {
    fn take(&mut self, name: &str) -> Option<Value> {
        self.object.remove(name).filter(|value| !value.is_null())
    }

    /// Whether an add-on's object is there; what is in it does not matter.
    fn add_on(&mut self, name: &str) -> bool {
        match self.take(name) {
            None => false,
            Some(Value::Object(_)) => true,
            Some(_) => {
                self.wrong.push(format!("{name} must be an object"));
                false
            }
        }
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

    fn done<T>(mut self, body: T) -> Result<T, BadBody> {
        if self.unknown == UnknownFields::Refused {
            let left = self.object.keys();
            self.wrong.extend(left.map(|name| format!("property {name} should not exist")));
        }
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

pub(super) fn action(mut fields: Fields) -> Result<ActionBody, BadBody> {
    let body = ActionBody {
        ssh_keys: fields.integers("sshKeys"),
        root_password: fields.integer("rootPassword"),
        user_data: fields.text("userData"),
    };
    fields.done(body)
}

pub(super) fn upgrade(mut fields: Fields) -> Result<UpgradeInstance, BadBody> {
    let body = UpgradeInstance {
        private_networking: fields.add_on("privateNetworking"),
        backup: fields.add_on("backup"),
    };
    fields.done(body)
}

pub(super) fn snapshot(mut fields: Fields) -> Result<SnapshotBody, BadBody> {
    let body = SnapshotBody { name: fields.text("name"), description: fields.text("description") };
    fields.done(body)
}

/// A body in which nothing is expected.
pub(super) fn nothing(fields: Fields) -> Result<(), BadBody> {
    fields.done(())
}

pub(super) fn image(mut fields: Fields) -> Result<ImageBody, BadBody> {
    let body = ImageBody {
        name: fields.text("name"),
        description: fields.text("description"),
        url: fields.text("url"),
        os_type: fields.text("osType"),
        version: fields.text("version"),
    };
    fields.done(body)
}

pub(super) fn secret(mut fields: Fields) -> Result<SecretBody, BadBody> {
    let body = SecretBody {
        name: fields.text("name"),
        value: fields.text("value"),
        kind: fields.text("type"),
    };
    fields.done(body)
}

pub(super) fn network(mut fields: Fields) -> Result<NetworkBody, BadBody> {
    let body = NetworkBody {
        name: fields.text("name"),
        region: fields.text("region"),
        description: fields.text("description"),
    };
    fields.done(body)
}
