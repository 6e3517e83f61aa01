//! `devpocket login`: remembers a server and a token, after the server has accepted it.

use std::io::{self, BufRead};
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::session::{Session, contexts_failure, contexts_path};
use crate::contabo::Sensitive;
use crate::context::{Context, DEFAULT_NAMESPACE};

/// Sign in to a server and remember it as a context.
#[derive(Args, Debug)]
#[command(
    before_help = "Example:\n  devpocket login https://dev.example.com --token-file token.txt"
)]
pub struct LoginArgs {
    /// Address of the server; without it the one of the context in use
    #[arg(value_name = "URL")]
    address: Option<String>,
    /// Name of the context; without it the server's host name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// File that holds the token; - reads a line from stdin
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificates (PEM) to trust for this server beside those of the system
    #[arg(long, value_name = "FILE")]
    certificate_authority: Option<PathBuf>,
}

pub async fn run(session: &Session, args: LoginArgs) -> Outcome {
    let current = session.context.as_ref().and_then(|name| session.contexts.contexts.get(name));
    let server = args.address.clone().or_else(|| session.globals.server.clone());
    let server = server.or_else(|| current.map(|context| context.server.clone()));
    let Some(server) = server else {
        let failure = Failure::usage("no server is named");
        return Err(failure
            .attempt("devpocket login https://dev.example.com --token-file FILE", "")
            .into());
    };
    let server = server.trim_end_matches('/').to_owned();
    let token = token(session, &args)?;
    let authority = authority(&args, current.filter(|context| context.server == server))?;
    let token_given = Some(Sensitive::new(token.clone()));
    let api = session.api_of(&server, token_given, authority.as_deref())?;
    let user = api.whoami().await.map_err(|error| session.report(&error))?;
    let path = contexts_path()?;
    let mut contexts = session.contexts.clone();
    let name = args.name.unwrap_or_else(|| host(&server));
    let known = contexts.contexts.get(&name).map(|context| context.namespace.clone());
    let namespace = session.globals.namespace.clone().or(known);
    let context = Context {
        server: server.clone(),
        token: Sensitive::new(token),
        namespace: namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()),
        authority,
    };
    contexts.contexts.insert(name.clone(), context);
    contexts.current = Some(name.clone());
    contexts.save(&path).map_err(|error| contexts_failure(&error))?;
    if session.output.format.is_document() {
        session.output.document(&json!({"context": name, "server": server, "user": user}));
    } else {
        session.output.line(format!("Signed in to {server} as {user}; context {name}."));
    }
    Ok(exit::DONE)
}

/// The certificates of the flag, or those known for the server.
fn authority(args: &LoginArgs, known: Option<&Context>) -> Result<Option<String>, Report> {
    let Some(file) = &args.certificate_authority else {
        return Ok(known.and_then(|context| context.authority.clone()));
    };
    let fault = |text: String| Report::from(Failure::usage(text).at("--certificate-authority"));
    let text = std::fs::read_to_string(file)
        .map_err(|error| fault(format!("{} cannot be read: {error}", file.display())))?;
    if !text.contains("BEGIN CERTIFICATE") {
        return Err(fault(format!("{} holds no certificate in PEM", file.display())));
    }
    Ok(Some(text))
}

fn token(session: &Session, args: &LoginArgs) -> Result<String, Report> {
    let text = match (&args.token_file, &session.globals.token) {
        (Some(file), _) if file.as_os_str() == "-" => {
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line).map(|_| line)
        }
        (Some(file), _) => std::fs::read_to_string(file),
        (None, Some(token)) => Ok(token.clone()),
        (None, None) => {
            let failure = Failure::usage("no token is given").at("--token-file, DEVPOCKET_TOKEN");
            let server = args.address.as_deref().unwrap_or("https://dev.example.com");
            let command = format!("devpocket login {server} --token-file -");
            return Err(failure.attempt(command, "reads it as one line from stdin").into());
        }
    };
    let text = text.map_err(|error| {
        Report::from(
            Failure::usage(format!("the token cannot be read: {error}")).at("--token-file"),
        )
    })?;
    let token = text.trim().to_owned();
    if token.is_empty() {
        return Err(Failure::usage("the token is empty").at("--token-file").into());
    }
    Ok(token)
}

fn host(server: &str) -> String {
    let url = reqwest::Url::parse(server).ok();
    url.as_ref().and_then(|url| url.host_str()).unwrap_or("default").to_owned()
}
