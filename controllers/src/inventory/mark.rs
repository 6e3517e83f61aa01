//! The mark in the account that tells a database from its older copy.
//!
//! A database that is restored from a backup, or copied, does not know what was bought since. So
//! a sign is kept where only the account has it: the name of a tag,
//! `devpocket:<installation>:<sequence>:<unix seconds>`. The sequence counts issued operations. It
//! is written to the database first and to the account afterwards: the account therefore never
//! knows a higher one, unless the database fell back; and never another time for the same one,
//! unless a copy of it is at work.

use std::collections::BTreeMap;

use devpocket_specs::installation::Mark;
use devpocket_specs::operation::Operation;
use jiff::Timestamp;

use crate::cloud::Tag;

const PREFIX: &str = "devpocket";

/// A mark as the account has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountMark {
    pub sequence: u64,
    pub seconds: i64,
    pub tag_id: i64,
}

impl AccountMark {
    /// As the database keeps it.
    pub fn as_mark(&self) -> Mark {
        let written = Timestamp::from_second(self.seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        Mark { tag_id: self.tag_id, sequence: self.sequence, written }
    }
}

/// How the account's mark and the database's compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// They agree, or the account's is older: a renaming was lost, and is done again.
    Current { tag_id: Option<i64>, up_to_date: bool },
    /// The account knows more than the database.
    Behind { account: AccountMark, difference: String },
}

/// The tag's name for a mark.
pub fn tag_name(installation: &str, mark: &Mark) -> String {
    format!("{PREFIX}:{installation}:{}:{}", mark.sequence, mark.written.as_second())
}

/// The newest mark of this installation among the account's tags.
pub fn find(tags: &[Tag], installation: &str) -> Option<AccountMark> {
    let own = tags.iter().filter_map(parse).filter(|(own, _)| *own == installation);
    own.map(|(_, mark)| mark).max()
}

/// The newest mark of each installation that ever marked the account.
pub fn all(tags: &[Tag]) -> BTreeMap<String, AccountMark> {
    let mut newest: BTreeMap<String, AccountMark> = BTreeMap::new();
    for (installation, mark) in tags.iter().filter_map(parse) {
        let known = newest.entry(installation.to_owned()).or_insert_with(|| mark.clone());
        *known = known.clone().max(mark);
    }
    newest
}

fn parse(tag: &Tag) -> Option<(&str, AccountMark)> {
    let mut parts = tag.name.split(':');
    let installation = parts.next().filter(|prefix| *prefix == PREFIX).and(parts.next())?;
    let sequence = parts.next()?.parse().ok()?;
    let seconds = parts.next()?.parse().ok()?;
    let mark = AccountMark { sequence, seconds, tag_id: tag.id };
    parts.next().is_none().then_some((installation, mark))
}

/// Compares the newest mark of the account with the database's.
pub fn compare(account: Option<AccountMark>, database: Option<&Mark>) -> Comparison {
    let Some(account) = account else {
        return Comparison::Current { tag_id: None, up_to_date: database.is_none() };
    };
    let known = database.map_or(0, |mark| mark.sequence);
    let written = database.map_or(0, |mark| mark.written.as_second());
    if account.sequence > known {
        let more = account.sequence - known;
        let difference = format!(
            "the account has seen {more} operations of this installation that the database does \
             not know (up to number {}, {})",
            account.sequence,
            time(account.seconds)
        );
        return Comparison::Behind { account, difference };
    }
    if account.sequence == known && account.seconds != written {
        let difference = format!(
            "another copy of this database marked the account on {}",
            time(account.seconds)
        );
        return Comparison::Behind { account, difference };
    }
    let up_to_date = account.sequence == known;
    Comparison::Current { tag_id: Some(account.tag_id), up_to_date }
}

/// The mark due now, if operations were issued since the last one.
pub fn due<'a>(
    database: Option<&Mark>,
    operations: impl IntoIterator<Item = &'a Operation>,
    now: Timestamp,
) -> Option<Mark> {
    let (sequence, written, tag_id) =
        database.map_or((0, Timestamp::MIN, 0), |m| (m.sequence, m.written, m.tag_id));
    let issued = operations
        .into_iter()
        .filter(|o| o.status.issued_at.is_some_and(|at| at >= written && at < now))
        .count() as u64;
    (issued > 0).then(|| Mark { tag_id, sequence: sequence + issued, written: now })
}

fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(id: i64, name: &str) -> Tag {
        Tag { id, name: name.into() }
    }

    fn mark(sequence: u64, second: i64) -> Mark {
        Mark { tag_id: 1, sequence, written: Timestamp::from_second(second).unwrap() }
    }

    #[test]
    fn the_newest_mark_of_this_installation_counts() {
        let tags = [
            tag(1, "devpocket:aaaaaaaa:4:100"),
            tag(2, "devpocket:aaaaaaaa:5:90"),
            tag(3, "devpocket:bbbbbbbb:9:200"),
            tag(4, "devpocket:aaaaaaaa:9"),
            tag(5, "mine"),
        ];
        assert_eq!(find(&tags, "aaaaaaaa").unwrap().tag_id, 2);
        assert_eq!(find(&tags, "cccccccc"), None);
        let all = all(&tags);
        let sequences = all.iter().map(|(id, mark)| (id.as_str(), mark.sequence));
        assert_eq!(sequences.collect::<Vec<_>>(), [("aaaaaaaa", 5), ("bbbbbbbb", 9)]);
    }

    #[test]
    fn an_older_database_is_told_from_a_lost_renaming() {
        let account = |sequence, seconds| Some(AccountMark { sequence, seconds, tag_id: 1 });
        let behind = |c| matches!(c, Comparison::Behind { .. });
        assert!(behind(compare(account(5, 50), Some(&mark(4, 40)))));
        assert!(behind(compare(account(1, 50), None)));
        assert!(behind(compare(account(4, 41), Some(&mark(4, 40)))));
        let lost = compare(account(3, 30), Some(&mark(4, 40)));
        assert_eq!(lost, Comparison::Current { tag_id: Some(1), up_to_date: false });
        let same = compare(account(4, 40), Some(&mark(4, 40)));
        assert_eq!(same, Comparison::Current { tag_id: Some(1), up_to_date: true });
    }
}
