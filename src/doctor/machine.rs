//! The account's machines: whose each is, whether it is this computer, what it costs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use devpocket_controllers::cloud::Instance;
use devpocket_controllers::operation::token;
use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::money::Money;

use super::{DatabaseLook, Examination};

/// Whose a machine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Of the installation whose database was given, as this record.
    Ours { record: String },
    /// It bears our installation's name, and the database does not know it.
    Forgotten { record: String },
    /// It bears the name of another installation of DevPocket.
    Other { installation: String },
    /// Nobody's that DevPocket knows.
    Stranger,
}

impl Whose {
    /// The word in documents.
    pub fn word(&self) -> &'static str {
        match self {
            Whose::Ours { .. } => "ours",
            Whose::Forgotten { .. } => "ours-but-unknown",
            Whose::Other { .. } => "other-installation",
            Whose::Stranger => "not-ours",
        }
    }
}

/// One machine of the account.
#[derive(Clone, Debug)]
pub struct MachineLook {
    pub instance: Instance,
    pub whose: Whose,
    /// The doctor runs on it.
    pub here: bool,
    /// The catalogue's name of its product.
    pub size: Option<String>,
    /// What a month of it costs new, for one month, where that is known.
    pub price: Option<Money>,
}

impl MachineLook {
    /// Contabo's name of it, or its id while it has none.
    pub fn name(&self) -> String {
        match self.instance.name.as_str() {
            "" => self.instance.id.to_string(),
            name => name.to_owned(),
        }
    }
}

/// All machines, in the order of their ids.
pub fn machines(
    examination: &Examination,
    here: &BTreeSet<IpAddr>,
    catalogue: &Catalogue,
) -> Vec<MachineLook> {
    let Some(Ok(list)) = examination.look.as_ref().map(|look| &look.list) else {
        return Vec::new();
    };
    let known = known(&examination.database);
    let installation = match &examination.database {
        DatabaseLook::Records(records) => Some(records.installation.spec.id.as_str()),
        _ => None,
    };
    let day = examination.day();
    let machine = |instance: &Instance| {
        let size = catalogue.size(&instance.product_id);
        let price = size.and_then(|size| catalogue.price(size, &instance.region, 1, day));
        MachineLook {
            whose: whose(instance, installation, &known),
            here: addresses(instance).any(|address| here.contains(&address)),
            size: size.map(|size| size.name.clone()),
            price: price.map(|price| price.monthly()),
            instance: instance.clone(),
        }
    };
    list.instances.values().map(machine).collect()
}

/// Records under our care by the instance they are.
fn known(database: &DatabaseLook) -> BTreeMap<i64, String> {
    let DatabaseLook::Records(records) = database else { return BTreeMap::new() };
    let managed = records.machines.iter().filter(|machine| machine.spec.managed);
    managed
        .filter_map(|machine| Some((machine.status.instance_id?, machine.metadata.name.clone())))
        .collect()
}

fn whose(instance: &Instance, installation: Option<&str>, known: &BTreeMap<i64, String>) -> Whose {
    if let Some(record) = known.get(&instance.id) {
        return Whose::Ours { record: record.clone() };
    }
    let tokens = token::tokens(&instance.display_name);
    let here = tokens.iter().find(|token| Some(token.installation.as_str()) == installation);
    match (here, tokens.first()) {
        (Some(token), _) => Whose::Forgotten { record: token.machine.clone() },
        (None, Some(token)) => Whose::Other { installation: token.installation.clone() },
        (None, None) => Whose::Stranger,
    }
}

/// Addresses as they compare, however they are spelled.
fn addresses(instance: &Instance) -> impl Iterator<Item = IpAddr> {
    let texts = [&instance.address, &instance.address_v6];
    let read = texts.into_iter().flatten().filter_map(|text| text.parse::<IpAddr>().ok());
    read.collect::<Vec<_>>().into_iter()
}
