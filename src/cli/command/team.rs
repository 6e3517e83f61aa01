//! `devpocket team`: who belongs to a namespace, as what.

mod dry;
mod invite;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::api::Api;
use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::output::{Cell, Format, Ink, Table, age};
use crate::cli::question::{Ask, Given, consent, declined};
use crate::cli::rehearsal::{DryRun, would};
use crate::cli::session::Session;

/// Make teams, and say who belongs to them as what.
#[derive(Args, Debug)]
#[command(
    before_help = "Example:\n  devpocket team invite ann@example.com --role editor -n platform"
)]
pub struct TeamArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Make a team with you as its owner
    #[command(before_help = "Example:\n  devpocket team create platform")]
    Create {
        /// What people call it
        name: String,
        #[command(flatten)]
        dry: DryRun,
    },
    /// List the teams you belong to
    #[command(before_help = "Example:\n  devpocket team list")]
    List,
    /// List who belongs, as what, since when
    #[command(before_help = "Example:\n  devpocket team members -n platform")]
    Members,
    /// Invite somebody, by mail or with a link to hand over
    #[command(
        before_help = "Example:\n  devpocket team invite ann@example.com --role editor -n platform"
    )]
    Invite(InviteArgs),
    /// List invitations and what became of them
    #[command(before_help = "Example:\n  devpocket team invitations -n platform")]
    Invitations,
    /// Send an invitation again; its old link is void
    #[command(
        before_help = "Example:\n  devpocket team resend 5d1e0f6a-77c2-4a0e-9d0e-2f3c1b8a9e11"
    )]
    Resend {
        /// Its id
        id: String,
        #[command(flatten)]
        dry: DryRun,
    },
    /// Withdraw an invitation: its link is void at once
    #[command(
        before_help = "Example:\n  devpocket team revoke 5d1e0f6a-77c2-4a0e-9d0e-2f3c1b8a9e11"
    )]
    Revoke {
        /// Its id
        id: String,
        #[command(flatten)]
        dry: DryRun,
    },
    /// Accept an invitation with the account you are signed in with
    #[command(before_help = "Example:\n  devpocket team join https://dev.example.com/invite#dpi_x")]
    Join {
        /// The link, or the code in it
        link: String,
        #[command(flatten)]
        dry: DryRun,
    },
    /// Give a member another role: viewer, editor or owner
    #[command(before_help = "Example:\n  devpocket team role ann owner -n platform")]
    Role {
        /// User name
        user: String,
        /// viewer, editor or owner
        role: String,
        #[command(flatten)]
        dry: DryRun,
    },
    /// Take a member out: within 5 s they see nothing of the team any more
    #[command(before_help = "Example:\n  devpocket team remove ann -n platform")]
    Remove {
        /// User name
        user: String,
        /// Answer yes
        #[arg(short, long)]
        yes: bool,
        #[command(flatten)]
        dry: DryRun,
    },
    /// Leave a team
    #[command(before_help = "Example:\n  devpocket team leave -n platform")]
    Leave {
        /// Answer yes
        #[arg(short, long)]
        yes: bool,
        #[command(flatten)]
        dry: DryRun,
    },
    /// Say what a team may spend; for admins
    #[command(before_help = "Example:\n  devpocket team tier starter -n platform")]
    Tier {
        /// Name of the tier; none: nothing may be spent
        tier: Option<String>,
        #[command(flatten)]
        dry: DryRun,
    },
    /// End a team that has no environments any more
    #[command(before_help = "Example:\n  devpocket team delete -n platform")]
    Delete {
        /// Answer yes
        #[arg(short, long)]
        yes: bool,
        #[command(flatten)]
        dry: DryRun,
    },
}

#[derive(Args, Debug)]
struct InviteArgs {
    /// Address to send it to; without one the link is for whoever has it
    email: Option<String>,
    /// viewer, editor or owner
    #[arg(long, default_value = "editor")]
    role: String,
    /// How long it is good
    #[arg(long, value_name = "DAYS")]
    days: Option<u32>,
    /// Tier of the account made with it; for admins
    #[arg(long)]
    tier: Option<String>,
    #[command(flatten)]
    dry: DryRun,
}

pub async fn run(session: &Session, args: TeamArgs) -> Outcome {
    let api = session.api()?;
    let call = Call { session, api: &api };
    if args.what.is_rehearsed() {
        return would(session, &call.rehearse(&args.what).await?);
    }
    match args.what {
        What::Create { name, .. } => call.create(&name).await,
        What::List => call.list().await,
        What::Members => call.members().await,
        What::Invite(args) => call.invite(&args).await,
        What::Invitations => call.invitations().await,
        What::Resend { id, .. } => call.resend(&id).await,
        What::Revoke { id, .. } => call.revoke(&id).await,
        What::Join { link, .. } => call.join(&link).await,
        What::Role { user, role, .. } => call.role(&user, &role).await,
        What::Remove { user, yes, .. } => call.remove(&user, yes).await,
        What::Leave { yes, .. } => call.leave(yes).await,
        What::Tier { tier, .. } => call.tier(tier.as_deref()).await,
        What::Delete { yes, .. } => call.delete(yes).await,
    }
}

/// A team: its generated namespace, and what people call it.
struct Team {
    namespace: String,
    name: String,
}

struct Call<'a> {
    session: &'a Session,
    api: &'a Api,
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

impl Call<'_> {
    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value, Report> {
        let answer = self.api.rest(method, path, Some(body).filter(|body| !body.is_null())).await;
        answer.map_err(|error| self.session.report(&error))
    }

    /// The team of `-n`, by its namespace or by what people call it.
    async fn team(&self) -> Result<Team, Report> {
        let wanted = self.session.namespace.as_str();
        let teams = self.send(Method::GET, "/teams", &Value::Null).await?;
        let teams = teams.as_array().cloned().unwrap_or_default();
        let fits: Vec<&Value> = teams
            .iter()
            .filter(|team| {
                text(team, "namespace") == wanted || text(team, "name").eq_ignore_ascii_case(wanted)
            })
            .collect();
        match fits.as_slice() {
            [team] => Ok(Team {
                namespace: text(team, "namespace").to_owned(),
                name: text(team, "name").to_owned(),
            }),
            [] => {
                let known: Vec<&str> = teams.iter().map(|team| text(team, "name")).collect();
                let because = match known.as_slice() {
                    [] => "you belong to no team yet".to_owned(),
                    known => format!("you belong to {}", known.join(", ")),
                };
                Err(Failure::new("not-found", format!("there is no team {wanted:?} of yours"))
                    .at("--namespace, or the context's")
                    .because(because)
                    .attempt("devpocket team list", "")
                    .into())
            }
            several => {
                let names: Vec<&str> = several.iter().map(|team| text(team, "namespace")).collect();
                Err(Failure::usage(format!("{} teams are called {wanted:?}", several.len()))
                    .because(format!("their namespaces are {}", names.join(", ")))
                    .into())
            }
        }
    }

    /// A document for programs, or what `shown` prints.
    fn answer(&self, value: &Value, shown: impl FnOnce()) -> Outcome {
        match self.session.output.format {
            Format::Json | Format::Yaml => self.session.output.document(value),
            _ => shown(),
        }
        Ok(exit::DONE)
    }

    async fn create(&self, name: &str) -> Outcome {
        let made = self.send(Method::POST, "/teams", &json!({"name": name})).await?;
        let namespace = text(&made, "namespace").to_owned();
        self.answer(&made, || {
            let output = &self.session.output;
            output.line(format!("team {name} is there, with you as its owner: {namespace}"));
            if made["tier"].is_null() {
                output.hint(
                    "It has no tier, so nothing can be bought for it yet. An admin gives it one: \
                     devpocket team tier TIER",
                );
            }
            output.hint(format!("Use it: devpocket -n {namespace} get env"));
        })
    }

    async fn list(&self) -> Outcome {
        let teams = self.send(Method::GET, "/teams", &Value::Null).await?;
        let items = teams.as_array().cloned().unwrap_or_default();
        let output = &self.session.output;
        if output.format == Format::Name {
            items.iter().for_each(|team| output.line(text(team, "namespace")));
            return Ok(exit::DONE);
        }
        self.answer(&json!({"items": items}), || {
            if items.is_empty() {
                return output
                    .note("You belong to no team. One of your own: devpocket team create NAME");
            }
            let mut table = Table::new(&["*NAME", "*NAMESPACE", "ROLE", "TIER", ">MEMBERS"]);
            for team in &items {
                table.row(vec![
                    Cell::new(text(team, "name")).ink(Ink::Bold),
                    Cell::new(text(team, "namespace")),
                    Cell::new(text(team, "role")),
                    Cell::new(team["tier"].as_str().unwrap_or("none")),
                    Cell::new(team["members"].to_string()),
                ]);
            }
            output.table(&table);
        })
    }

    async fn members(&self) -> Outcome {
        let team = self.team().await?;
        let path = format!("/teams/{}/members", team.namespace);
        let members = self.send(Method::GET, &path, &Value::Null).await?;
        let items = members.as_array().cloned().unwrap_or_default();
        self.answer(&json!({"items": items}), || {
            let mut table = Table::new(&["*NAME", "*ROLE", "FULL-NAME", "ADDED-BY", "ADDED"]);
            for member in &items {
                table.row(vec![
                    Cell::new(text(member, "username")).ink(Ink::Bold),
                    Cell::new(text(member, "role")),
                    Cell::new(text(member, "full_name")),
                    Cell::new(text(member, "added_by")),
                    Cell::new(self.ago(text(member, "added_at"))),
                ]);
            }
            self.session.output.table(&table);
        })
    }

    /// Time gone since, as tables show it.
    fn ago(&self, at: &str) -> String {
        at.parse().map_or_else(|_| at.to_owned(), |at| age(at, self.session.now()))
    }

    /// A moment as a person reads it.
    fn moment(&self, at: &str) -> String {
        let words = &self.session.output.words;
        at.parse().map_or_else(|_| at.to_owned(), |at| words.moment(at, self.session.now()))
    }

    async fn role(&self, user: &str, role: &str) -> Outcome {
        let team = self.team().await?;
        let path = format!("/teams/{}/members/{user}", team.namespace);
        let done = self.send(Method::PUT, &path, &json!({"role": role})).await?;
        self.answer(&done, || {
            self.session.output.line(format!("{user} is {role} of {} now", team.name));
        })
    }

    async fn remove(&self, user: &str, yes: bool) -> Outcome {
        let team = self.team().await?;
        let question = format!("Take {user} out of {}?", team.name);
        let command = format!("devpocket team remove {user} -n {} --yes", team.namespace);
        if !self.agreed(&question, yes, &command)? {
            return Ok(declined(&self.session.output));
        }
        let path = format!("/teams/{}/members/{user}", team.namespace);
        let done = self.send(Method::DELETE, &path, &Value::Null).await?;
        self.answer(&done, || {
            let name = &team.name;
            let said =
                format!("{user} is out of {name}; what they have open of it ends within 5 s");
            self.session.output.line(said);
        })
    }

    fn agreed(&self, question: &str, yes: bool, command: &str) -> Result<bool, Report> {
        consent(&self.session.output, &Ask::Yes(question), Given { yes, plan: false }, command)
    }

    async fn leave(&self, yes: bool) -> Outcome {
        let team = self.team().await?;
        let question = format!("Leave {}? Only another invitation brings you back.", team.name);
        let command = format!("devpocket team leave -n {} --yes", team.namespace);
        if !self.agreed(&question, yes, &command)? {
            return Ok(declined(&self.session.output));
        }
        let path = format!("/teams/{}/leave", team.namespace);
        let done = self.send(Method::POST, &path, &json!({})).await?;
        self.answer(&done, || self.session.output.line(format!("you left {}", team.name)))
    }

    async fn tier(&self, tier: Option<&str>) -> Outcome {
        let team = self.team().await?;
        let path = format!("/teams/{}/tier", team.namespace);
        let done = self.send(Method::PUT, &path, &json!({"tier": tier})).await?;
        self.answer(&done, || {
            let name = &team.name;
            self.session.output.line(match tier {
                Some(tier) => format!("{name} has tier {tier} now"),
                None => format!("{name} has no tier; nothing more is bought for it"),
            });
        })
    }

    async fn delete(&self, yes: bool) -> Outcome {
        let team = self.team().await?;
        let question = format!("End team {}? Its secrets go with it, for good.", team.name);
        let command = format!("devpocket team delete -n {} --yes", team.namespace);
        if !self.agreed(&question, yes, &command)? {
            return Ok(declined(&self.session.output));
        }
        let path = format!("/teams/{}", team.namespace);
        let done = self.send(Method::DELETE, &path, &Value::Null).await?;
        self.answer(&done, || self.session.output.line(format!("team {} is gone", team.name)))
    }
}
