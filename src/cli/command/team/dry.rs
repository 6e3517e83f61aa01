//! What `devpocket team` would do.

use reqwest::Method;
use serde_json::{Value, json};

use super::invite::code_in;
use super::{Call, Team, What, text};
use crate::access::Role;
use crate::cli::error::{Failure, Report};

impl What {
    pub(super) fn is_rehearsed(&self) -> bool {
        match self {
            What::List | What::Members | What::Invitations => false,
            What::Invite(args) => args.dry.dry_run,
            What::Create { dry, .. }
            | What::Resend { dry, .. }
            | What::Revoke { dry, .. }
            | What::Join { dry, .. }
            | What::Role { dry, .. }
            | What::Remove { dry, .. }
            | What::Leave { dry, .. }
            | What::Tier { dry, .. }
            | What::Delete { dry, .. } => dry.dry_run,
        }
    }
}

impl Call<'_> {
    /// Looks up what it is about, and says what would become of it.
    pub(super) async fn rehearse(&self, what: &What) -> Result<String, Report> {
        Ok(match what {
            What::List | What::Members | What::Invitations => "look".to_owned(),
            What::Create { name, .. } => format!("make team {name}, with you as its owner"),
            What::Invite(args) => {
                let role = known_role(&args.role)?;
                let team = self.team().await?;
                let whom = args.email.as_deref().unwrap_or("whoever has the link");
                format!("invite {whom} to {} as {role}", team.name)
            }
            What::Resend { id, .. } => {
                let (team, whom) = self.invited_as(id).await?;
                format!(
                    "send the invitation of {whom} to {} again; its old link is void",
                    team.name
                )
            }
            What::Revoke { id, .. } => {
                let (team, whom) = self.invited_as(id).await?;
                format!("withdraw the invitation of {whom} to {}", team.name)
            }
            What::Join { link, .. } => {
                let form = json!({"code": code_in(link)});
                let found = self.send(Method::POST, "/invitations/look", &form).await?;
                let (team, role) = (text(&found, "team"), text(&found, "role"));
                format!("join {team} as {role}, invited by {}", text(&found, "inviter"))
            }
            What::Role { user, role, .. } => {
                let role = known_role(role)?;
                let (team, member) = self.belonging(user).await?;
                format!("make {user} {role} of {}; now: {}", team.name, text(&member, "role"))
            }
            What::Remove { user, .. } => {
                let (team, member) = self.belonging(user).await?;
                format!("take {user}, {}, out of {}", text(&member, "role"), team.name)
            }
            What::Leave { .. } => format!("leave {}", self.team().await?.name),
            What::Tier { tier, .. } => {
                let team = self.team().await?;
                let tier = tier.as_deref().map_or("no tier".into(), |tier| format!("tier {tier}"));
                format!("give {} {tier}", team.name)
            }
            What::Delete { .. } => {
                let team = self.team().await?;
                format!("end team {}; its secrets go with it, for good", team.name)
            }
        })
    }

    /// A member of the team of `-n`.
    async fn belonging(&self, user: &str) -> Result<(Team, Value), Report> {
        let team = self.team().await?;
        let path = format!("/teams/{}/members", team.namespace);
        let members = self.send(Method::GET, &path, &Value::Null).await?;
        let is_meant = |member: &&Value| text(member, "username").eq_ignore_ascii_case(user);
        match members.as_array().into_iter().flatten().find(is_meant) {
            Some(member) => Ok((team, member.clone())),
            None => {
                let message = format!("{user:?} does not belong to {}", team.name);
                Err(missing(message, "devpocket team members"))
            }
        }
    }

    /// For whom an invitation is.
    async fn invited_as(&self, id: &str) -> Result<(Team, String), Report> {
        let team = self.team().await?;
        let path = format!("/teams/{}/invitations", team.namespace);
        let found = self.send(Method::GET, &path, &Value::Null).await?;
        let is_meant = |one: &&Value| text(one, "id") == id && text(one, "state") == "pending";
        match found.as_array().into_iter().flatten().find(is_meant) {
            Some(one) => {
                let whom = one["email"].as_str().unwrap_or("whoever has the link").to_owned();
                Ok((team, whom))
            }
            None => {
                let message = format!("no invitation {id:?} to {} waits", team.name);
                Err(missing(message, "devpocket team invitations"))
            }
        }
    }
}

fn known_role(word: &str) -> Result<Role, Report> {
    word.parse().map_err(|why: String| Failure::usage(why).so_far("nothing was changed").into())
}

fn missing(message: String, look: &str) -> Report {
    Failure::new("not-found", message).so_far("nothing was changed").attempt(look, "").into()
}
