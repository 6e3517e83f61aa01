//! `devpocket login`: remembers a server and how to sign in there, after the server has accepted it.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::sign_in::{self, SignedIn};
use crate::cli::api::Api;
use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::password;
use crate::cli::session::{Session, contexts_failure, contexts_path};
use crate::contabo::Sensitive;
use crate::context::{Context, Contexts, DEFAULT_NAMESPACE};

/// Sign in to a server and remember it as a context.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket login https://dev.example.com --username ann")]
pub struct LoginArgs {
    /// Address of the server; without it the one of the context in use
    #[arg(value_name = "URL")]
    address: Option<String>,
    /// Name of the context; without it the server's host name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// User name or e-mail address; the password is asked for
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// File that holds the password; - reads a line from stdin
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// Show a code to be typed where you are signed in already
    #[arg(long, conflicts_with_all = ["username", "token_file"])]
    device: bool,
    /// File that holds a token, such as one of `devpocket token create`; - reads a line from stdin
    #[arg(long, value_name = "FILE", conflicts_with = "username")]
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
        return Err(failure.attempt("devpocket login https://dev.example.com", "").into());
    };
    let server = server.trim_end_matches('/').to_owned();
    let authority = authority(&args, current.filter(|context| context.server == server))?;
    let signed = sign_in(session, &args, &server, authority.as_deref()).await?;
    let path = contexts_path()?;
    // Read again: signing in may have taken minutes.
    let mut contexts = Contexts::load(&path).map_err(|error| contexts_failure(&error))?;
    let name = args.name.unwrap_or_else(|| host(&server));
    let known = contexts.contexts.get(&name).map(|context| context.namespace.clone());
    let namespace = session.globals.namespace.clone().or(signed.namespace).or(known);
    let context = Context {
        server: server.clone(),
        token: signed.token,
        refresh: signed.refresh,
        namespace: namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()),
        authority,
    };
    contexts.contexts.insert(name.clone(), context);
    contexts.current = Some(name.clone());
    contexts.save(&path).map_err(|error| contexts_failure(&error))?;
    let user = signed.user;
    if session.output.format.is_document() {
        session.output.document(&json!({"context": name, "server": server, "user": user}));
    } else {
        session.output.line(format!("Signed in to {server} as {user}; context {name}."));
    }
    Ok(exit::DONE)
}

/// What is remembered.
struct Signed {
    token: Sensitive,
    refresh: Option<Sensitive>,
    user: String,
    namespace: Option<String>,
}

impl From<SignedIn> for Signed {
    fn from(signed: SignedIn) -> Signed {
        let SignedIn { token, refresh, user, namespace } = signed;
        Signed { token, refresh: Some(refresh), user, namespace }
    }
}

async fn sign_in(
    session: &Session,
    args: &LoginArgs,
    server: &str,
    authority: Option<&str>,
) -> Result<Signed, Report> {
    let given = match (&args.token_file, &session.globals.token) {
        (Some(file), _) => Some(password::from_file(file, "--token-file")?),
        (None, Some(token)) if args.username.is_none() && !args.device => Some(token.clone()),
        (None, _) => None,
    };
    if let Some(token) = given {
        let token = Sensitive::new(token.trim());
        if token.is_empty() {
            return Err(Failure::usage("the token is empty").at("--token-file").into());
        }
        let api = session.api_of(server, Some(token.clone()), authority)?;
        let user = api.whoami().await.map_err(|error| session.report(&error))?;
        return Ok(Signed { token, refresh: None, user, namespace: None });
    }
    let api = session.api_of(server, None, authority)?;
    if args.device {
        return sign_in::by_device(session, &api).await.map(Signed::from);
    }
    by_password(session, args, &api).await.map(Signed::from)
}

async fn by_password(session: &Session, args: &LoginArgs, api: &Api) -> Result<SignedIn, Report> {
    let output = &session.output;
    if args.password_file.is_none() && !output.can_ask() {
        let server = api.server();
        let failure = Failure::usage("no token is given, and there is no terminal to ask on");
        return Err(failure
            .at("--token-file, DEVPOCKET_TOKEN")
            .attempt(format!("devpocket login {server} --token-file -"), "a line from stdin")
            .attempt(format!("devpocket login {server} --device"), "a code to confirm elsewhere")
            .into());
    }
    // Before a password is asked for: it would be typed for nothing, or for another server.
    api.health().await.map_err(|error| session.report(&error))?;
    let name = match &args.username {
        Some(name) => name.clone(),
        None => password::line(output, "User name or e-mail address: ")?,
    };
    let secret = match &args.password_file {
        Some(file) => password::from_file(file, "--password-file")?,
        None => {
            password::hidden(output, &format!("Password of {name} at {}: ", api.server())).await?
        }
    };
    sign_in::by_password(session, api, &name, &secret).await
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

fn host(server: &str) -> String {
    let url = reqwest::Url::parse(server).ok();
    url.as_ref().and_then(|url| url.host_str()).unwrap_or("default").to_owned()
}
