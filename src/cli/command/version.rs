//! `devpocket version`: client, server, schema.

use clap::Args;
use serde_json::json;

use crate::cli::error::{Outcome, exit};
use crate::cli::session::Session;

/// Show the versions of this program, of the server and of its schema.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket version")]
pub struct VersionArgs {}

/// An unreachable server is told, and is no error: the own version is known.
pub async fn run(session: &Session, _: VersionArgs) -> Outcome {
    let client = env!("CARGO_PKG_VERSION");
    let schema = crate::store::newest_schema();
    let known = session.api().ok();
    let asked = match &known {
        Some(api) => Some((api.server().to_owned(), api.health().await)),
        None => None,
    };
    let output = &session.output;
    if output.format.is_document() {
        let server = asked.as_ref().and_then(|(_, health)| health.as_ref().ok());
        output.document(&json!({
            "client": client,
            "clientSchema": schema,
            "server": server.map(|health| health["version"].clone()),
            "schema": server.map(|health| health["schema"].clone()),
        }));
        return Ok(exit::DONE);
    }
    output.line(format!("client  {client}"));
    let needed = format!("schema  {schema}, which this program needs");
    match asked {
        None => output.line(format!("server  none is known here\n{needed}")),
        Some((server, Ok(health))) => {
            let version = health["version"].as_str().unwrap_or("unknown");
            output.line(format!("server  {version}  {server}"));
            match health["schema"].as_i64() {
                Some(used) if used == schema => output.line(format!("schema  {used}")),
                Some(used) => output.line(format!("schema  {used}; this program has {schema}")),
                None => output.line(needed),
            }
        }
        Some((_, Err(error))) => output.line(format!("server  {error}\n{needed}")),
    }
    Ok(exit::DONE)
}
