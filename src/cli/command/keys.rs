//! `devpocket keys`: what secrets are sealed with, and moving them onto another key.

use clap::{Args, Subcommand};

use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::output::{Cell, Format, Ink, Table, count};
use crate::cli::session::Session;
use crate::keys::{KeyState, KeyUse, STEP_MAX, Step};

/// Steps of a rotation that move nothing before it is given up: somebody else keeps sealing with
/// another key.
const IDLE_STEPS_MAX: u32 = 20;

/// Show the keys that seal secrets, or move everything onto the first of them.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket keys list")]
pub struct KeysArgs {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Show which keys are configured and what is sealed with each
    #[command(before_help = "Example:\n  devpocket keys list")]
    List,
    /// Seal everything again with the first key, while everything goes on
    #[command(before_help = "Example:\n  devpocket keys rotate --dry-run")]
    Rotate {
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
}

pub async fn run(session: &Session, args: KeysArgs) -> Outcome {
    match args.what {
        None | Some(What::List) => list(session).await,
        Some(What::Rotate { dry_run }) => rotate(session, dry_run).await,
    }
}

async fn list(session: &Session) -> Outcome {
    let api = session.api()?;
    let keys = api.sealing_keys().await.map_err(|error| session.report(&error))?;
    match session.output.format {
        Format::Json | Format::Yaml => {
            session.output.document(&serde_json::json!({"items": keys}));
        }
        Format::Name => keys.iter().for_each(|key| session.output.line(&key.id)),
        _ => {
            let head = ["*KEY", "*STATE", ">SECRETS", ">LETTERS", ">LOG", "SYSTEM"];
            let mut table = Table::new(&head);
            for key in &keys {
                table.row(row(key));
            }
            session.output.table(&table);
            session.output.hint(advice(&keys));
        }
    }
    Ok(exit::DONE)
}

fn row(key: &KeyUse) -> Vec<Cell> {
    let (word, ink) = match key.state {
        KeyState::Seals => ("seals", Ink::Green),
        KeyState::Opens => ("opens", Ink::Plain),
        KeyState::Missing => ("missing", Ink::Red),
    };
    vec![
        Cell::new(&key.id).ink(Ink::Bold),
        Cell::new(word).ink(ink),
        Cell::new(key.secrets.to_string()),
        Cell::new(key.letters.to_string()),
        Cell::maybe(key.history.map(|count| count.to_string())),
        Cell::new(key.system.join(", ")),
    ]
}

/// What to do next about these keys.
fn advice(keys: &[KeyUse]) -> String {
    let of = |state: KeyState| keys.iter().filter(move |key| key.state == state);
    if let Some(missing) = of(KeyState::Missing).find(|key| key.is_used()) {
        return format!(
            "{} is not configured: {} cannot be opened. Put the key from your copy behind the \
             first one in DEVPOCKET_SEAL_KEY.",
            missing.id,
            missing.what()
        );
    }
    if let Some(old) = of(KeyState::Opens).find(|key| key.is_used()) {
        let what = old.what();
        return format!(
            "{what} under {}: devpocket keys rotate moves that onto the first.",
            old.id
        );
    }
    match of(KeyState::Opens).find(|key| key.history.unwrap_or(0) > 0) {
        Some(old) => format!(
            "Only the log holds former states under {}; a busy day compacts it. Then the key can go.",
            old.id
        ),
        None if of(KeyState::Opens).next().is_some() => {
            "Nothing needs the other keys any more: they can go from DEVPOCKET_SEAL_KEY.".into()
        }
        None => "To change it: another key behind it on every replica, then in front, then \
                 devpocket keys rotate."
            .into(),
    }
}

async fn rotate(session: &Session, dry_run: bool) -> Outcome {
    let api = session.api()?;
    let (mut moved, mut idle) = (0, 0);
    let step = loop {
        let step = api.rotate_keys(STEP_MAX, dry_run).await.map_err(|error| {
            // Every step stands by itself.
            session.report(&error)
        })?;
        moved += step.resealed;
        if dry_run || step.remaining == 0 {
            break step;
        }
        idle = if step.resealed == 0 { idle + 1 } else { 0 };
        if idle >= IDLE_STEPS_MAX {
            return Err(unfinished(moved, &step));
        }
        session.output.hint(format!("{moved} moved, {} to go", step.remaining));
    };
    told(session, moved, &step, dry_run);
    match step.unreadable_count {
        0 => Ok(exit::DONE),
        _ => Err(unreadable(moved, &step)),
    }
}

fn told(session: &Session, moved: u64, step: &Step, dry_run: bool) {
    if matches!(session.output.format, Format::Json | Format::Yaml) {
        let total = Step { resealed: moved, ..step.clone() };
        session.output.document(&total);
        return;
    }
    let key = &step.key;
    let things = count(usize::try_from(moved + step.remaining).unwrap_or(usize::MAX), "thing");
    session.output.line(match (dry_run, moved) {
        (true, _) => format!("{things} would be sealed again with {key}. Nothing was changed."),
        (false, 0) => format!("Everything is sealed with {key} already."),
        (false, _) => {
            format!("{things} sealed again with {key}; nothing is left under other keys.")
        }
    });
    if !dry_run && step.unreadable_count == 0 {
        session.output.hint("When the other keys can go: devpocket keys list");
    }
}

fn unfinished(moved: u64, step: &Step) -> Report {
    let left = step.remaining;
    Failure::new("keys-in-use", format!("{left} things are still sealed with another key"))
        .because("a replica keeps sealing with it: it has another key in front")
        .so_far(format!("{moved} were moved to {}; nothing is lost", step.key))
        .attempt("devpocket keys list", "which key seals where this was asked")
        .into()
}

fn unreadable(moved: u64, step: &Step) -> Report {
    let number = step.unreadable_count;
    let named = step.unreadable.join("; ");
    Failure::new("sealed-unreadable", format!("{number} sealed things cannot be opened"))
        .because(named)
        .so_far(format!("{moved} were moved to {}, these were left as they are", step.key))
        .attempt("devpocket keys list", "which key is missing")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, state: KeyState, secrets: u64, history: u64) -> KeyUse {
        KeyUse { id: id.into(), state, secrets, history: Some(history), ..KeyUse::default() }
    }

    #[test]
    fn the_next_thing_to_do_is_said() {
        let one = [key("aaaa", KeyState::Seals, 3, 3)];
        assert!(advice(&one).contains("behind it on every replica"));
        for (other, expected) in [
            (key("bbbb", KeyState::Missing, 2, 0), "2 secrets cannot be opened"),
            (key("bbbb", KeyState::Opens, 2, 5), "keys rotate"),
            (key("bbbb", KeyState::Opens, 0, 5), "Only the log"),
            (key("bbbb", KeyState::Opens, 0, 0), "they can go"),
        ] {
            let said = advice(&[one[0].clone(), other]);
            assert!(said.contains(expected), "{said}");
        }
    }
}
