//! Objects as people name them: `web`, `env/web`, `env web db`.

use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;

use super::error::{Failure, Report};
use super::misread::nearest;
use super::session::Session;

/// What several words name: a kind, and objects of it; none means all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub kind: Kind,
    pub names: Vec<String>,
}

impl Named {
    /// `env`, `env web db`, `env/web`, and `web` where a kind is not needed.
    pub fn read(words: &[String], kind_needed: bool) -> Result<Named, Report> {
        let Some((first, rest)) = words.split_first() else {
            return Err(Failure::usage("no object is named").into());
        };
        if let Some((kind, _)) = first.split_once('/') {
            let kind = kind_of(kind)?;
            let names = words.iter().map(|word| in_kind(word, kind)).collect::<Result<_, _>>()?;
            return Ok(Named { kind, names });
        }
        match Kind::from_word(first) {
            Some(kind) if kind_needed || !rest.is_empty() => {
                let names =
                    rest.iter().map(|word| in_kind(word, kind)).collect::<Result<_, _>>()?;
                Ok(Named { kind, names })
            }
            _ if kind_needed => Err(unknown_kind(first)),
            _ => {
                let kind = Kind::Environment;
                let names =
                    words.iter().map(|word| in_kind(word, kind)).collect::<Result<_, _>>()?;
                Ok(Named { kind, names })
            }
        }
    }

    /// Environments only, for commands that are about nothing else.
    pub fn environments(words: &[String]) -> Result<Vec<String>, Report> {
        let named = Named::read(words, false)?;
        if named.kind == Kind::Environment {
            return Ok(named.names);
        }
        let message =
            format!("this is about environments, not about a {}", named.kind.info().singular);
        Err(Failure::usage(message).into())
    }

    pub fn keys(&self, session: &Session) -> Vec<Key> {
        let namespace = if self.kind.is_namespaced() { session.namespace.as_str() } else { "" };
        self.names.iter().map(|name| Key::new(self.kind, namespace, name)).collect()
    }
}

fn in_kind(word: &str, kind: Kind) -> Result<String, Report> {
    match word.split_once('/') {
        None => Ok(word.to_owned()),
        Some((other, name)) if kind_of(other)? == kind => Ok(name.to_owned()),
        Some(_) => Err(Failure::usage(format!("{word} is of another kind than the others")).into()),
    }
}

pub fn kind_of(word: &str) -> Result<Kind, Report> {
    Kind::from_word(word).ok_or_else(|| unknown_kind(word))
}

fn unknown_kind(word: &str) -> Report {
    let known: Vec<&str> = Kind::all().map(|kind| kind.info().plural).collect();
    let words = Kind::all().flat_map(|kind| [kind.info().plural, kind.info().singular]);
    let near = nearest(word, words);
    let message = match near {
        Some(near) => format!("{word:?} is not a kind; did you mean {near:?}?"),
        None => format!("{word:?} is not a kind"),
    };
    Failure { code: "unknown-kind".into(), ..Failure::usage(message) }
        .because(format!("there are {}", known.join(", ")))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str], kind_needed: bool) -> Option<(Kind, Vec<String>)> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Named::read(&words, kind_needed).ok().map(|named| (named.kind, named.names))
    }

    #[test]
    fn people_may_name_things_in_any_of_the_usual_ways() {
        let web = || vec!["web".to_owned()];
        assert_eq!(read(&["env", "web"], true), Some((Kind::Environment, web())));
        assert_eq!(read(&["env/web"], true), Some((Kind::Environment, web())));
        assert_eq!(read(&["web"], false), Some((Kind::Environment, web())));
        assert_eq!(read(&["machines"], true), Some((Kind::Machine, vec![])));
        // An environment may be called like a kind.
        assert_eq!(read(&["env"], false), Some((Kind::Environment, vec!["env".to_owned()])));
        assert_eq!(read(&["web"], true), None);
        assert_eq!(read(&["env/web", "machine/x"], true), None);
    }
}
