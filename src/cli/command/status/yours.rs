//! What `status` shows to who is no admin: who they are, what they may spend, what is theirs.

use devpocket_specs::environment::Environment;
use devpocket_specs::installation::Installation;
use devpocket_specs::money::Money;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::{declared, drift, field, list, server, standing_still};
use crate::cli::api::Api;
use crate::cli::error::{Outcome, Report, exit};
use crate::cli::output::{Ink, Sign};
use crate::cli::session::{Session, account_name};
use crate::cli::standing;

/// Everything the screen is about.
pub(super) struct Yours {
    health: Value,
    /// As the server takes the token's owner.
    name: String,
    /// None for a token of the configuration.
    user: Option<Value>,
    teams: Vec<Value>,
    installation: Option<Installation>,
    environments: Vec<Environment>,
    now: Timestamp,
}

pub(super) async fn look(session: &Session, api: &Api, health: Value) -> Result<Yours, Report> {
    let failed = |error| session.report(&error);
    // Who belongs nowhere, or has a token for something else, sees less of it.
    let user = match api.rest(Method::GET, "/auth/me", None).await {
        Err(error) if error.is_forbidden() => None,
        user => Some(user.map_err(failed)?),
    };
    let teams = match api.rest(Method::GET, "/teams", None).await {
        Err(error) if error.is_forbidden() => Vec::new(),
        teams => teams.map_err(failed)?.as_array().cloned().unwrap_or_default(),
    };
    let environments = match api.all::<Environment>("").await {
        Err(error) if error.is_forbidden() => Vec::new(),
        environments => environments.map_err(failed)?,
    };
    Ok(Yours {
        name: api.whoami().await.map_err(failed)?,
        installation: session.installation(api).await?,
        now: session.now(),
        health,
        user,
        teams,
        environments,
    })
}

impl Yours {
    pub(super) fn show(&self, session: &Session, api: &Api) -> Outcome {
        if session.output.format.is_document() {
            session.output.document(&self.document(api));
            return Ok(exit::DONE);
        }
        server(session, api, &self.health);
        field(session, "You", &self.who(session));
        for (index, team) in self.teams.iter().enumerate() {
            field(session, if index == 0 { "Teams" } else { "" }, &words(team));
        }
        field(session, "Contabo", &self.contabo(session));
        field(session, "Objects", &declared(&self.environments));
        if let Some(monthly) = self.monthly() {
            field(session, "Cost", &format!("{monthly} a month, stopped or not"));
        }
        list(session, "Drift", drift(&self.environments, self.now));
        list(session, "Waits", standing_still(&self.environments, self.now));
        Ok(exit::DONE)
    }

    fn who(&self, session: &Session) -> String {
        let name = session.output.out.paint(Ink::Bold, &self.name);
        let Some(user) = &self.user else { return name };
        let tier = match user["subscription_plan"].as_str() {
            None | Some("none") => "no tier: nothing may be spent until an admin gives one".into(),
            Some(tier) => format!("tier {tier}"),
        };
        let mut text = format!("{name}, {tier}");
        if user["is_verified"] == false {
            let sign = session.output.out.sign(Sign::Waits);
            text.push_str(&format!(
                "; {sign} the address is not verified: open the link in the letter"
            ));
        }
        text
    }

    fn contabo(&self, session: &Session) -> String {
        let account = self.installation.as_ref().and_then(|found| found.spec.account.as_ref());
        match account {
            None => "no account is recorded yet".into(),
            Some(account) if account.simulated => "simulated; nothing costs money".into(),
            Some(account) => {
                let text = format!("REAL MONEY, account {}", account_name(account));
                session.output.out.paint(Ink::Yellow, &text)
            }
        }
    }

    /// What all of it costs a month; nothing where that is no one sum.
    fn monthly(&self) -> Option<Money> {
        let costs = self.environments.iter().filter_map(|found| found.status.cost.as_ref());
        let mut monthly = costs.map(|cost| cost.monthly.clone());
        let first = monthly.next()?;
        monthly.try_fold(first, |sum, cost| sum.checked_add(&cost))
    }

    fn document(&self, api: &Api) -> Value {
        let account = self.installation.as_ref().and_then(|found| found.spec.account.as_ref());
        json!({
            "server": api.server(),
            "health": self.health,
            "name": self.name,
            "user": self.user,
            "teams": self.teams,
            "account": account,
            "environments": self.environments.len(),
            "ready": self.environments.iter().filter(|e| standing::is_ready(e)).count(),
            "monthly": self.monthly(),
            "drift": drift(&self.environments, self.now),
            "waiting": standing_still(&self.environments, self.now),
        })
    }
}

/// `platform: editor, tier starter (t-0a1b2c)`
fn words(team: &Value) -> String {
    let text = |name: &str| team[name].as_str().unwrap_or_default();
    let tier = team["tier"].as_str().map_or("no tier".to_owned(), |tier| format!("tier {tier}"));
    format!("{}: {}, {tier} ({})", text("name"), text("role"), text("namespace"))
}
