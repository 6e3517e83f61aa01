//! Reads: lists with their filters, paging and lag, and single objects.

use std::cmp::Ordering;

use super::Contabo;
use super::audit::{AuditQuery, Trail};
use super::catalogue::{find_product, find_region};
use super::fault::{FaultKind, bend_list, bend_page, shift};
use super::filter::{AuditFilter, InstanceFilter, Page};
use super::instance::{Facts, Instance};
use super::reply::{Body, Listing, Reply};
use super::resource_view::AuditView;
use super::settings::TextMatch;
use super::validate::{self, Refusal};
use super::view::InstanceView;

/// An instance with what lists believe about it.
struct Row<'a> {
    instance: &'a Instance,
    facts: &'a Facts,
}

impl Contabo {
    pub(super) fn list_instances(
        &self,
        filter: &InstanceFilter,
        page: &Page,
        fault: Option<&FaultKind>,
    ) -> Result<Reply, Refusal> {
        let lag = self.settings.paced(self.settings.list_lag);
        let mut rows: Vec<Row<'_>> = self
            .instances()
            .filter(|instance| {
                // Lists also notice late that a machine is gone.
                instance.gone.is_none_or(|gone| self.now < super::lifecycle::after(gone, lag))
            })
            .filter_map(|instance| instance.listed(self.now).map(|facts| Row { instance, facts }))
            .filter(|row| self.passes(row, filter))
            .collect();
        for (field, descending) in orders(page) {
            rows.sort_by(|a, b| {
                let order = compare(a, b, field);
                if descending { order.reverse() } else { order }
            });
        }
        let rows = self.paged(rows, page, fault)?;
        let account = &self.settings.account;
        Ok(Reply::read(Body::Instances(rows.map(|row| row.instance.view(row.facts, account)))))
    }

    fn passes(&self, row: &Row<'_>, filter: &InstanceFilter) -> bool {
        let (instance, facts) = (row.instance, row.facts);
        let product = find_product(&instance.product_id);
        let address = facts.hardware.as_ref().map_or("", |hardware| hardware.v4.as_str());
        let named = facts.hardware.as_ref().map_or("", |_| instance.name.as_str());
        let data_center = facts.hardware.as_ref().and(find_region(&instance.region));
        let one_of = |wanted: &Option<Vec<String>>, own: &str| {
            wanted.as_ref().is_none_or(|all| all.iter().any(|one| one == own))
        };
        filter.display_name.as_ref().is_none_or(|wanted| match self.settings.display_name_match {
            TextMatch::Exact => facts.display_name == *wanted,
            TextMatch::Substring => facts.display_name.contains(wanted.as_str()),
        }) && filter.name.as_ref().is_none_or(|wanted| named == wanted)
            && filter.region.as_ref().is_none_or(|wanted| instance.region == *wanted)
            && filter
                .data_center
                .as_ref()
                .is_none_or(|wanted| data_center.is_some_and(|region| region.data_center == wanted))
            && filter.instance_id.is_none_or(|wanted| instance.instance_id == wanted)
            && filter.instance_ids.as_ref().is_none_or(|ids| ids.contains(&instance.instance_id))
            && one_of(&filter.statuses, facts.status.as_str())
            && one_of(&filter.product_ids, &instance.product_id)
            && one_of(&filter.product_types, product.map_or("", |product| product.product_type))
            && filter
                .add_on_ids
                .as_ref()
                .is_none_or(|ids| instance.add_ons.iter().any(|id| ids.contains(id)))
            && filter.ip_config.is_none_or(|wanted| wanted == facts.hardware.is_some())
            && filter.search.as_ref().is_none_or(|text| {
                [named, facts.display_name.as_str(), address].iter().any(|own| own.contains(text))
            })
    }

    pub(super) fn get_instance(&self, id: i64) -> Result<Reply, Refusal> {
        let instance = self.reachable(id)?;
        let view: InstanceView = instance.view(&instance.facts, &self.settings.account);
        Ok(Reply::read(Body::Instance(Box::new(view))))
    }

    /// Newest first.
    pub(super) fn list_audits(
        &self,
        trail: Trail,
        filter: &AuditFilter,
        page: &Page,
        fault: Option<&FaultKind>,
    ) -> Result<Reply, Refusal> {
        let (start, end) = validate::audit_dates(filter)?;
        let query = AuditQuery { filter, start, end };
        let rows = self.audits.iter().rev();
        let rows = rows.filter(|entry| entry.matches(trail, &query, self.now)).collect();
        let rows = self.paged(rows, page, fault)?;
        let account = &self.settings.account;
        let views: Listing<AuditView> = rows.map(|entry| entry.view(account, self.now));
        Ok(Reply::read(Body::Audits(views)))
    }

    /// Cuts one page out of a list; a page beyond the end is empty, not an error.
    pub(super) fn paged<T>(
        &self,
        rows: Vec<T>,
        page: &Page,
        fault: Option<&FaultKind>,
    ) -> Result<Listing<T>, Refusal> {
        let mut wrong = Vec::new();
        let mut positive = |name: &str, value: Option<i64>, default: u64| match value {
            None => default,
            Some(value) if value >= 1 => value.unsigned_abs(),
            Some(_) => {
                wrong.push(format!("{name} must not be less than 1"));
                default
            }
        };
        let number = positive("page", page.page, 1);
        let size = positive("size", page.size, u64::from(self.settings.default_page_size.max(1)));
        if !wrong.is_empty() {
            return Err(Refusal::violations(wrong));
        }
        let size = size.min(u64::from(self.settings.max_page_size.max(1)));
        let rows = bend_list(rows, fault);
        let total = rows.len() as u64;
        let skip = shift((number - 1).saturating_mul(size), fault);
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let mut items: Vec<T> = rows.into_iter().skip(skip).take(size as usize).collect();
        bend_page(&mut items, number, fault);
        Ok(Listing { items, page: number, size, total })
    }
}

/// The orders asked for, last one first so that stable sorts give the first one the last word.
fn orders(page: &Page) -> impl Iterator<Item = (&str, bool)> {
    page.order_by.iter().rev().map(|order| match order.split_once(':') {
        Some((field, direction)) => (field, direction.eq_ignore_ascii_case("desc")),
        None => (order.as_str(), false),
    })
}

/// Sorts rows by the text that `key` has for each field asked for; it has none for unknown ones.
pub(super) fn sort<T>(rows: &mut [T], page: &Page, key: impl Fn(&T, &str) -> String) {
    for (field, descending) in orders(page) {
        rows.sort_by(|a, b| {
            let order = key(a, field).cmp(&key(b, field));
            if descending { order.reverse() } else { order }
        });
    }
}

/// Unknown fields compare equal: the order stays, nothing is refused.
fn compare(a: &Row<'_>, b: &Row<'_>, field: &str) -> Ordering {
    match field {
        "name" => a.instance.name.cmp(&b.instance.name),
        "displayName" => a.facts.display_name.cmp(&b.facts.display_name),
        "instanceId" => a.instance.instance_id.cmp(&b.instance.instance_id),
        "createdDate" => a.instance.created.cmp(&b.instance.created),
        "status" => a.facts.status.as_str().cmp(b.facts.status.as_str()),
        "productId" => a.instance.product_id.cmp(&b.instance.product_id),
        "region" => a.instance.region.cmp(&b.instance.region),
        _ => Ordering::Equal,
    }
}
