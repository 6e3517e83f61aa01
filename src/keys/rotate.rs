//! Moving what is sealed onto the first key, a step at a time.

use std::sync::Arc;

use devpocket_controllers::store::{StoreError, Stored, Write};
use devpocket_specs::admit::{Actor, Context, Request, admit};
use devpocket_specs::kind::Kind;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};

use super::inventory::letters;
use super::{CHECK, Keys, KeysError};
use crate::access::seal::{Place, SealError, key_of};
use crate::kube::{resealed, sealed_texts};
use crate::mail::PLACE;

/// Things re-sealed in one step at most: a request that takes a second or so.
pub const STEP_MAX: usize = 500;
/// Writes under way at a time: they share transactions.
const AT_ONCE: usize = 32;
/// Names of what does not open that an answer holds at most.
const NAMED_MAX: usize = 20;

/// What a step did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The key everything is moved to.
    pub key: String,
    /// Things that this step moved, or with a dry run would have.
    pub resealed: u64,
    /// Things that are left: beyond the step, or changed by somebody meanwhile.
    pub remaining: u64,
    /// What does not open: sealed with a key that is not configured, or altered. At most 20 names.
    pub unreadable: Vec<String>,
    pub unreadable_count: u64,
}

impl Step {
    fn cannot(&mut self, name: impl std::fmt::Display, error: &SealError) {
        self.unreadable_count += 1;
        if self.unreadable.len() < NAMED_MAX {
            self.unreadable.push(format!("{name}: {error}"));
        }
    }
}

impl Keys {
    /// Moves up to `limit` things onto the first key. `remaining` of the answer says whether another
    /// step is needed.
    pub async fn step(&self, actor: &Actor, limit: usize, dry: bool) -> Result<Step, KeysError> {
        let mut step = Step { key: self.sealer.current(), ..Step::default() };
        let mut room = limit.min(STEP_MAX);
        self.system_secrets(&mut step, &mut room, dry).await?;
        self.waiting_letters(&mut step, &mut room, dry).await?;
        self.secrets(actor, &mut step, &mut room, dry).await?;
        if step.remaining == 0 && !dry {
            self.forget_unused_checks().await?;
        }
        Ok(step)
    }

    fn is_old(&self, sealed: &str) -> bool {
        key_of(sealed).is_some_and(|id| id != self.sealer.current())
    }

    async fn system_secrets(
        &self,
        step: &mut Step,
        room: &mut usize,
        dry: bool,
    ) -> Result<(), KeysError> {
        for (name, kept) in self.postgres.system_secrets().await? {
            if name.starts_with(CHECK) || !self.is_old(&kept.sealed) {
                continue;
            }
            let place = Place::system(&name);
            let value = match self.sealer.open(place, &kept.sealed) {
                Ok(value) => value,
                Err(error) => {
                    step.cannot(format!("system secret {name}"), &error);
                    continue;
                }
            };
            if *room == 0 {
                step.remaining += 1;
                continue;
            }
            *room -= 1;
            if !dry {
                let sealed = self.sealer.seal(place, &value)?;
                let now = self.postgres.put_system_secret(&name, &sealed, kept.version).await?;
                if now.sealed != sealed {
                    step.remaining += 1;
                    continue;
                }
            }
            step.resealed += 1;
        }
        Ok(())
    }

    async fn waiting_letters(
        &self,
        step: &mut Step,
        room: &mut usize,
        dry: bool,
    ) -> Result<(), KeysError> {
        for (id, old) in letters(self).await?.into_iter().filter(|(_, old)| self.is_old(old)) {
            let text = id.to_string();
            let place = Place { namespace: "", name: PLACE, key: &text };
            let value = match self.sealer.open(place, &old) {
                Ok(value) => value,
                Err(error) => {
                    step.cannot(format!("letter {id}"), &error);
                    continue;
                }
            };
            if *room == 0 {
                step.remaining += 1;
                continue;
            }
            *room -= 1;
            if !dry {
                // One that was sent meanwhile is not sealed any more; the condition leaves it so.
                sqlx::query("UPDATE outbox SET sealed = $2 WHERE id = $1 AND sealed = $3")
                    .bind(id)
                    .bind(self.sealer.seal(place, &value)?)
                    .bind(&old)
                    .execute(self.postgres.pool())
                    .await?;
            }
            step.resealed += 1;
        }
        Ok(())
    }

    async fn secrets(
        &self,
        actor: &Actor,
        step: &mut Step,
        room: &mut usize,
        dry: bool,
    ) -> Result<(), KeysError> {
        let listing = self.store.list(Kind::Secret, None).await?;
        let mut writes = Vec::new();
        for stored in &listing.items {
            if !sealed_texts(stored).any(|text| self.is_old(text)) {
                continue;
            }
            let request = match resealed(&self.sealer, stored) {
                Ok(request) => request,
                Err(error) => {
                    step.cannot(stored.key(), &error);
                    continue;
                }
            };
            if *room == 0 {
                step.remaining += 1;
                continue;
            }
            *room -= 1;
            match dry {
                true => step.resealed += 1,
                false => writes.push(self.write(actor, stored.clone(), request)),
            }
        }
        let mut written = futures::stream::iter(writes).buffer_unordered(AT_ONCE);
        while let Some(outcome) = written.next().await {
            match outcome {
                Ok(()) => step.resealed += 1,
                // Somebody was faster: it is looked at again, or is gone.
                Err(StoreError::Conflict(_) | StoreError::NotFound(_)) => step.remaining += 1,
                // Looked at again as well: if it was written, there is nothing left to do.
                Err(StoreError::Ambiguous(_)) => step.remaining += 1,
                Err(other) => return Err(other.into()),
            }
        }
        Ok(())
    }

    async fn write(
        &self,
        actor: &Actor,
        stored: Arc<Stored>,
        request: Request,
    ) -> Result<(), StoreError> {
        let context = Context {
            actor,
            now: self.clock.now(),
            uid: self.ids.uid(),
            catalogue: &self.catalogue,
        };
        let admitted = admit(Some(&stored), request, &context)
            .map_err(|status| StoreError::Corrupt(status.message))?;
        self.store.write(Write::new(admitted, actor.clone())).await.map(drop)
    }

    /// Check values of keys that are not configured and that nothing is sealed with any more.
    async fn forget_unused_checks(&self) -> Result<(), KeysError> {
        let keys = self.inventory(false).await?;
        for (name, _) in self.postgres.system_secrets().await? {
            let Some(id) = name.strip_prefix(CHECK) else { continue };
            if !keys.iter().any(|key| key.id == id) {
                self.postgres.remove_system_secret(&name).await?;
            }
        }
        Ok(())
    }
}
