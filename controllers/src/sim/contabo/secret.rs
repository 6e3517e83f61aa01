//! Secrets: passwords and public keys that orders and reinstallations name by id.
//!
//! They are copied when a machine is installed; changing one later changes no machine. Only a
//! single GET shows the value.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::audit::{AuditAction, Trail};
use super::body::SecretBody;
use super::call::Call;
use super::fault::{Drawn, FaultKind};
use super::filter::{Page, SecretFilter};
use super::reply::{Body, Reply};
use super::resource_view::SecretView;
use super::validate::{Refusal, Violations};
use super::{Contabo, Note};

/// Longest name of a secret, in characters.
pub const SECRET_NAME_LIMIT: usize = 255;
/// Shortest value, in characters.
const VALUE_LEAST: usize = 8;
/// Longest value, in characters; the document says 500, and a long RSA key has more.
const VALUE_LIMIT: usize = 4096;
const SPECIALS: &str = "!@#$^&*?_~";
const KEY_KINDS: [&str; 4] = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"];

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    pub secret_id: i64,
    pub name: String,
    pub kind: SecretKind,
    pub value: String,
    pub created: Timestamp,
    pub updated: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretKind {
    Password,
    Ssh,
}

impl SecretKind {
    pub fn as_str(self) -> &'static str {
        match self {
            SecretKind::Password => "password",
            SecretKind::Ssh => "ssh",
        }
    }
}

impl Contabo {
    pub(super) fn list_secrets(
        &self,
        filter: &SecretFilter,
        page: &Page,
        fault: Option<&FaultKind>,
    ) -> Result<Reply, Refusal> {
        let rows: Vec<&Secret> = self
            .secrets
            .values()
            .filter(|secret| {
                filter.name.as_ref().is_none_or(|name| secret.name.contains(name.as_str()))
                    && filter.kind.as_ref().is_none_or(|kind| secret.kind.as_str() == kind)
            })
            .collect();
        let rows = self.paged(rows, page, fault)?;
        let views = rows.map(|secret| SecretView { value: None, ..self.secret_view(secret) });
        Ok(Reply::read(Body::Secrets(views)))
    }

    pub(super) fn get_secret(&self, id: i64) -> Result<Reply, Refusal> {
        let secret = self.secrets.get(&id).ok_or_else(|| Refusal::not_found("Secret", id))?;
        Ok(Reply::read(Body::Secret(self.secret_view(secret))))
    }

    pub(super) fn create_secret(
        &mut self,
        call: &Call,
        body: &SecretBody,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        let kind = match body.kind.as_deref() {
            Some("password") => Ok(SecretKind::Password),
            Some("ssh") => Ok(SecretKind::Ssh),
            _ => Err("type must be one of the following values: password, ssh"),
        };
        let mut wrong = Violations::default();
        wrong.length("name", body.name.as_deref(), true, 1, SECRET_NAME_LIMIT);
        value(&mut wrong, body.value.as_deref(), true, kind.ok());
        if let Err(text) = kind {
            wrong.add(text);
        }
        wrong.done()?;
        self.last_secret += 1;
        let id = self.last_secret;
        let secret = Secret {
            secret_id: id,
            name: body.name.clone().unwrap_or_default(),
            kind: kind.unwrap_or(SecretKind::Password),
            value: body.value.clone().unwrap_or_default(),
            created: self.now,
            updated: self.now,
        };
        let note = Note::new(Trail::Secrets, AuditAction::Created, id)
            .changes(json!({}), json!({ "name": secret.name }));
        self.audit(call, drawn, note);
        let view = self.secret_view(&secret);
        self.secrets.insert(id, secret);
        Ok(Reply::accepted(201, Body::SecretCreated(view)))
    }

    pub(super) fn update_secret(
        &mut self,
        call: &Call,
        id: i64,
        body: &SecretBody,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        let old = self.secrets.get(&id).ok_or_else(|| Refusal::not_found("Secret", id))?.clone();
        let mut wrong = Violations::default();
        wrong.length("name", body.name.as_deref(), false, 1, SECRET_NAME_LIMIT);
        value(&mut wrong, body.value.as_deref(), false, Some(old.kind));
        wrong.done()?;
        let new = Secret {
            name: body.name.clone().unwrap_or(old.name.clone()),
            value: body.value.clone().unwrap_or(old.value),
            updated: self.now,
            ..old
        };
        let note = Note::new(Trail::Secrets, AuditAction::Updated, id)
            .changes(json!({ "name": old.name }), json!({ "name": new.name }));
        self.audit(call, drawn, note);
        self.secrets.insert(id, new);
        Ok(Reply::accepted(200, Body::LinksOnly))
    }

    pub(super) fn delete_secret(
        &mut self,
        call: &Call,
        id: i64,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        let secret = self.secrets.remove(&id).ok_or_else(|| Refusal::not_found("Secret", id))?;
        let note = Note::new(Trail::Secrets, AuditAction::Deleted, id)
            .changes(json!({ "name": secret.name }), json!({}));
        self.audit(call, drawn, note);
        Ok(Reply::accepted(204, Body::Empty))
    }

    /// Whether a secret of this kind has the id.
    pub(super) fn has_secret(&self, id: i64, kind: SecretKind) -> bool {
        self.secrets.get(&id).is_some_and(|secret| secret.kind == kind)
    }

    fn secret_view(&self, secret: &Secret) -> SecretView {
        SecretView {
            tenant_id: self.settings.account.tenant_id.clone(),
            customer_id: self.settings.account.customer_id.clone(),
            secret_id: secret.secret_id,
            name: secret.name.clone(),
            kind: secret.kind.as_str().to_owned(),
            value: Some(secret.value.clone()),
            created_at: secret.created,
            updated_at: secret.updated,
        }
    }
}

/// The rules for a value, which depend on the kind.
fn value(wrong: &mut Violations, value: Option<&str>, create: bool, kind: Option<SecretKind>) {
    wrong.length("value", value, create, VALUE_LEAST, VALUE_LIMIT);
    let Some(value) = value else { return };
    match kind {
        Some(SecretKind::Password) if !is_password(value) => wrong.add(
            "value must have upper and lower case letters, and a digit with two special \
             characters or three digits with one",
        ),
        Some(SecretKind::Ssh) if !KEY_KINDS.iter().any(|kind| value.starts_with(kind)) => {
            wrong.add("value must be a public SSH key");
        }
        _ => {}
    }
}

/// Upper and lower case, and one digit with two special characters or three digits with one.
fn is_password(text: &str) -> bool {
    let count = |is: &dyn Fn(char) -> bool| text.chars().filter(|c| is(*c)).count();
    let digits = count(&|c| c.is_ascii_digit());
    let specials = count(&|c| SPECIALS.contains(c));
    count(&|c| c.is_ascii_uppercase()) > 0
        && count(&|c| c.is_ascii_lowercase()) > 0
        && ((digits >= 1 && specials >= 2) || (digits >= 3 && specials >= 1))
}
