//! `devpocket admin`: other people's accounts.

mod dry;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::api::Api;
use crate::cli::error::{Outcome, Report, exit};
use crate::cli::output::{Cell, Format, Ink, Table};
use crate::cli::password;
use crate::cli::rehearsal::{DryRun, would};
use crate::cli::session::Session;

const PATH: &str = "/admin/accounts";

/// Make and look after other people's accounts, as an administrator.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket admin create ann ann@example.com --tier starter")]
pub struct AdminArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Make an account; answers a link by which its owner sets a password
    #[command(
        before_help = "Example:\n  devpocket admin create ann ann@example.com --tier starter"
    )]
    Create {
        /// User name: 3 to 30 letters, digits, - and _
        username: String,
        /// E-mail address
        email: String,
        /// What they may spend; without it the server's default
        #[arg(long, value_name = "TIER")]
        tier: Option<String>,
        /// May do everything in the installation
        #[arg(long)]
        admin: bool,
        /// File that holds a first password; - reads a line from stdin
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        #[command(flatten)]
        dry: DryRun,
    },
    /// List accounts
    #[command(before_help = "Example:\n  devpocket admin list ann")]
    List {
        /// Part of a name or an address
        #[arg(default_value = "")]
        holds: String,
    },
    /// Take somebody's e-mail address as theirs
    #[command(before_help = "Example:\n  devpocket admin verify ann")]
    Verify {
        /// User name or e-mail address
        name: String,
        #[command(flatten)]
        dry: DryRun,
    },
    /// Make a link that sets a new password, to hand over
    #[command(before_help = "Example:\n  devpocket admin reset-link ann")]
    ResetLink {
        /// User name or e-mail address
        name: String,
        #[command(flatten)]
        dry: DryRun,
    },
    /// Say what somebody may spend
    #[command(before_help = "Example:\n  devpocket admin set-tier ann starter")]
    SetTier {
        /// User name or e-mail address
        name: String,
        /// Name of a tier, or none
        tier: String,
        #[command(flatten)]
        dry: DryRun,
    },
    /// Keep somebody out; their machines go on
    #[command(before_help = "Example:\n  devpocket admin suspend ann")]
    Suspend {
        /// User name or e-mail address
        name: String,
        /// Let them in again
        #[arg(long)]
        lift: bool,
        #[command(flatten)]
        dry: DryRun,
    },
}

impl What {
    fn is_rehearsed(&self) -> bool {
        match self {
            What::List { .. } => false,
            What::Create { dry, .. }
            | What::Verify { dry, .. }
            | What::ResetLink { dry, .. }
            | What::SetTier { dry, .. }
            | What::Suspend { dry, .. } => dry.dry_run,
        }
    }
}

pub async fn run(session: &Session, args: AdminArgs) -> Outcome {
    let api = session.api()?;
    if args.what.is_rehearsed() {
        return would(session, &dry::rehearse(session, &api, &args.what).await?);
    }
    let at = |name: &str, action: &str| format!("{PATH}/{}/{action}", encoded(name));
    match args.what {
        What::List { holds } => list(session, &api, &holds).await?,
        What::Create { username, email, tier, admin, password_file, .. } => {
            let password = password_file.map(|file| password::from_file(&file, "--password-file"));
            let body = json!({
                "username": username, "email": email, "tier": tier, "admin": admin,
                "password": password.transpose()?,
            });
            let made = ask(session, &api, PATH, &body).await?;
            let words = format!("{username} may sign in; {}.", spends(&made["user"]));
            tell(session, &made, &words);
            show_link(session, &made["reset_link"]);
        }
        What::Verify { name, .. } => {
            let user = ask(session, &api, &at(&name, "verify"), &json!({})).await?;
            tell(session, &user, &format!("{} is verified.", text(&user["email"])));
        }
        What::ResetLink { name, .. } => {
            let made = ask(session, &api, &at(&name, "reset-link"), &json!({})).await?;
            match session.output.format.is_document() {
                true => session.output.document(&made),
                false => show_link(session, &made["reset_link"]),
            }
        }
        What::SetTier { name, tier, .. } => {
            let tier = Some(tier).filter(|tier| tier != "none");
            let body = json!({"tier": tier});
            let user = ask(session, &api, &at(&name, "tier"), &body).await?;
            tell(session, &user, &format!("{}: {}.", text(&user["username"]), spends(&user)));
        }
        What::Suspend { name, lift, .. } => {
            let body = json!({"suspended": !lift});
            let user = ask(session, &api, &at(&name, "suspend"), &body).await?;
            let name = text(&user["username"]);
            let words = match lift {
                true => format!("{name} may sign in again."),
                false => format!("{name} is out at once. Their machines and records stand."),
            };
            tell(session, &user, &words);
        }
    }
    Ok(exit::DONE)
}

async fn ask(session: &Session, api: &Api, path: &str, body: &Value) -> Result<Value, Report> {
    api.rest(Method::POST, path, Some(body)).await.map_err(|error| session.report(&error))
}

fn tell(session: &Session, document: &Value, words: &str) {
    match session.output.format {
        Format::Json | Format::Yaml => session.output.document(document),
        _ => session.output.line(words),
    }
}

fn show_link(session: &Session, link: &Value) {
    let Some(link) = link.as_str().filter(|_| !session.output.format.is_document()) else { return };
    session.output.line(link);
    session
        .output
        .hint("The link sets a password, once, within an hour. Hand it to its owner only.");
}

async fn list(session: &Session, api: &Api, holds: &str) -> Result<(), Report> {
    let path = format!("{PATH}?query={}", encoded(holds));
    let answer =
        api.rest(Method::GET, &path, None).await.map_err(|error| session.report(&error))?;
    let users = answer.as_array().cloned().unwrap_or_default();
    match session.output.format {
        Format::Json | Format::Yaml => session.output.document(&json!({"items": users})),
        Format::Name => users.iter().for_each(|u| session.output.line(text(&u["username"]))),
        _ if users.is_empty() => session
            .output
            .note("There is no such account. One is made by: devpocket admin create NAME EMAIL"),
        _ => {
            let mut table =
                Table::new(&["*NAME", "*EMAIL", "TIER", "STANDING", "NAMESPACE", "LAST-LOGIN"]);
            for user in &users {
                let mut standing = Vec::new();
                for (field, expected, word) in [
                    ("is_active", false, "suspended"),
                    ("is_verified", false, "not verified"),
                    ("is_admin", true, "admin"),
                ] {
                    if user[field] == expected {
                        standing.push(word);
                    }
                }
                let last = text(&user["last_login"]);
                table.row(vec![
                    Cell::new(text(&user["username"])).ink(Ink::Bold),
                    Cell::new(text(&user["email"])),
                    Cell::new(text(&user["subscription_plan"])),
                    Cell::new(standing.join(", ")),
                    Cell::new(text(&user["namespace"])),
                    Cell::new(last.split('T').next().unwrap_or_default()),
                ]);
            }
            session.output.table(&table);
        }
    }
    Ok(())
}

/// `spends as tier starter`, or that nothing may be spent.
fn spends(user: &Value) -> String {
    match user["subscription_plan"].as_str() {
        Some("none") | None => "nothing may be spent until a tier is set".into(),
        Some(tier) => format!("tier {tier}"),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// As a part of a path or a query.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().fold(String::new(), |mut out, byte| {
        match plain(byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}
