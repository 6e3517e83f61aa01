//! How `serve` and `migrate` say that they do not start: what is wrong, where it was configured,
//! and what helps.

use crate::cli::error::{Failure, Report, exit};
use crate::config::{ConfigError, ConfigErrors};
use crate::keys::{KeyUse, KeysError};
use crate::node::NodeError;
use crate::picture::PictureError;
use crate::serve::{OtherSchema, ServeError};
use crate::server::ServerError;
use crate::store::{SchemaError, Trouble, Unreachable};

const NOTHING: &str = "nothing was started, nothing was changed";

pub fn not_served(error: &ServeError) -> Report {
    match error {
        ServeError::Config(errors) => config(errors),
        ServeError::Unreachable { error, at } => unreachable(error, at).into(),
        ServeError::OtherSchema(other) => schema(other).into(),
        ServeError::Listen(ServerError::Taken(address)) => {
            Failure::new("port-taken", format!("{address} is in use by another process"))
                .at("PORT, --port")
                .so_far(NOTHING)
                .attempt("devpocket status", "whether it is a DevPocket")
                .attempt("devpocket serve --port 8100", "beside it")
                .into()
        }
        ServeError::Listen(error @ ServerError::NotLoopback(_)) => {
            Failure::new("no-tls", error.to_string())
                .exit(exit::INVALID)
                .at("HOST, --host")
                .so_far(NOTHING)
                .attempt("devpocket serve --tls-cert FILE --tls-key FILE", "with a certificate")
                .attempt("devpocket serve --behind-proxy", "if something in front ends TLS")
                .into()
        }
        ServeError::Certificate(error) => Failure::new("bad-certificate", error.to_string())
            .exit(exit::INVALID)
            .at("TLS_CERT, TLS_KEY")
            .so_far(NOTHING)
            .into(),
        ServeError::Node(NodeError::Keys(error @ KeysError::Missing(missing))) => {
            seal_key_missing(error, missing).into()
        }
        ServeError::Node(error @ NodeError::DefaultTier { known, .. }) => {
            let first = known.first().map_or("", String::as_str);
            Failure::new("unknown-tier", error.to_string())
                .exit(exit::INVALID)
                .at("DEFAULT_TIER, --default-tier")
                .because("new accounts would get a tier that allows nothing")
                .so_far(NOTHING)
                .attempt(format!("devpocket serve --default-tier {first}"), "one there is")
                .attempt("devpocket apply -f tier.yaml", "makes another, on a server without it")
                .into()
        }
        other => Failure::new("serve", other.to_string()).so_far(NOTHING).into(),
    }
}

/// The key of something is not there. Said at the start, not to whoever reads the first secret.
fn seal_key_missing(error: &KeysError, missing: &[KeyUse]) -> Failure {
    let ids: Vec<&str> = missing.iter().map(|key| key.id.as_str()).collect();
    Failure::new("seal-key-missing", error.to_string())
        .at("DEVPOCKET_SEAL_KEY")
        .because("what is sealed with a key opens with that key only; none of it was lost yet")
        .so_far(NOTHING)
        .attempt(
            "DEVPOCKET_SEAL_KEY=NEW,OLD devpocket serve",
            "with the old key, from the copy you keep, behind the new one",
        )
        .attempt(
            format!("DEVPOCKET_LOST_SEAL_KEYS={} devpocket serve", ids.join(",")),
            "gives up what they sealed, if the key is gone for good",
        )
}

/// A picture of an account that cannot be started on, or not written.
pub fn picture_failure(error: &PictureError) -> Failure {
    let failure = Failure::new("picture", error.to_string()).exit(exit::INVALID);
    match error {
        PictureError::Other { because, .. } => failure
            .because(*because)
            .attempt("devpocket doctor --save FILE", "makes one of a real account"),
        PictureError::Faults { path, faults, more } => {
            let named = faults.iter().map(|(field, problem)| match field.as_str() {
                "" => problem.clone(),
                field => format!("{field} {problem}"),
            });
            let mut because = named.collect::<Vec<_>>().join("; ");
            if *more > 0 {
                because.push_str(&format!("; and {more} more"));
            }
            failure.at(path.display().to_string()).because(because)
        }
        _ => failure,
    }
}

/// Every fault, in the order of where it was found: what a file holds in the order of its lines.
fn config(ConfigErrors(faults): &ConfigErrors) -> Report {
    let mut faults: Vec<&ConfigError> = faults.iter().collect();
    faults.sort_by_key(|fault| match fault {
        ConfigError::Missing { .. } => (1, String::new(), 0),
        _ => {
            let at = fault.at();
            let (file, line) = at.rsplit_once(':').unwrap_or((&at, ""));
            (0, file.to_owned(), line.parse::<usize>().unwrap_or(0))
        }
    });
    let each = faults.iter().map(|fault| {
        Failure::new("bad-config", fault.to_string()).exit(exit::INVALID).at(fault.at())
    });
    let count = match faults.len() {
        1 => "1 fault".to_owned(),
        count => format!("{count} faults"),
    };
    Report::new(each.collect())
        .summary(format!("{count} in the configuration; nothing was started."))
}

fn unreachable(error: &Unreachable, at: &str) -> Failure {
    let place = &error.place;
    let message = match error.trouble {
        Trouble::NothingListens => format!("no Postgres listens at {}", place.server),
        Trouble::UnknownHost => format!("the database's host {:?} has no address", place.host),
        Trouble::Silent => format!("the database at {} does not answer", place.server),
        Trouble::SignIn => {
            format!("the database does not accept user {:?} with this password", place.user)
        }
        Trouble::NoDatabase => format!("{} has no database {:?}", place.server, place.database),
        Trouble::NoConnectionLeft => format!("the database {place} has no connection left"),
        Trouble::Starting => format!("the database {place} is starting or stopping"),
        Trouble::Tls => format!("no secure connection to {} could be agreed on", place.server),
        Trouble::Other => format!("the database {place} cannot be used"),
    };
    let failure = Failure::new("database-unreachable", message)
        .at(format!("{at}: {place}"))
        .because(&error.evidence)
        .so_far(NOTHING);
    let psql =
        format!("psql -h {} -p {} -U {} -d {}", place.host, place.port, place.user, "postgres");
    match error.trouble {
        Trouble::NothingListens | Trouble::Silent | Trouble::Starting | Trouble::UnknownHost => {
            let ready = format!("pg_isready -h {} -p {}", place.host, place.port);
            failure.attempt(ready, "whether it is there yet")
        }
        Trouble::NoDatabase => {
            let (host, port, user) = (&place.host, place.port, &place.user);
            let create = format!("createdb -h {host} -p {port} -U {user} {}", place.database);
            failure
                .attempt(create, "makes it")
                .attempt(format!("{psql} -l"), "shows which there are")
        }
        Trouble::NoConnectionLeft => {
            failure.attempt(format!("{psql} -c 'TABLE pg_stat_activity'"), "who holds them")
        }
        Trouble::SignIn | Trouble::Tls | Trouble::Other => {
            failure.attempt(psql, "the same by hand; it asks for the password")
        }
    }
}

fn schema(other: &OtherSchema) -> Failure {
    let failure = schema_refusal(&other.error);
    let last = other.used_by.as_ref().map_or(String::new(), |used| {
        format!(", last used by {} on {}", used.version, used.at.strftime("%Y-%m-%d"))
    });
    failure.at(format!("{}: {}{last}", other.at, other.place))
}

/// Why a schema is refused, for `up` too.
pub fn schema_refusal(error: &SchemaError) -> Failure {
    let own = env!("CARGO_PKG_VERSION");
    match error {
        SchemaError::Empty => Failure::new("schema-old", "the database is empty")
            .so_far(NOTHING)
            .attempt("devpocket migrate", "makes the schema"),
        SchemaError::Old { at, needs } => {
            let message = format!("the database is at schema {at}, DevPocket {own} needs {needs}");
            let steps = match needs - at {
                1 => "1 step".to_owned(),
                steps => format!("{steps} steps"),
            };
            Failure::new("schema-old", message)
                .so_far(NOTHING)
                .attempt("devpocket migrate --dry-run", &format!("shows the {steps}"))
                .attempt("devpocket migrate", "does them; back the database up first")
        }
        SchemaError::New { at, knows } => {
            let message =
                format!("the database is at schema {at}, DevPocket {own} knows up to {knows}");
            Failure::new("schema-new", message)
                .because("a newer DevPocket migrated it; it must be served by that one")
                .so_far(NOTHING)
                .attempt("devpocket version", "which one this is")
        }
        other => Failure::new("database", other.to_string()).so_far(NOTHING),
    }
}
