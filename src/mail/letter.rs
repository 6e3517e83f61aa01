//! The letters: what they say, as text and as HTML.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// Characters of a name that somebody chose, in a letter to somebody else.
const NAME_CHARS: usize = 60;
/// How long a letter that names no end is worth sending.
const WORTH_SENDING: SignedDuration = SignedDuration::from_hours(72);

/// What is told. Links open a page of ours and are good once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Letter {
    VerifyEmail {
        name: String,
        link: String,
        hours: u32,
    },
    ResetPassword {
        name: String,
        link: String,
        minutes: u32,
    },
    /// That the password was changed, and what to do if that was somebody else.
    PasswordChanged {
        name: String,
    },
    Invitation {
        inviter: String,
        team: String,
        role: String,
        link: String,
        days: u32,
    },
    /// Somebody tried to register with an address that has an account already.
    AlreadyRegistered {
        name: String,
        link: String,
    },
}

/// A letter as people read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writing {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// Its parts, in order.
struct Parts {
    subject: String,
    opening: String,
    /// What the link does, and the link.
    link: Option<(&'static str, String)>,
    closing: String,
}

impl Letter {
    /// One word, for those who look into the outbox.
    pub fn kind(&self) -> &'static str {
        match self {
            Letter::VerifyEmail { .. } => "verify-email",
            Letter::ResetPassword { .. } => "reset-password",
            Letter::PasswordChanged { .. } => "password-changed",
            Letter::Invitation { .. } => "invitation",
            Letter::AlreadyRegistered { .. } => "already-registered",
        }
    }

    /// After that it is not worth sending: its link is void.
    pub fn lasts(&self) -> SignedDuration {
        match self {
            Letter::VerifyEmail { hours, .. } => SignedDuration::from_hours((*hours).into()),
            Letter::ResetPassword { minutes, .. } => SignedDuration::from_mins((*minutes).into()),
            Letter::Invitation { days, .. } => SignedDuration::from_hours(24 * i64::from(*days)),
            Letter::PasswordChanged { .. } | Letter::AlreadyRegistered { .. } => WORTH_SENDING,
        }
    }

    /// Writes it. `support` is where answers go.
    pub fn write(&self, support: Option<&str>) -> Writing {
        let parts = self.parts();
        Writing { text: text(&parts, support), html: html(&parts, support), subject: parts.subject }
    }

    fn parts(&self) -> Parts {
        match self {
            Letter::VerifyEmail { name, link, hours } => Parts {
                subject: "Verify your e-mail address".into(),
                opening: format!(
                    "{}, this address was given for a DevPocket account. Verify it within {}.",
                    plain(name),
                    count(*hours, "hour")
                ),
                link: Some(("Verify the address", link.clone())),
                closing: "If that was not you, do nothing: without it the account can do nothing."
                    .into(),
            },
            Letter::ResetPassword { name, link, minutes } => Parts {
                subject: "Set a new password".into(),
                opening: format!(
                    "{}, a new password was asked for your DevPocket account. Set it within {}.",
                    plain(name),
                    count(*minutes, "minute")
                ),
                link: Some(("Set a new password", link.clone())),
                closing: "If that was not you, do nothing: the password stays as it is.".into(),
            },
            Letter::PasswordChanged { name } => Parts {
                subject: "Your password was changed".into(),
                opening: format!(
                    "{}, the password of your DevPocket account was changed, and whoever was \
                     signed in with the old one is signed out.",
                    plain(name)
                ),
                link: None,
                closing: "If that was not you, ask for a new password now, and tell an admin."
                    .into(),
            },
            Letter::Invitation { inviter, team, role, link, days } => Parts {
                subject: format!("{} invites you to {}", plain(inviter), plain(team)),
                opening: format!(
                    "{} invites you to the team {} in DevPocket, as {}. Accept within {}; whoever \
                     has no account yet makes one in the same step.",
                    plain(inviter),
                    plain(team),
                    plain(role),
                    count(*days, "day")
                ),
                link: Some(("See the invitation", link.clone())),
                closing: "If you do not know who that is, do nothing.".into(),
            },
            Letter::AlreadyRegistered { name, link } => Parts {
                subject: "You have an account already".into(),
                opening: format!(
                    "A DevPocket account was to be made with this address. It has one: {}. If the \
                     password is forgotten, set a new one.",
                    plain(name)
                ),
                link: Some(("Set a new password", link.clone())),
                closing: "If that was not you, do nothing: nothing was changed.".into(),
            },
        }
    }
}

fn count(number: u32, unit: &str) -> String {
    match number {
        1 => format!("1 {unit}"),
        _ => format!("{number} {unit}s"),
    }
}

/// A name that somebody chose: one line, bounded, and nothing a mail program makes a link of.
fn plain(name: &str) -> String {
    let visible = |c: char| if c.is_control() || is_format(c) { ' ' } else { c };
    let line: String = name.chars().map(visible).collect();
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut short: String = words.join(" ").chars().take(NAME_CHARS).collect();
    for (link, text) in [("://", ":/ /"), ("www.", "www. ")] {
        short = short.replace(link, text);
    }
    if short.is_empty() { "somebody".into() } else { short }
}

/// Characters that change how others are shown, such as direction marks.
fn is_format(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn text(parts: &Parts, support: Option<&str>) -> String {
    let mut lines = vec![parts.opening.clone()];
    if let Some((what, link)) = &parts.link {
        lines.push(format!("{what}:\n{link}"));
    }
    lines.push(parts.closing.clone());
    lines.push(format!("-- \n{}", sender(support)));
    lines.join("\n\n") + "\n"
}

fn html(parts: &Parts, support: Option<&str>) -> String {
    let paragraph = |text: &str| format!("<p>{}</p>\n", escape(text));
    let mut body = paragraph(&parts.opening);
    if let Some((what, link)) = &parts.link {
        let (link, what) = (escape(link), escape(what));
        body += &format!(
            "<p><a href=\"{link}\" style=\"display:inline-block;padding:12px 20px;\
             background:#1a56db;color:#ffffff;text-decoration:none;border-radius:6px\">{what}</a>\
             </p>\n<p style=\"color:#555555;font-size:13px;word-break:break-all\">{link}</p>\n"
        );
    }
    body += &paragraph(&parts.closing);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{}</title></head>\n<body style=\"font-family:sans-serif;font-size:16px;\
         line-height:1.5;color:#1f2933;max-width:560px;margin:0 auto;padding:16px\">\n{body}\
         <p style=\"color:#777777;font-size:13px\">{}</p>\n</body></html>\n",
        escape(&parts.subject),
        escape(&sender(support)),
    )
}

fn sender(support: Option<&str>) -> String {
    match support {
        Some(address) => format!("Sent by DevPocket. Questions: {address}"),
        None => "Sent by DevPocket. Answers to this letter are not read.".into(),
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(name: &str, link: &str) -> Vec<Letter> {
        let (name, link) = (name.to_owned(), link.to_owned());
        vec![
            Letter::VerifyEmail { name: name.clone(), link: link.clone(), hours: 24 },
            Letter::ResetPassword { name: name.clone(), link: link.clone(), minutes: 30 },
            Letter::PasswordChanged { name: name.clone() },
            Letter::Invitation {
                inviter: name.clone(),
                team: name.clone(),
                role: "editor".into(),
                link: link.clone(),
                days: 7,
            },
            Letter::AlreadyRegistered { name, link },
        ]
    }

    #[test]
    fn both_forms_hold_the_link_and_how_long_it_lasts() {
        let link = "https://dev.example.com/verify#a-b_c";
        for letter in all("ann", link) {
            let written = letter.write(Some("help@example.com"));
            let (text, html) = (&written.text, &written.html);
            assert!(text.contains("ann") && html.contains("ann"), "{text}");
            assert!(text.contains("help@example.com") && html.contains("help@example.com"));
            if !matches!(letter, Letter::PasswordChanged { .. }) {
                assert!(text.contains(&format!("\n{link}\n")), "{text}");
                assert!(html.contains(&format!("href=\"{link}\"")), "{html}");
            }
        }
        let [verify, reset, _, invitation, _] = &all("ann", link)[..] else { unreachable!() };
        assert!(verify.write(None).text.contains("within 24 hours"));
        assert!(reset.write(None).text.contains("within 30 minutes"));
        assert!(invitation.write(None).text.contains("within 7 days"));
        assert_eq!(reset.lasts(), SignedDuration::from_mins(30));
    }

    #[test]
    fn a_chosen_name_is_neither_markup_nor_a_header_nor_a_link() {
        let name = "<b>x</b>\r\nBcc: all@example.com \u{202e}https://evil.example www.evil.example";
        for letter in all(name, "https://dev.example.com/verify#x") {
            let written = letter.write(None);
            assert!(!written.html.contains("<b>"), "{}", written.html);
            for text in [&written.subject, &written.text, &written.html] {
                assert!(!text.contains("https://evil") && !text.contains("www.evil"), "{text}");
                assert!(!text.contains("\nBcc") && !text.contains('\u{202e}'), "{text}");
            }
            assert!(written.subject.lines().count() == 1, "{:?}", written.subject);
            assert!(written.subject.chars().count() < 150);
        }
    }
}
