//! A person says what became of an operation nobody else can tell about.

use devpocket_specs::object::Key;
use devpocket_specs::operation::{Operation, OperationPhase, Resolution, Verb};
use devpocket_specs::status::{Reason, Status};

use super::transition;
use crate::client::{Client, ClientError};
use crate::manager::mirrors::operation_key;

/// Settles an operation whose outcome is unknown, by the word of the client's actor. After
/// [`Resolution::NotHappened`] a purchase that is still needed is planned again, within the
/// budget; after [`Resolution::Happened`] a purchase needs the instance it became.
///
/// # Errors
/// `NotFound`; `Conflict` when the operation is not of unknown outcome (any more); `Invalid` when
/// a purchase is said to have happened without its instance, or another verb is given one.
pub async fn resolve(
    client: &Client,
    name: &str,
    resolution: Resolution,
    instance_id: Option<i64>,
) -> Result<Operation, ClientError> {
    let key = operation_key(name);
    let by = client.actor().user.clone();
    let change = |operation: &mut Operation| {
        check(&key, operation, resolution, instance_id)?;
        let said = match resolution {
            Resolution::Happened => "happened",
            Resolution::NotHappened => "did not happen",
        };
        let message = format!("{by} said that it {said}");
        transition::resolve(&mut operation.status, resolution, instance_id, &message);
        Ok(())
    };
    client.try_edit_status(&key, change).await
}

fn check(
    key: &Key,
    operation: &Operation,
    resolution: Resolution,
    instance_id: Option<i64>,
) -> Result<(), Status> {
    let phase = operation.status.phase;
    if phase != OperationPhase::Unknown {
        let text = format!(
            "{key} is {phase:?}; only an operation of unknown outcome can be resolved by hand"
        );
        return Err(Status::new(Reason::Conflict, text).about(key).with_code("not-unknown"));
    }
    let purchase = operation.spec.verb == Verb::Purchase;
    let needs_id = purchase && resolution == Resolution::Happened;
    if needs_id && instance_id.is_none_or(|id| id <= 0) {
        let text = format!(
            "{key}: say which instance the purchase became, as in \
             `devpocket operation resolve {} --happened --instance-id 202563139`",
            key.name
        );
        return Err(Status::new(Reason::Invalid, text).about(key).with_code("instance-missing"));
    }
    if !needs_id && instance_id.is_some() {
        let text = format!("{key}: only a purchase that happened has an instance");
        return Err(Status::new(Reason::Invalid, text).about(key).with_code("instance-misplaced"));
    }
    Ok(())
}
