//! An account made from a picture of a real one ([`crate::picture`]): the same products, states,
//! dates and prices, under names and numbers of the simulator's own.

use devpocket_controllers::sim::contabo::{
    CURRENCY, Contabo, Existing, SecretKind, Settings, Status,
};

use crate::picture::{Machine, Picture, installation_id};

/// Seed of every twin: the same picture is the same account.
const SEED: u64 = 1;

/// The account as it was when the picture was taken.
pub fn twin(picture: &Picture, settings: Settings) -> Contabo {
    let mut account = Contabo::new(SEED, settings);
    account.advance(picture.taken);
    for machine in &picture.machines {
        account.put(&existing(machine));
    }
    for mark in &picture.marks {
        let id = installation_id(mark.installation);
        let seconds = mark.written.as_second();
        account.put_tag(&format!("devpocket:{id}:{}:{seconds}", mark.calls));
    }
    for number in 1..=picture.tags {
        account.put_tag(&format!("tag-{number}"));
    }
    for _ in 0..picture.secrets.passwords {
        account.put_secret(SecretKind::Password);
    }
    for _ in 0..picture.secrets.keys {
        account.put_secret(SecretKind::Ssh);
    }
    account
}

fn existing(machine: &Machine) -> Existing {
    let price = machine.monthly.as_ref().map(|price| &price.0);
    Existing {
        product_id: machine.product.clone(),
        region: machine.region.clone(),
        status: Status::from(machine.status.clone()),
        image: machine.image.clone(),
        created: machine.created,
        months: i64::from(machine.months),
        // The ledger has one currency; another one's amount would be a wrong number in it.
        monthly_cents: price.filter(|price| price.currency == CURRENCY).map(|price| price.cents),
        cancel_date: machine.cancel_date,
        display_name: machine.name.clone().unwrap_or_default(),
        snapshots: machine.snapshots.iter().map(|s| (s.created, s.expires)).collect(),
    }
}
