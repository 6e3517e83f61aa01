//! `POST .../environments/NAME/approval`: a person's consent to risky steps of a plan, kept in
//! `status.approvals` with who gave it and when.
//!
//! Consent is to fingerprints. One that is not in the plan as computed now is refused: somebody
//! who approves something that is no longer planned must learn what is planned instead.

use axum::response::Response;
use devpocket_specs::environment::{APPROVAL_HOURS, Approval};
use devpocket_specs::object::{Key, Object};
use devpocket_specs::operation::Verb;
use devpocket_specs::plan::Step;
use devpocket_specs::status::{Cause, Reason, Status};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::Call;
use super::made::{self, PlansMade};
use super::params::bad;
use super::path::ResourcePath;
use super::plan::{self, Planned};
use super::{spending, write};

/// The longest an approval may live.
const LONGEST_SECONDS: i64 = 7 * 24 * 60 * 60;
/// Approvals kept on one environment; the oldest go first.
const KEPT: usize = 50;

/// What is approved: the whole plan by its hash, or some of its steps by their fingerprints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fingerprints: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_seconds: Option<i64>,
}

pub(super) async fn approve(call: Call, resource: ResourcePath) -> Result<Response, Status> {
    let mut value = call.document()?.value;
    if let Some(object) = value.as_object_mut() {
        object.retain(|name, _| !matches!(name.as_str(), "apiVersion" | "kind" | "metadata"));
    }
    let asked: ApprovalRequest = serde_json::from_value(value)
        .map_err(|error| bad(format!("the body is not an approval: {error}")))?;
    let key = resource.key();
    let seconds = asked.expires_seconds.unwrap_or(APPROVAL_HOURS * 60 * 60);
    if !(1..=LONGEST_SECONDS).contains(&seconds) {
        let cause = Cause {
            reason: "FieldValueInvalid".into(),
            message: format!("is {seconds}; it is 1 to {LONGEST_SECONDS} seconds"),
            field: "expiresSeconds".into(),
            ..Cause::default()
        };
        return Err(Status::invalid(&key, vec![cause]));
    }
    let stored = call.state.store.get(&key).await?.ok_or_else(|| Status::not_found(&key))?;
    let planned = plan::planned(&call.state, &stored.object, Some(&stored.object)).await?;
    let fingerprints = approved(&asked, &planned, &call.state.plans, &key)?;
    let buys = |step: &Step| {
        let named = |print: &String| fingerprints.contains(print);
        step.call == Verb::Purchase.word() && step.fingerprint.as_ref().is_some_and(named)
    };
    if let Some(account) = call.actor.account.filter(|_| planned.plan.steps.iter().any(buys)) {
        spending::may_approve(&call.state, &key, &account.to_string()).await?;
    }
    let now = call.state.clock.now();
    let approval = Approval {
        fingerprints,
        by: call.user.name.clone(),
        account: call.actor.account,
        at: now,
        expires: now + SignedDuration::from_secs(seconds),
    };
    let request = |old: Option<&Object>, _| {
        let old = old.ok_or_else(|| Status::not_found(&key))?;
        if old.uid() != stored.uid() {
            // Deleted and made anew meanwhile: the plan was another one's.
            return Err(Status::conflict(&key));
        }
        let approvals = kept(old, approval.clone(), now);
        Ok(write::status_patch(json!({"status": {"approvals": approvals}})))
    };
    let outcome = write::commit(&call, &key, request).await?;
    outcome.reply(&call, &[])
}

/// The fingerprints consent is given to; each must be of a step planned now.
fn approved(
    asked: &ApprovalRequest,
    planned: &Planned,
    plans: &PlansMade,
    key: &Key,
) -> Result<Vec<String>, Status> {
    let risky: Vec<&String> =
        planned.plan.steps.iter().filter_map(|step| step.fingerprint.as_ref()).collect();
    match (&asked.hash, asked.fingerprints.as_slice()) {
        (Some(hash), []) => {
            if !made::same_hash(hash, &planned.plan.hash) {
                return Err(made::stale(plans, hash, planned, key));
            }
            if risky.is_empty() {
                let message = format!("no step of plan {hash} needs an approval");
                return Err(
                    Status::new(Reason::BadRequest, message).with_code("nothing-to-approve")
                );
            }
            Ok(risky.into_iter().cloned().collect())
        }
        (None, [_, ..]) => match asked.fingerprints.iter().find(|asked| !risky.contains(asked)) {
            None => Ok(asked.fingerprints.clone()),
            Some(gone) => {
                let shown: String = gone.chars().take(12).collect();
                Err(made::stale(plans, &shown, planned, key))
            }
        },
        _ => Err(bad("give either hash or fingerprints")),
    }
}

/// The live approvals with the new one at the end.
fn kept(old: &Object, approval: Approval, now: Timestamp) -> Vec<Approval> {
    let before = old.field("status").get("approvals").cloned().unwrap_or_default();
    let mut approvals: Vec<Approval> = serde_json::from_value(before).unwrap_or_default();
    approvals.retain(|known| known.expires > now);
    approvals.push(approval);
    let surplus = approvals.len().saturating_sub(KEPT);
    approvals.drain(..surplus);
    approvals
}
