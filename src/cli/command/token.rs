//! `devpocket token`: tokens for programs.

use clap::{Args, Subcommand};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::api::Api;
use crate::cli::args::duration;
use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::output::{Cell, Format, Ink, Table, ago as words_ago};
use crate::cli::rehearsal::{DryRun, would};
use crate::cli::session::Session;

const PATH: &str = "/users/me/tokens";

/// Make, list and revoke tokens for programs.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket token create ci --expires 90d")]
pub struct TokenArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Make one; it is shown this once
    #[command(
        before_help = "Example:\n  devpocket token create ci --verbs get,list --kinds environments --expires 90d"
    )]
    Create {
        /// What it is for
        name: String,
        /// Only these verbs, such as get,list,watch
        #[arg(long, value_name = "LIST", value_delimiter = ',')]
        verbs: Vec<String>,
        /// Only these kinds, such as environments
        #[arg(long, value_name = "LIST", value_delimiter = ',')]
        kinds: Vec<String>,
        /// Only in this namespace
        #[arg(long, value_name = "NAME")]
        only_namespace: Option<String>,
        /// When it ends, such as 90d; without it, when it is revoked
        #[arg(long, value_parser = duration, value_name = "TIME")]
        expires: Option<SignedDuration>,
        #[command(flatten)]
        dry: DryRun,
    },
    /// List them
    #[command(before_help = "Example:\n  devpocket token list")]
    List,
    /// End one
    #[command(before_help = "Example:\n  devpocket token revoke ci")]
    Revoke {
        /// Its id, or its name if only one is called so
        // Not `token`: that is the name of the flag every command has.
        #[arg(value_name = "TOKEN")]
        which: String,
        #[command(flatten)]
        dry: DryRun,
    },
}

pub async fn run(session: &Session, args: TokenArgs) -> Outcome {
    let api = session.api()?;
    match args.what {
        What::List => list(session, &api).await?,
        What::Revoke { which, dry } => {
            let token = one(session, &api, &which).await?;
            if dry.dry_run {
                let what = format!("end token {} ({})", text(&token["name"]), text(&token["id"]));
                return would(session, &what);
            }
            revoke(session, &api, &token).await?;
        }
        What::Create { name, verbs, kinds, only_namespace, expires, dry } => {
            // Whole days, and none that has begun is lost.
            let days = expires.map(|life| (life.as_secs() + 86_399) / 86_400);
            let body = json!({
                "name": name, "verbs": verbs, "kinds": kinds, "namespace": only_namespace,
                "expires_in_days": days,
            });
            if dry.dry_run {
                let until =
                    days.map_or("until it is revoked".into(), |days| format!("for {days} d"));
                return would(
                    session,
                    &format!("make token {name} for {}, {until}", purpose(&body)),
                );
            }
            create(session, &api, &body).await?;
        }
    }
    Ok(exit::DONE)
}

async fn create(session: &Session, api: &Api, body: &Value) -> Result<(), Report> {
    let made = api.rest(Method::POST, PATH, Some(body)).await;
    let made = made.map_err(|error| session.report(&error))?;
    match session.output.format {
        Format::Json | Format::Yaml => session.output.document(&made),
        Format::Name => session.output.line(text(&made["id"])),
        _ => {
            session.output.line(text(&made["token"]));
            session.output.hint(format!(
                "It is shown this once. To use it: devpocket login {} --token-file FILE",
                api.server()
            ));
        }
    }
    Ok(())
}

async fn list(session: &Session, api: &Api) -> Result<(), Report> {
    let tokens = tokens(session, api).await?;
    match session.output.format {
        Format::Json | Format::Yaml => session.output.document(&json!({"items": tokens})),
        Format::Name => tokens.iter().for_each(|token| session.output.line(text(&token["id"]))),
        _ if tokens.is_empty() => {
            session.output.note("There is no token. One is made by: devpocket token create NAME");
        }
        _ => {
            let mut table = Table::new(&["*NAME", "*ID", "FOR", "EXPIRES", "LAST-USED"]);
            let now = session.now();
            for token in &tokens {
                let ago = |value: &Value| {
                    let at: Option<jiff::Timestamp> = value.as_str().and_then(|t| t.parse().ok());
                    at.map(|at| format!("{} ago", words_ago(at, now)))
                };
                let expires = match token["expires_at"].as_str() {
                    Some(at) => at.split('T').next().unwrap_or_default().to_owned(),
                    None => "never".into(),
                };
                table.row(vec![
                    Cell::new(text(&token["name"])).ink(Ink::Bold),
                    Cell::new(text(&token["id"])),
                    Cell::new(purpose(token)),
                    Cell::new(expires),
                    Cell::new(ago(&token["last_used_at"]).unwrap_or_else(|| "never".into())),
                ]);
            }
            session.output.table(&table);
        }
    }
    Ok(())
}

/// `get,list environments in team-a`, or `everything`.
fn purpose(token: &Value) -> String {
    let list = |value: &Value| {
        let words = value.as_array().into_iter().flatten().filter_map(Value::as_str);
        words.collect::<Vec<_>>().join(",")
    };
    let (verbs, kinds) = (list(&token["verbs"]), list(&token["kinds"]));
    let place = token["namespace"].as_str().map(|name| format!("in {name}")).unwrap_or_default();
    let words = [verbs, kinds, place].join(" ");
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.is_empty() { "everything".into() } else { words }
}

/// The token that is meant.
async fn one(session: &Session, api: &Api, named: &str) -> Result<Value, Report> {
    let tokens = tokens(session, api).await?;
    let fits = |token: &&Value| token["id"] == named || token["name"] == named;
    let found: Vec<&Value> = tokens.iter().filter(fits).collect();
    let [token] = found.as_slice() else {
        let message = match found.len() {
            0 => format!("there is no token {named:?}"),
            many => format!("{many} tokens are called {named:?}"),
        };
        let failure = Failure::new("not-found", message).so_far("nothing was revoked");
        return Err(failure.attempt("devpocket token list", "their ids").into());
    };
    Ok((*token).clone())
}

async fn revoke(session: &Session, api: &Api, token: &Value) -> Result<(), Report> {
    let path = format!("{PATH}/{}", text(&token["id"]));
    let revoked = api.rest(Method::DELETE, &path, None).await;
    revoked.map_err(|error| session.report(&error))?;
    if !session.output.format.is_document() {
        session.output.line(format!("Token {} has ended.", text(&token["name"])));
    }
    Ok(())
}

async fn tokens(session: &Session, api: &Api) -> Result<Vec<Value>, Report> {
    let answer = api.rest(Method::GET, PATH, None).await.map_err(|error| session.report(&error))?;
    Ok(answer.as_array().cloned().unwrap_or_default())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
