//! Rules for what is about money, limits and secrets: Installation, Tier, Secret; and Events.

use super::environment::{MAX_TEXT, display_name};
use super::fault::{Fault, one_of};
use super::quote::text;
use crate::admit::Context;
use crate::environment::Pause;
use crate::event::Event;
use crate::installation::{self, Installation};
use crate::money::Money;
use crate::schema::join;
use crate::secret::{SEALED_PREFIX, Secret};
use crate::status::Cause;
use crate::tier::Tier;

/// Most an amount may be, in cents: 10 million. A larger one is a slipped digit.
pub const MAX_MONEY_CENTS: i64 = 1_000_000_000;
/// Most purchases an hour that may be allowed.
pub const MAX_PURCHASES_PER_HOUR: u32 = 1_000;
/// Longest time a released machine is kept as it is: 90 days, in seconds.
pub const MAX_RECLAIM_SECONDS: i64 = 90 * 86_400;
/// Most characters of a key of a Secret.
pub const MAX_SECRET_KEY: usize = 253;

pub(super) fn money(field: &str, money: &Money, faults: &mut Vec<Cause>) {
    if !(0..=MAX_MONEY_CENTS).contains(&money.cents) {
        let expected = format!("whole cents, from 0 to {MAX_MONEY_CENTS}");
        faults.push(Fault::wrong(format!("{field}.cents"), money.cents, &expected).cause());
    }
    if money.currency.len() != 3 || !money.currency.bytes().all(|b| b.is_ascii_uppercase()) {
        let field = format!("{field}.currency");
        let expected = "a code of three capitals such as EUR";
        faults.push(Fault::wrong(field, text(&money.currency), expected).cause());
    }
}

/// A pause must end later than it is declared. One that ran out stays in the record and is no
/// fault when something else is edited: admission drops faults that were there before.
pub(super) fn pause(field: &str, pause: &Pause, context: &Context<'_>, faults: &mut Vec<Cause>) {
    if pause.until <= context.now {
        let field = format!("{field}.until");
        faults.push(Fault::wrong(field, pause.until, "a time in the future").cause());
    }
    let length = pause.reason.as_deref().map_or(0, |reason| reason.chars().count());
    if length > MAX_TEXT {
        let field = format!("{field}.reason");
        faults.push(Fault::too_long(field, length, MAX_TEXT, "characters").cause());
    }
}

pub(super) fn installation(installation: &Installation, context: &Context<'_>) -> Vec<Cause> {
    let mut faults = Vec::new();
    let spec = &installation.spec;
    if installation.metadata.name != installation::NAME {
        let expected = format!("{}: there is one per database", installation::NAME);
        let name = text(&installation.metadata.name);
        faults.push(Fault::wrong("metadata.name", name, &expected).cause());
    }
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if spec.id.len() != 8 || !spec.id.bytes().all(hex) {
        let expected = "8 lower-case hex digits";
        faults.push(Fault::wrong("spec.id", text(&spec.id), expected).cause());
    }
    if let Some(budget) = &spec.monthly_budget {
        money("spec.monthlyBudget", budget, &mut faults);
    }
    if spec.purchases_per_hour > MAX_PURCHASES_PER_HOUR {
        let expected = format!("from 0 to {MAX_PURCHASES_PER_HOUR}");
        let fault = Fault::wrong("spec.purchasesPerHour", spec.purchases_per_hour, &expected);
        faults.push(fault.cause());
    }
    for (field, seconds) in [
        ("spec.reclaimAfterSeconds", spec.reclaim_after_seconds),
        ("spec.lagAllowanceSeconds", spec.lag_allowance_seconds),
        ("spec.settleSeconds", spec.settle_seconds),
    ] {
        if !(0..=MAX_RECLAIM_SECONDS).contains(&seconds) {
            let expected = format!("seconds, from 0 to {MAX_RECLAIM_SECONDS}");
            faults.push(Fault::wrong(field, seconds, &expected).cause());
        }
    }
    if let Some(paused) = &spec.paused {
        pause("spec.paused", paused, context, &mut faults);
    }
    faults
}

pub(super) fn tier(tier: &Tier, context: &Context<'_>) -> Vec<Cause> {
    let mut faults = Vec::new();
    display_name(tier.spec.display_name.as_deref(), &mut faults);
    for (index, size) in tier.spec.sizes.iter().enumerate() {
        if context.catalogue.size(size).is_none() {
            let names = context.catalogue.sizes().iter().map(|size| size.name.as_str());
            let field = format!("spec.sizes[{index}]");
            let message = format!("{} is not a size Contabo sells", text(size));
            let fault = Fault::not_supported(field, message).code("unknown-size");
            faults.push(fault.nearest(crate::schema::nearest_name(size, names)).cause());
        }
    }
    if let Some(budget) = &tier.spec.monthly_budget {
        money("spec.monthlyBudget", budget, &mut faults);
    }
    faults
}

/// Values are sealed before admission; a plain one here is a mistake of ours, and storing it would
/// put it into the log, every cache and every backup.
pub(super) fn secret(secret: &Secret) -> Vec<Cause> {
    let mut faults = Vec::new();
    for key in secret.string_data.keys() {
        faults.push(unsealed(join("stringData", key)));
    }
    for (key, value) in &secret.data {
        if !is_secret_key(key) {
            let message = format!(
                "has the key {}; a key is at most {MAX_SECRET_KEY} letters, digits, '-', '_' and \
                 '.'",
                text(key)
            );
            faults.push(Fault::invalid("data", message).cause());
        }
        if !value.starts_with(SEALED_PREFIX) {
            faults.push(unsealed(join("data", key)));
        }
    }
    faults
}

/// Kubernetes' rule for keys of a Secret.
pub(crate) fn is_secret_key(key: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !key.is_empty()
        && key.len() <= MAX_SECRET_KEY
        && key.bytes().all(inner)
        && key != "."
        && key != ".."
}

fn unsealed(field: String) -> Cause {
    let message = "reached the store's door unsealed and was turned away; this is a fault of \
                   DevPocket, not of the object";
    Fault::forbidden(field, message).code("internal").cause()
}

pub(super) fn event(event: &Event) -> Vec<Cause> {
    let types = ["Normal", "Warning"];
    if event.r#type.is_empty() || types.contains(&event.r#type.as_str()) {
        return Vec::new();
    }
    vec![Fault::wrong("type", text(&event.r#type), &one_of(&types)).cause()]
}
