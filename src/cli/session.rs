//! One call of the program: which server, which namespace, how the answer looks.

use std::path::PathBuf;

use devpocket_specs::installation::{
    self, Account, Installation, InstallationSpec, InstallationStatus,
};
use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::ObjectMeta;
use devpocket_specs::object::Key;
use jiff::Timestamp;

use super::api::{Api, ApiError, Renewal, ServerTime};
use super::args::Globals;
use super::error::{Failure, Report, exit};
use super::output::{Ink, Output};
use super::refusal;
use crate::contabo::Sensitive;
use crate::context::{self, ContextError, Contexts};

/// What all commands share.
pub struct Session {
    pub output: Output,
    pub namespace: String,
    /// Nobody named the namespace: neither a flag nor the context.
    namespace_assumed: bool,
    pub globals: Globals,
    pub contexts: Contexts,
    /// Name of the context in use, if one is.
    pub context: Option<String>,
    time: ServerTime,
}

impl Session {
    pub fn open(globals: Globals) -> Result<Session, Report> {
        let output = Output::new(globals.output.unwrap_or_default(), globals.color);
        let output = Output { managed_fields: globals.show_managed_fields, ..output };
        let contexts = read_contexts()?;
        let named = globals.context.as_deref();
        let picked = contexts.pick(named).map(|(name, context)| (name.to_owned(), context.clone()));
        if let (Some(name), None, None) = (named, &picked, &globals.server) {
            return Err(unknown_context(name, &contexts));
        }
        // A server named on the command line is not the context's, and its token not for it.
        let context = match (&globals.server, &picked) {
            (Some(server), Some((_, known))) if !is_same(server, known) => None,
            _ => picked,
        };
        let namespace = globals
            .namespace
            .clone()
            .or_else(|| context.as_ref().map(|(_, context)| context.namespace.clone()));
        Ok(Session {
            output,
            namespace_assumed: namespace.is_none(),
            namespace: namespace.unwrap_or_else(|| context::DEFAULT_NAMESPACE.to_owned()),
            context: context.map(|(name, _)| name),
            globals,
            contexts,
            time: ServerTime::default(),
        })
    }

    /// Where nobody named a namespace, a signed-in person means their own.
    pub async fn settle(&mut self) {
        if !self.namespace_assumed || self.globals.token.is_none() {
            return;
        }
        let Ok(api) = self.api() else { return };
        // Tokens of the configuration have no account, and what else is wrong shows soon enough.
        if let Ok(me) = api.rest(reqwest::Method::GET, "/auth/me", None).await
            && let Some(own) = me["namespace"].as_str().filter(|own| !own.is_empty())
        {
            self.namespace = own.to_owned();
        }
    }

    /// The time at the server, once it has answered.
    pub fn now(&self) -> Timestamp {
        self.time.now()
    }

    /// The same, before anything else was asked.
    pub async fn asked_now(&self, api: &Api) -> Result<Timestamp, Report> {
        api.health().await.map_err(|error| self.report(&error))?;
        Ok(self.now())
    }

    /// The server of the flags, or of the context.
    pub fn api(&self) -> Result<Api, Report> {
        let context = self.context.as_ref().and_then(|name| self.contexts.contexts.get(name));
        let server = self.globals.server.clone().or_else(|| context.map(|c| c.server.clone()));
        let Some(server) = server else { return Err(no_server()) };
        let token = self.globals.token.clone().map(Sensitive::new);
        let token = token.or_else(|| context.map(|context| context.token.clone()));
        let token = token.filter(|token| !token.is_empty());
        let authority = context.and_then(|context| context.authority.as_deref());
        let api = self.api_of(&server, token, authority)?;
        let refresh = context.and_then(|context| context.refresh.clone());
        Ok(match (&self.context, refresh) {
            (Some(name), Some(refresh)) if self.globals.token.is_none() => {
                api.renewing(Renewal::new(contexts_path()?, name, refresh))
            }
            _ => api,
        })
    }

    /// A server that need not be known here.
    pub fn api_of(
        &self,
        server: &str,
        token: Option<Sensitive>,
        authority: Option<&str>,
    ) -> Result<Api, Report> {
        let url = reqwest::Url::parse(server).ok();
        if server.contains('@') {
            // Not shown: what stands before it is most likely a password.
            let message = "an address has no user and no password in it";
            let failure = Failure::usage(message).at(self.origin());
            let address = server.rsplit('@').next().unwrap_or_default();
            let login = format!("devpocket login https://{address}");
            return Err(failure.attempt(login, "signs in, and remembers it").into());
        }
        if !url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            let message = format!("{server:?} is not an address; one is https://dev.example.com");
            return Err(Failure::usage(message).at(self.origin()).into());
        }
        let api = Api::new(server, token, authority, self.time.clone());
        api.map_err(|error| self.report(&error))
    }

    pub fn report(&self, error: &ApiError) -> Report {
        refusal::report(self, error)
    }

    /// Where the address comes from, and how another one is named.
    pub fn origin(&self) -> String {
        match &self.context {
            Some(name) => format!("context {name} (or set --server, DEVPOCKET_SERVER)"),
            None => "--server, DEVPOCKET_SERVER".to_owned(),
        }
    }

    /// The other servers known here, as `local (http://127.0.0.1:8000)`.
    pub fn other_contexts(&self) -> Vec<String> {
        let others =
            self.contexts.contexts.iter().filter(|(name, _)| Some(*name) != self.context.as_ref());
        others.map(|(name, context)| format!("{name} ({})", context.server)).collect()
    }

    pub fn is_local(&self) -> bool {
        self.context.as_deref().is_none_or(|name| name == context::LOCAL)
    }

    pub fn environment(&self, name: &str) -> Key {
        Key::new(Kind::Environment, self.namespace.clone(), name)
    }

    /// The Installation: which account it is, and what holds all of it.
    pub async fn installation(&self, api: &Api) -> Result<Option<Installation>, Report> {
        match api.find::<Installation>("", installation::NAME).await {
            Err(error) if error.is_forbidden() => {
                let catalogue = api.catalogue().await.map_err(|error| self.report(&error))?;
                Ok(shown_to_tenants(api.server(), &catalogue["account"]))
            }
            found => found.map_err(|error| self.report(&error)),
        }
    }

    /// What every first line names: the server, and whether it is real money.
    pub fn account_words(&self, api: &Api, installation: Option<&Installation>) -> String {
        let account = installation.and_then(|installation| installation.spec.account.as_ref());
        let (words, ink) = match account {
            None => ("no Contabo account yet".to_owned(), Ink::Plain),
            Some(account) if account.simulated => ("simulated".to_owned(), Ink::Plain),
            Some(account) => {
                (format!("REAL MONEY, Contabo {}", account_name(account)), Ink::Yellow)
            }
        };
        format!("{}  {}", api.server(), self.output.err.paint(ink, &words))
    }
}

/// What a tenant knows of the Installation: whose account it is, whether that is real money, and how long
/// what they release can be taken back.
fn shown_to_tenants(server: &str, account: &serde_json::Value) -> Option<Installation> {
    let text = |name: &str| account[name].as_str().map(str::to_owned);
    let of_account = Account {
        api: server.to_owned(),
        tenant: text("tenant")?,
        customer: text("customer")?,
        simulated: account["simulated"].as_bool()?,
    };
    Some(Installation {
        metadata: ObjectMeta::named("", installation::NAME),
        spec: InstallationSpec {
            account: Some(of_account),
            reclaim_after_seconds: account["reclaimAfterSeconds"].as_i64().unwrap_or_default(),
            ..InstallationSpec::default()
        },
        status: InstallationStatus::default(),
    })
}

/// Whether it is no more than [`shown_to_tenants`]: no record, so its budget and limits are not known.
pub fn is_shown_in_part(installation: &Installation) -> bool {
    installation.metadata.uid.is_none()
}

/// Whether the address is the context's; `up` speaks TLS on the port of plain HTTP, and what the
/// context vouches for there is as good under https.
fn is_same(server: &str, known: &context::Context) -> bool {
    let server = server.trim_end_matches('/');
    let over_tls = known.authority.as_ref().and_then(|_| known.server.strip_prefix("http://"));
    server == known.server
        || over_tls.is_some_and(|place| server.strip_prefix("https://") == Some(place))
}

/// `DE-54321`
pub fn account_name(account: &installation::Account) -> String {
    if account.customer.contains('-') {
        account.customer.clone()
    } else {
        format!("{}-{}", account.tenant, account.customer)
    }
}

/// The file with the contexts.
pub fn contexts_path() -> Result<PathBuf, Report> {
    context::path().map_err(|error| contexts_failure(&error))
}

fn read_contexts() -> Result<Contexts, Report> {
    match context::path() {
        // Without a folder there are no contexts; flags may say all that is needed.
        Err(ContextError::NoFolder) => Ok(Contexts::default()),
        Err(error) => Err(contexts_failure(&error)),
        Ok(path) => Contexts::load(&path).map_err(|error| contexts_failure(&error)),
    }
}

pub fn contexts_failure(error: &ContextError) -> Report {
    Failure::new("contexts-file", error.to_string())
        .exit(exit::INVALID)
        .so_far("nothing was sent")
        .into()
}

fn no_server() -> Report {
    Failure::new("signed-out", "no server is known here")
        .exit(exit::UNREACHABLE)
        .at("--server, DEVPOCKET_SERVER, or a context")
        .so_far("nothing was sent")
        .attempt("devpocket up", "all of it on this computer, with a simulated Contabo")
        .attempt("devpocket login https://dev.example.com --token-file FILE", "a server that runs")
        .into()
}

fn unknown_context(name: &str, contexts: &Contexts) -> Report {
    let known: Vec<&str> = contexts.contexts.keys().map(String::as_str).collect();
    let because = match known.as_slice() {
        [] => "there is none yet".to_owned(),
        known => format!("there are: {}", known.join(", ")),
    };
    Failure::usage(format!("there is no context {name:?}"))
        .at("--context")
        .because(because)
        .attempt("devpocket context", "")
        .into()
}
