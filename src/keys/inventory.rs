//! What is sealed with which key, counted.

use std::collections::BTreeSet;

use devpocket_specs::kind::Kind;

use super::{CHECK, Found, Keys, KeysError};
use crate::access::seal::key_of;
use crate::kube::sealed_texts;

/// Everything that is sealed at this moment, by the id of its key.
pub(super) async fn count(keys: &Keys) -> Result<Found, KeysError> {
    let mut found = Found::new();
    let secrets = keys.store.list(Kind::Secret, None).await?;
    for stored in &secrets.items {
        let ids: BTreeSet<&str> = sealed_texts(stored).filter_map(key_of).collect();
        for id in ids {
            found.entry(id.to_owned()).or_default().secrets += 1;
        }
    }
    for (name, secret) in keys.postgres.system_secrets().await? {
        if let Some(id) = key_of(&secret.sealed).filter(|_| !name.starts_with(CHECK)) {
            found.entry(id.to_owned()).or_default().system.push(name);
        }
    }
    for (_, sealed) in letters(keys).await? {
        if let Some(id) = key_of(&sealed) {
            found.entry(id.to_owned()).or_default().letters += 1;
        }
    }
    Ok(found)
}

/// Letters that wait, with their sealed content.
pub(super) async fn letters(keys: &Keys) -> Result<Vec<(uuid::Uuid, String)>, KeysError> {
    let sql = "SELECT id, sealed FROM outbox WHERE sent_at IS NULL AND dead_at IS NULL ORDER BY id";
    Ok(sqlx::query_as(sql).fetch_all(keys.postgres.pool()).await?)
}
