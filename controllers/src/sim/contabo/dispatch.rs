//! Which part of the model answers a request.

use super::Contabo;
use super::audit::Trail;
use super::call::{Call, Request};
use super::fault::Drawn;
use super::reply::{Body, Reply};
use super::settings::RepeatedRequestId;
use super::validate::{self, Refusal};

type Answer = Result<Reply, Refusal>;

impl Contabo {
    pub(super) fn perform(&mut self, call: &Call, drawn: &Drawn) -> Answer {
        if call.request == Request::Grant {
            return Ok(Reply::read(Body::Empty));
        }
        validate::request_id(&call.request_id)?;
        self.judge_repetition(call)?;
        match &call.request {
            Request::CreateInstance(body) => self.create_instance(call, body, drawn),
            Request::PatchInstance { instance_id, body } => {
                self.patch_instance(call, *instance_id, body, drawn)
            }
            Request::ReinstallInstance { instance_id, body } => {
                self.reinstall_instance(call, *instance_id, body, drawn)
            }
            Request::CancelInstance { instance_id, body } => {
                self.cancel_instance(call, *instance_id, body, drawn)
            }
            Request::UpgradeInstance { instance_id, body } => {
                self.upgrade_instance(call, *instance_id, *body, drawn)
            }
            Request::Act { instance_id, action, body } => {
                self.act(call, *instance_id, *action, body, drawn)
            }
            Request::CreateSnapshot { instance_id, body } => {
                self.create_snapshot(call, *instance_id, body, drawn)
            }
            Request::UpdateSnapshot { instance_id, snapshot_id, body } => {
                self.update_snapshot(call, *instance_id, snapshot_id, body, drawn)
            }
            Request::DeleteSnapshot { instance_id, snapshot_id } => {
                self.delete_snapshot(call, *instance_id, snapshot_id, drawn)
            }
            Request::RollbackSnapshot { instance_id, snapshot_id } => {
                self.rollback_snapshot(call, *instance_id, snapshot_id, drawn)
            }
            _ => self.change_other(call, drawn),
        }
    }

    /// Changes of what is no instance and no snapshot of one.
    fn change_other(&mut self, call: &Call, drawn: &Drawn) -> Answer {
        match &call.request {
            Request::CreateImage(body) => self.create_image(call, body, drawn),
            Request::UpdateImage { image_id, body } => {
                self.update_image(call, image_id, body, drawn)
            }
            Request::DeleteImage { image_id } => self.delete_image(call, image_id, drawn),
            Request::CreateSecret(body) => self.create_secret(call, body, drawn),
            Request::UpdateSecret { secret_id, body } => {
                self.update_secret(call, *secret_id, body, drawn)
            }
            Request::DeleteSecret { secret_id } => self.delete_secret(call, *secret_id, drawn),
            Request::CreateTag(body) => self.create_tag(call, body, drawn),
            Request::UpdateTag { tag_id, body } => self.update_tag(call, *tag_id, body, drawn),
            Request::DeleteTag { tag_id } => self.delete_tag(call, *tag_id, drawn),
            Request::CreateAssignment { assignment } => {
                self.create_assignment(call, assignment, drawn)
            }
            Request::DeleteAssignment { assignment } => {
                self.delete_assignment(call, assignment, drawn)
            }
            Request::CreateNetwork(body) => self.create_network(call, body, drawn),
            Request::UpdateNetwork { network_id, body } => {
                self.update_network(call, *network_id, body, drawn)
            }
            Request::DeleteNetwork { network_id } => self.delete_network(call, *network_id, drawn),
            Request::JoinNetwork { network_id, instance_id } => {
                self.join_network(call, *network_id, *instance_id, drawn)
            }
            Request::LeaveNetwork { network_id, instance_id } => {
                self.leave_network(call, *network_id, *instance_id, drawn)
            }
            read => self.read(read, drawn),
        }
    }

    fn read(&self, request: &Request, drawn: &Drawn) -> Answer {
        let bent = drawn.list.as_ref();
        match request {
            Request::ListInstances { filter, page } => self.list_instances(filter, page, bent),
            Request::GetInstance { instance_id } => self.get_instance(*instance_id),
            Request::ListSnapshots { instance_id, name, page } => {
                self.list_snapshots(*instance_id, name.as_deref(), page, bent)
            }
            Request::GetSnapshot { instance_id, snapshot_id } => {
                self.get_snapshot(*instance_id, snapshot_id)
            }
            Request::ListImages { filter, page } => self.list_images(filter, page, bent),
            Request::GetImage { image_id } => self.get_image(image_id),
            Request::GetImageStats => Ok(self.image_stats()),
            Request::ListSecrets { filter, page } => self.list_secrets(filter, page, bent),
            Request::GetSecret { secret_id } => self.get_secret(*secret_id),
            Request::ListTags { name, page } => self.list_tags(name.as_deref(), page, bent),
            Request::GetTag { tag_id } => self.get_tag(*tag_id),
            Request::ListAssignments { tag_id, resource_type, page } => {
                self.list_assignments(*tag_id, resource_type.as_deref(), page, bent)
            }
            Request::GetAssignment { assignment } => self.get_assignment(assignment),
            Request::ListNetworks { filter, page } => self.list_networks(filter, page, bent),
            Request::GetNetwork { network_id } => self.get_network(*network_id),
            Request::ListDataCenters { filter, page } => self.list_data_centers(filter, page, bent),
            Request::ListOther { page } => self.list_other(page, bent),
            audits => self.read_audits(audits, drawn),
        }
    }

    fn read_audits(&self, request: &Request, drawn: &Drawn) -> Answer {
        let (trail, filter, page) = match request {
            Request::ListInstanceAudits { filter, page } => (Trail::Instances, filter, page),
            Request::ListActionAudits { filter, page } => (Trail::Actions, filter, page),
            Request::ListSnapshotAudits { filter, page } => (Trail::Snapshots, filter, page),
            Request::ListImageAudits { filter, page } => (Trail::Images, filter, page),
            Request::ListSecretAudits { filter, page } => (Trail::Secrets, filter, page),
            Request::ListTagAudits { filter, page } => (Trail::Tags, filter, page),
            Request::ListAssignmentAudits { filter, page } => (Trail::Assignments, filter, page),
            Request::ListNetworkAudits { filter, page } => (Trail::Networks, filter, page),
            // Everything else was answered before it came here.
            _ => return Err(Refusal::sentence(404, "Not Found")),
        };
        self.list_audits(trail, filter, page, drawn.list.as_ref())
    }

    /// What becomes of a request id that was accepted before: not documented, so a setting.
    fn judge_repetition(&self, call: &Call) -> Result<(), Refusal> {
        let strict = self.settings.repeated_request_id == RepeatedRequestId::Conflict;
        if strict
            && call.request.name().is_mutation()
            && self.audits.iter().any(|entry| entry.request_id == call.request_id)
        {
            return Err(Refusal::sentence(409, "Request with this x-request-id already exists"));
        }
        Ok(())
    }
}
