//! Private networks: of one region, joined by machines that bought the add-on.
//!
//! Joining is a call; the machine is in only after a reinstallation or a restart, whichever the
//! account is set to (the document and the product's pages disagree).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::audit::{AuditAction, Trail};
use super::body::NetworkBody;
use super::call::Call;
use super::catalogue::{DEFAULT_REGION, find_region};
use super::fault::{Drawn, FaultKind};
use super::filter::{NetworkFilter, Page};
use super::instance::{Instance, Status};
use super::naming;
use super::reply::{Body, Reply};
use super::resource_view::{MemberView, NetworkView, PrivateIpConfigView};
use super::settings::NetworkJoin;
use super::validate::{Refusal, Violations};
use super::view::AddressView;
use super::{Contabo, Note};

/// Longest name and description of a network, in characters.
const TEXT_LIMIT: usize = 255;
/// Addresses of a /22 that machines can have.
const ADDRESSES: i64 = 1022;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    pub network_id: i64,
    pub name: String,
    pub description: String,
    pub region: String,
    pub created: Timestamp,
    /// By instance.
    pub members: BTreeMap<i64, Member>,
    /// Addresses handed out so far; none is used twice.
    pub handed_out: i64,
}

/// A machine's place in a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    pub address: i64,
    pub needs: NetworkJoin,
    /// The guest when it joined: what was installed and booted since counts.
    pub generation: u32,
    pub boots: u32,
}

impl Contabo {
    pub(super) fn list_networks(
        &self,
        filter: &NetworkFilter,
        page: &Page,
        fault: Option<&FaultKind>,
    ) -> Result<Reply, Refusal> {
        let data_center = |network: &Network| {
            find_region(&network.region).map_or("", |region| region.data_center)
        };
        let rows: Vec<&Network> = self
            .networks
            .values()
            .filter(|network| {
                filter.name.as_ref().is_none_or(|name| network.name.contains(name.as_str()))
                    && filter.region.as_ref().is_none_or(|region| network.region == *region)
                    && filter
                        .data_center
                        .as_ref()
                        .is_none_or(|wanted| data_center(network) == wanted)
                    && filter
                        .instance_ids
                        .as_ref()
                        .is_none_or(|ids| ids.iter().any(|id| network.members.contains_key(id)))
            })
            .collect();
        let rows = self.paged(rows, page, fault)?;
        Ok(Reply::read(Body::Networks(rows.map(|network| self.network_view(network)))))
    }

    pub(super) fn get_network(&self, id: i64) -> Result<Reply, Refusal> {
        let view = self.network_view(self.known_network(id)?);
        Ok(Reply::read(Body::Network(Box::new(view))))
    }

    pub(super) fn create_network(
        &mut self,
        call: &Call,
        body: &NetworkBody,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        judge(body, true)?;
        let region = body.region.as_deref().unwrap_or(DEFAULT_REGION);
        let Some(region) = find_region(region) else {
            return Err(Refusal::sentence(400, format!("Bad Request region {region} is wrong")));
        };
        self.last_network += 1;
        let id = self.last_network;
        let network = Network {
            network_id: id,
            name: body.name.clone().unwrap_or_default(),
            description: body.description.clone().unwrap_or_default(),
            region: region.code.to_owned(),
            created: self.now,
            members: BTreeMap::new(),
            handed_out: 0,
        };
        let note = Note::new(Trail::Networks, AuditAction::Created, id)
            .changes(json!({}), json!({ "name": network.name }));
        self.audit(call, drawn, note);
        let view = self.network_view(&network);
        self.networks.insert(id, network);
        Ok(Reply::accepted(201, Body::NetworkCreated(Box::new(view))))
    }

    pub(super) fn update_network(
        &mut self,
        call: &Call,
        id: i64,
        body: &NetworkBody,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        let old = self.known_network(id)?.clone();
        judge(body, false)?;
        let new = Network {
            name: body.name.clone().unwrap_or(old.name.clone()),
            description: body.description.clone().unwrap_or(old.description),
            ..old
        };
        let note = Note::new(Trail::Networks, AuditAction::Updated, id)
            .changes(json!({ "name": old.name }), json!({ "name": new.name }));
        self.audit(call, drawn, note);
        let view = self.network_view(&new);
        self.networks.insert(id, new);
        Ok(Reply::accepted(200, Body::Network(Box::new(view))))
    }

    pub(super) fn delete_network(
        &mut self,
        call: &Call,
        id: i64,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        let network = self.known_network(id)?;
        if !network.members.is_empty() {
            return Err(Refusal::sentence(409, "Private network still has instances"));
        }
        let note = Note::new(Trail::Networks, AuditAction::Deleted, id)
            .changes(json!({ "name": network.name }), json!({}));
        self.audit(call, drawn, note);
        self.networks.remove(&id);
        Ok(Reply::accepted(204, Body::Empty))
    }

    pub(super) fn join_network(
        &mut self,
        call: &Call,
        id: i64,
        instance_id: i64,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        let network = self.known_network(id)?;
        let instance = self.reachable(instance_id)?;
        if !instance.add_ons.contains(&naming::PRIVATE_NETWORKING) {
            return Err(Refusal::sentence(402, "Instance has no private networking add-on"));
        }
        if instance.region != network.region {
            return Err(Refusal::sentence(400, "Instance is in another region"));
        }
        if network.members.contains_key(&instance_id) {
            return Err(Refusal::sentence(409, "Instance is already in this private network"));
        }
        if network.members.len() as i64 >= ADDRESSES {
            return Err(Refusal::sentence(400, "Private network has no address left"));
        }
        // Only the first network changes the machine itself; a further one is another interface.
        let further = self.networks.values().any(|other| other.members.contains_key(&instance_id));
        let needs = if further { NetworkJoin::Restart } else { self.settings.network_join };
        let guest = &instance.guest;
        let (generation, boots) = (guest.generation, guest.boots);
        self.audit(call, drawn, membership(id, instance_id, true));
        if let Some(network) = self.networks.get_mut(&id) {
            network.handed_out += 1;
            let address = network.handed_out;
            network.members.insert(instance_id, Member { address, needs, generation, boots });
        }
        Ok(Reply::accepted(201, Body::MemberLinks))
    }

    pub(super) fn leave_network(
        &mut self,
        call: &Call,
        id: i64,
        instance_id: i64,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        self.known_network(id)?;
        let member =
            self.networks.get_mut(&id).and_then(|network| network.members.remove(&instance_id));
        if member.is_none() {
            return Err(Refusal::not_found("Instance", instance_id));
        }
        self.audit(call, drawn, membership(id, instance_id, false));
        Ok(Reply::accepted(201, Body::MemberLinks))
    }

    fn known_network(&self, id: i64) -> Result<&Network, Refusal> {
        self.networks.get(&id).ok_or_else(|| Refusal::not_found("PrivateNetwork", id))
    }

    fn network_view(&self, network: &Network) -> NetworkView {
        let region = find_region(&network.region);
        let members = network.members.iter().filter_map(|(id, member)| {
            let instance = self.instances.get(id)?;
            Some(member_view(network, instance, member))
        });
        NetworkView {
            tenant_id: self.settings.account.tenant_id.clone(),
            customer_id: self.settings.account.customer_id.clone(),
            private_network_id: network.network_id,
            data_center: region.map_or("", |region| region.data_center).to_owned(),
            region: network.region.clone(),
            region_name: region.map_or("", |region| region.name).to_owned(),
            name: network.name.clone(),
            description: network.description.clone(),
            cidr: format!("{}.0/22", prefix(network.network_id, 0)),
            available_ips: ADDRESSES - network.members.len() as i64,
            created_date: network.created,
            instances: members.collect(),
        }
    }
}

fn membership(id: i64, instance_id: i64, joined: bool) -> Note {
    let link = json!({ "instanceId": instance_id });
    let (prev, new) = if joined { (json!({}), link) } else { (link, json!({})) };
    Note::new(Trail::Networks, AuditAction::Updated, id).changes(prev, new)
}

fn member_view(network: &Network, instance: &Instance, member: &Member) -> MemberView {
    let address = AddressView {
        ip: format!(
            "{}.{}",
            prefix(network.network_id, member.address / 256),
            member.address % 256
        ),
        netmask_cidr: 22,
        gateway: String::new(),
    };
    MemberView {
        instance_id: instance.instance_id,
        display_name: instance.facts.display_name.clone(),
        name: instance.name.clone(),
        product_id: instance.product_id.clone(),
        private_ip_config: PrivateIpConfigView { v4: vec![address] },
        ip_config: instance.facts.hardware.as_ref().map(super::instance::ip_config),
        status: member.status(instance),
    }
}

impl Member {
    fn status(&self, instance: &Instance) -> &'static str {
        let guest = &instance.guest;
        let reinstalled = guest.generation != self.generation;
        if instance.facts.status == Status::Installing {
            return "installing";
        }
        match self.needs {
            NetworkJoin::Reinstall if !reinstalled => "reinstall",
            NetworkJoin::Restart if !reinstalled && guest.boots == self.boots => "restart",
            _ => "ok",
        }
    }
}

/// The first three numbers of a network's `block`-th /24.
fn prefix(network_id: i64, block: i64) -> String {
    format!("10.{}.{}", network_id % 200, block % 4)
}

fn judge(body: &NetworkBody, create: bool) -> Result<(), Refusal> {
    let mut wrong = Violations::default();
    wrong.length("name", body.name.as_deref(), create, 1, TEXT_LIMIT);
    wrong.length("description", body.description.as_deref(), false, 0, TEXT_LIMIT);
    wrong.done()
}
