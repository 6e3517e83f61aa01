//! What `devpocket admin` would do.

use devpocket_specs::tier::Tier;
use reqwest::Method;
use serde_json::Value;

use super::{PATH, What, encoded, spends, text};
use crate::cli::api::Api;
use crate::cli::error::{Failure, Report, exit};
use crate::cli::session::Session;

/// Looks up whom it is about, and says what would become of them.
pub(super) async fn rehearse(session: &Session, api: &Api, what: &What) -> Result<String, Report> {
    Ok(match what {
        What::List { .. } => "list accounts".to_owned(),
        What::Create { username, email, tier, admin, .. } => {
            for name in [username, email] {
                if find(session, api, name).await?.is_some() {
                    return Err(Failure::new("conflict", format!("{name} has an account already"))
                        .so_far("nothing was changed")
                        .into());
                }
            }
            check(session, api, tier.as_deref()).await?;
            let right = if *admin { ", who may do everything" } else { "" };
            let tier = match tier {
                Some(tier) => format!("tier {tier}"),
                None => "the server's default tier".to_owned(),
            };
            format!("make an account {username} for {email}{right}, with {tier}")
        }
        What::Verify { name, .. } => {
            let user = account(session, api, name).await?;
            let (who, email) = (text(&user["username"]), text(&user["email"]));
            match user["is_verified"] == true {
                true => format!("leave {email} of {who} as it is: verified"),
                false => format!("take {email} as {who}'s"),
            }
        }
        What::ResetLink { name, .. } => {
            let user = account(session, api, name).await?;
            format!("make a link that sets a new password of {}", text(&user["username"]))
        }
        What::SetTier { name, tier, .. } => {
            let user = account(session, api, name).await?;
            let tier = Some(tier.as_str()).filter(|tier| *tier != "none");
            check(session, api, tier).await?;
            let (who, now) = (text(&user["username"]), spends(&user));
            match tier {
                Some(tier) => format!("give {who} tier {tier}; now: {now}"),
                None => format!("let {who} spend nothing more; now: {now}"),
            }
        }
        What::Suspend { name, lift, .. } => {
            let user = account(session, api, name).await?;
            let (who, out) = (text(&user["username"]), user["is_active"] == false);
            match (lift, out) {
                (true, true) => format!("let {who} sign in again"),
                (true, false) => format!("leave {who} as they are: not suspended"),
                (false, true) => format!("leave {who} as they are: suspended"),
                (false, false) => format!("end every session and token of {who} and keep them out"),
            }
        }
    })
}

async fn find(session: &Session, api: &Api, name: &str) -> Result<Option<Value>, Report> {
    match api.rest(Method::GET, &format!("{PATH}/{}", encoded(name)), None).await {
        Err(error) if error.is_not_found() => Ok(None),
        found => found.map(Some).map_err(|error| session.report(&error)),
    }
}

async fn account(session: &Session, api: &Api, name: &str) -> Result<Value, Report> {
    let path = format!("{PATH}/{}", encoded(name));
    api.rest(Method::GET, &path, None).await.map_err(|error| session.report(&error))
}

/// The tier exists.
async fn check(session: &Session, api: &Api, tier: Option<&str>) -> Result<(), Report> {
    let Some(name) = tier else { return Ok(()) };
    let failed = |error| session.report(&error);
    if api.find::<Tier>("", name).await.map_err(failed)?.is_some() {
        return Ok(());
    }
    let tiers = api.all::<Tier>("").await.map_err(failed)?;
    let known: Vec<&str> = tiers.iter().map(|tier| tier.metadata.name.as_str()).collect();
    let because = match known.as_slice() {
        [] => "there is no tier yet".to_owned(),
        known => format!("there are {}", known.join(", ")),
    };
    let failure = Failure::new("unknown-tier", format!("there is no tier {name:?}"));
    Err(failure.exit(exit::INVALID).because(because).so_far("nothing was changed").into())
}
