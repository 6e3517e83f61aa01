//! Keeping the mark in the account, and comparing it.

use devpocket_specs::installation::{Installation, Mark};

use super::mark::{self, Comparison};
use super::run::{Inventory, InventoryError};
use crate::cloud::{Call, CloudError, Priority, Tag};
use crate::manager::mirrors::installation_key;
use crate::operation::token::trace_id;

/// More pages of tags than this are not read.
const TAG_PAGES: u32 = 50;

impl Inventory {
    /// Compares the marks, once in a term and for as long as they do not agree; `None` when it
    /// was done before.
    pub(super) async fn compare_marks(
        &self,
        installation: &Installation,
    ) -> Result<Option<Comparison>, InventoryError> {
        let again = super::account::is_behind(&installation.status);
        if self.lock().checked && !again {
            return Ok(None);
        }
        let comparison = self.compare(installation).await?;
        if let Comparison::Current { up_to_date, .. } = comparison {
            self.lock().mark_stale = !up_to_date;
        }
        Ok(Some(comparison))
    }

    async fn compare(&self, installation: &Installation) -> Result<Comparison, CloudError> {
        let tags = self.tags().await?;
        let account = mark::find(&tags, &installation.spec.id);
        Ok(mark::compare(account, installation.status.mark.as_ref()))
    }

    async fn tags(&self) -> Result<Vec<Tag>, CloudError> {
        let mut tags = Vec::new();
        let mut page = 1;
        loop {
            let listed = self.term.cloud.tags(page).await?;
            tags.extend(listed.items);
            if page >= listed.total_pages.min(TAG_PAGES) {
                return Ok(tags);
            }
            page += 1;
        }
    }

    /// Moves the mark on when operations were issued since: in the database first, so that the
    /// account never knows more than it, then in the account.
    pub(super) async fn keep_mark(&self) -> Result<(), InventoryError> {
        let Some(around) = self.around() else { return Ok(()) };
        // As of now, not as the mirror has it: the holds were written a moment ago.
        let Some(installation) = self.term.client.get::<Installation>(&installation_key()).await?
        else {
            return Ok(());
        };
        let held = !installation.status.holds.is_empty() || installation.spec.paused.is_some();
        let known = installation.status.mark.as_ref();
        let operations = around.operations.iter().map(AsRef::as_ref);
        let due = mark::due(known, operations, self.term.now());
        let stale = self.lock().mark_stale;
        if held || (due.is_none() && !stale) {
            return Ok(());
        }
        let tag_id = match self.compare(&installation).await? {
            Comparison::Current { tag_id, .. } => tag_id,
            Comparison::Behind { .. } => {
                // Somebody else marked the account meanwhile: compared again by the next sweep.
                self.lock().checked = false;
                return Ok(());
            }
        };
        let Some(mut next) = due.or_else(|| known.cloned()) else {
            return Ok(());
        };
        next.tag_id = tag_id.unwrap_or(next.tag_id);
        self.lock().mark_stale = true;
        let record = |i: &mut Installation| i.status.mark = Some(next.clone());
        self.term.client.edit_status(&installation_key(), record).await?;
        self.write_mark(&installation.spec.id, &next, tag_id).await
    }

    async fn write_mark(
        &self,
        installation: &str,
        mark: &Mark,
        tag_id: Option<i64>,
    ) -> Result<(), InventoryError> {
        let timeout = self.term.settings.call_timeout;
        if !self.term.leader.outlives(timeout) {
            return Ok(());
        }
        let call = Call {
            request_id: self.term.client.uid(),
            trace_id: trace_id(installation),
            priority: Priority::Background,
            timeout,
        };
        let name = mark::tag_name(installation, mark);
        let written = match tag_id {
            Some(id) => self.term.cloud.rename_tag(id, &name, &call).await,
            None => self.term.cloud.create_tag(&name, &call).await.map(drop),
        };
        match written {
            Ok(()) => self.lock().mark_stale = false,
            // Tried again with the next sweep; a tag made twice is found by its higher number.
            Err(error) => tracing::warn!("the account is not marked: {error}"),
        }
        Ok(())
    }
}
