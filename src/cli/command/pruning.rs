//! The flags of commands whose files may be a set.

use clap::Args;

use super::files::quoted;
use crate::cli::error::Report;
use crate::cli::proposal::{Set, Terms};
use crate::cli::session::Session;

#[derive(Args, Debug, Default)]
pub struct PruneArgs {
    /// Delete what this set made before and the files no longer hold
    #[arg(long, value_name = "SET", requires = "file")]
    prune: Option<String>,
    /// Take into the set what is there already and belongs to no set
    #[arg(long, requires = "prune")]
    adopt: bool,
    /// Delete up to N; needed beyond 3 or 10 % of the set, and for files that hold nothing
    #[arg(long, value_name = "N", requires = "prune")]
    allow_deletes: Option<usize>,
}

impl PruneArgs {
    pub fn terms(&self, session: &Session, force: bool) -> Result<Terms, Report> {
        let set = self.prune.as_deref().map(|name| Set::read(session, name)).transpose()?;
        Ok(Terms { force, set, adopt: self.adopt, allowed: self.allow_deletes })
    }

    /// As they are typed, without the number: `too_many` names its own.
    pub fn words(&self) -> String {
        let set = self.prune.as_ref().map(|set| format!(" --prune {}", quoted(set)));
        let adopt = if self.adopt { " --adopt" } else { "" };
        format!("{}{adopt}", set.unwrap_or_default())
    }

    /// The number, as it is typed.
    pub fn number(&self) -> String {
        self.allow_deletes.map(|number| format!(" --allow-deletes {number}")).unwrap_or_default()
    }
}
