//! `devpocket kubeconfig`: the context in use, as `kubectl` reads it.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::session::Session;
use crate::context::{Context, write_private};
use crate::server::KUBE_PREFIX;

/// Names the files kubectl reads; the first of them is written.
const VARIABLE: &str = "KUBECONFIG";
/// Lists of a kubeconfig that hold named entries.
const LISTS: [&str; 3] = ["clusters", "users", "contexts"];

/// Print the context in use for kubectl, or write it into kubectl's file.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket kubeconfig --write && kubectl get env")]
pub struct KubeconfigArgs {
    /// Add it to kubectl's file and make it the one in use; other entries stay
    #[arg(long)]
    write: bool,
    /// That file, instead of the first of KUBECONFIG or ~/.kube/config
    #[arg(long, value_name = "FILE", requires = "write")]
    file: Option<PathBuf>,
}

pub fn run(session: &Session, args: &KubeconfigArgs) -> Outcome {
    let named = session.context.as_ref();
    let known = named.and_then(|name| Some((name, session.contexts.contexts.get(name)?)));
    let Some((name, context)) = known else {
        let failure = Failure::new("signed-out", "no server is known here").exit(exit::UNREACHABLE);
        return Err(failure
            .at("--context, or the context in use")
            .attempt("devpocket up", "all of it on this computer, with a simulated Contabo")
            .attempt("devpocket context", "the servers known here")
            .into());
    };
    let name = format!("devpocket-{name}");
    let ours = document(&name, context, &session.namespace)?;
    if !args.write {
        if session.output.format.is_document() {
            session.output.document(&ours);
        } else {
            session.output.line(yaml(&ours).trim_end());
        }
        return Ok(exit::DONE);
    }
    let path = args.file.clone().or_else(kubectls_file).ok_or_else(|| {
        Report::from(
            Failure::usage("kubectl's file is not known: set HOME, or name it").at("--file"),
        )
    })?;
    let merged = merge(read(&path)?, ours);
    write_private(&path, yaml(&merged).as_bytes())
        .map_err(|error| unusable(&path, &format!("cannot be written: {error}")))?;
    session.output.line(format!("{} has context {name}, now in use.", path.display()));
    session.output.note("Next: kubectl get env");
    Ok(exit::DONE)
}

/// A kubeconfig with this one server.
fn document(name: &str, context: &Context, namespace: &str) -> Result<Value, Report> {
    // Over plain HTTP kubectl would leave the token out. `up` speaks both on one port.
    let address = match (&context.authority, context.server.strip_prefix("http://")) {
        (Some(_), Some(rest)) => format!("https://{rest}"),
        (None, Some(_)) => {
            let text = format!("kubectl sends no token to {}: it is not https", context.server);
            return Err(Failure::new("no-tls", text)
                .so_far("nothing was written")
                .attempt("devpocket login https://dev.example.com --token-file FILE", "")
                .into());
        }
        (_, None) => context.server.clone(),
    };
    let mut cluster = json!({"server": format!("{address}{KUBE_PREFIX}")});
    if let Some(authority) = &context.authority {
        cluster["certificate-authority-data"] = STANDARD.encode(authority).into();
    }
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": context.token.reveal()}}],
        "contexts": [{
            "name": name,
            "context": {"cluster": name, "user": name, "namespace": namespace},
        }],
        "current-context": name,
    }))
}

fn kubectls_file() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    set(VARIABLE)
        .and_then(|list| env::split_paths(&list).find(|path| !path.as_os_str().is_empty()))
        .or_else(|| set("HOME").map(|home| Path::new(&home).join(".kube/config")))
}

/// What is in the file; an empty document if there is none.
fn read(path: &Path) -> Result<Value, Report> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(unusable(path, &format!("cannot be read: {error}"))),
    };
    // Neither the parser's words nor the file's are repeated: it holds other clusters' tokens.
    match serde_yaml::from_str::<Value>(&text) {
        Ok(Value::Null) => Ok(Value::Object(Map::new())),
        Ok(found) if found.is_object() => Ok(found),
        _ => Err(unusable(path, "is not a kubeconfig")),
    }
}

fn unusable(path: &Path, why: &str) -> Report {
    Failure::usage(format!("{} {why}", path.display()))
        .so_far("the file is as it was")
        .attempt("devpocket kubeconfig", "prints it instead")
        .into()
}

/// `ours` takes the place of entries of the same name; everything else stays.
fn merge(mut found: Value, mut ours: Value) -> Value {
    for list in LISTS {
        let Value::Array(mine) = ours[list].take() else { continue };
        let mut entries = match found[list].take() {
            Value::Array(entries) => entries,
            _ => Vec::new(),
        };
        entries.retain(|entry| !mine.iter().any(|own| own["name"] == entry["name"]));
        entries.extend(mine);
        found[list] = entries.into();
    }
    for field in ["apiVersion", "kind", "current-context"] {
        found[field] = ours[field].take();
    }
    found
}

fn yaml(document: &Value) -> String {
    serde_yaml::to_string(document).expect("a document with text keys is always YAML")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contabo::Sensitive;

    fn context(server: &str, authority: Option<&str>) -> Context {
        Context {
            server: server.into(),
            token: Sensitive::new("t0ken"),
            refresh: None,
            namespace: "main".into(),
            authority: authority.map(str::to_owned),
        }
    }

    #[test]
    fn the_server_on_this_computer_is_reached_over_tls_with_its_authority() {
        let made =
            document("devpocket-local", &context("http://127.0.0.1:8000", Some("PEM")), "main");
        let made = made.unwrap();
        let cluster = &made["clusters"][0]["cluster"];
        assert_eq!(cluster["server"], "https://127.0.0.1:8000/kube");
        assert_eq!(cluster["certificate-authority-data"], "UEVN");
        assert_eq!(made["users"][0]["user"]["token"], "t0ken");
        assert_eq!(made["contexts"][0]["context"]["namespace"], "main");
    }

    #[test]
    fn a_server_without_tls_is_refused_since_kubectl_would_send_no_token() {
        let refused = document("x", &context("http://10.0.0.1:8000", None), "main").unwrap_err();
        assert!(format!("{refused:?}").contains("not https"));
        document("x", &context("https://dev.example.com", None), "main").unwrap();
    }

    #[test]
    fn what_else_is_in_the_file_stays() {
        let found = json!({
            "clusters": [{"name": "work", "cluster": {"server": "https://work"}},
                         {"name": "devpocket-local", "cluster": {"server": "https://old"}}],
            "current-context": "work",
            "preferences": {"colors": true},
        });
        let ours = document("devpocket-local", &context("https://new", None), "main").unwrap();
        let merged = merge(found, ours);
        let servers: Vec<&str> = merged["clusters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["cluster"]["server"].as_str().unwrap())
            .collect();
        assert_eq!(servers, ["https://work", "https://new/kube"]);
        assert_eq!(merged["preferences"]["colors"], true);
        assert_eq!(merged["current-context"], "devpocket-local");
    }
}
