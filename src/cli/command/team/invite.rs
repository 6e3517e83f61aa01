//! Inviting to a team, and accepting.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Call, InviteArgs, Team, text};
use crate::cli::error::Outcome;
use crate::cli::output::{Cell, Table};

impl Call<'_> {
    pub(super) async fn invite(&self, args: &InviteArgs) -> Outcome {
        let team = self.team().await?;
        let mut form = json!({"role": args.role});
        for (name, value) in [("email", &args.email), ("tier", &args.tier)] {
            if let Some(value) = value {
                form[name] = value.as_str().into();
            }
        }
        if let Some(days) = args.days {
            form["days"] = days.into();
        }
        let path = format!("/teams/{}/invitations", team.namespace);
        let made = self.send(Method::POST, &path, &form).await?;
        self.invited(&made, &team)
    }

    fn invited(&self, made: &Value, team: &Team) -> Outcome {
        let until = self.moment(text(made, "expires_at"));
        let (role, name) = (text(made, "role"), &team.name);
        self.answer(made, || {
            let output = &self.session.output;
            match (made["link"].as_str(), made["email"].as_str()) {
                (Some(link), _) => {
                    output.line(link);
                    output.hint(format!(
                        "Good until {until} for whoever has it, once: {role} of {name}."
                    ));
                }
                (None, email) => output.line(format!(
                    "invitation to {name} as {role} is on its way to {}; good until {until}",
                    email.unwrap_or("them")
                )),
            }
        })
    }

    pub(super) async fn invitations(&self) -> Outcome {
        let team = self.team().await?;
        let path = format!("/teams/{}/invitations", team.namespace);
        let found = self.send(Method::GET, &path, &Value::Null).await?;
        let items = found.as_array().cloned().unwrap_or_default();
        self.answer(&json!({"items": items}), || {
            let output = &self.session.output;
            if items.is_empty() {
                return output.note("Nobody was invited. Invite: devpocket team invite EMAIL");
            }
            let mut table = Table::new(&["*ID", "*STATE", "FOR", "ROLE", "BY", "UNTIL"]);
            for one in &items {
                table.row(vec![
                    Cell::new(text(one, "id")),
                    Cell::new(text(one, "state")),
                    Cell::new(one["email"].as_str().unwrap_or("whoever has the link")),
                    Cell::new(text(one, "role")),
                    Cell::new(text(one, "inviter")),
                    Cell::new(self.moment(text(one, "expires_at"))),
                ]);
            }
            output.table(&table);
        })
    }

    pub(super) async fn resend(&self, id: &str) -> Outcome {
        let team = self.team().await?;
        let path = format!("/teams/{}/invitations/{id}/resend", team.namespace);
        let made = self.send(Method::POST, &path, &json!({})).await?;
        self.invited(&made, &team)
    }

    pub(super) async fn revoke(&self, id: &str) -> Outcome {
        let team = self.team().await?;
        let path = format!("/teams/{}/invitations/{id}", team.namespace);
        let done = self.send(Method::DELETE, &path, &Value::Null).await?;
        self.answer(&done, || self.session.output.line("invitation withdrawn; its link is void"))
    }

    pub(super) async fn join(&self, link: &str) -> Outcome {
        let code = code_in(link);
        let form = json!({"code": code});
        let done = self.send(Method::POST, "/invitations/accept", &form).await?;
        let team = &done["team"];
        self.answer(&done, || {
            let (name, role) = (text(team, "name"), text(team, "role"));
            self.session.output.line(format!("you belong to {name} as {role}"));
            let namespace = text(team, "namespace");
            self.session.output.hint(format!("Look: devpocket -n {namespace} get env"));
        })
    }
}

/// The code of an invitation's link, which stands behind its `#`; or what is one already.
pub(super) fn code_in(link: &str) -> &str {
    let behind = |mark: &str| link.split_once(mark).map(|(_, code)| code);
    behind("#").or_else(|| behind("code=")).unwrap_or(link)
}

#[cfg(test)]
mod tests {
    use super::code_in;

    #[test]
    fn a_link_is_as_good_as_its_code() {
        let link = crate::pages::Page::Invite.link("https://dev.example.com", "dpi_x");
        for text in [link.as_str(), "https://dev.example.com/invite?code=dpi_x", "dpi_x"] {
            assert_eq!(code_in(text), "dpi_x", "{text}");
        }
    }
}
