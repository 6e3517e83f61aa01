//! What people may call themselves, and how what they type is read. Nothing else decides it.
//!
//! # Names that look alike
//! User names are ASCII, so no Cyrillic `а` stands for a Latin one. What still looks alike is one
//! name: upper and lower case, `i`, `l` and `1`, `o` and `0`, `-` and `_`. [`username_key`] is what
//! is unique; signing in asks for the letters themselves.

use crate::rest::FieldProblem;

pub const USERNAME_CHARS: std::ops::RangeInclusive<usize> = 3..=30;
pub const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 8..=100;
pub const FULL_NAME_CHARS: usize = 100;
/// Of a whole address, and of the part before the `@`: the limits of SMTP.
pub const EMAIL_BYTES: usize = 254;
const LOCAL_BYTES: usize = 64;
const LABEL_BYTES: usize = 63;
/// Characters of the address of a picture.
pub const URL_CHARS: usize = 500;

/// Names of DevPocket's own, of the installation's admin, and those people trust.
const RESERVED: [&str; 20] = [
    "admin",
    "administrator",
    "anonymous",
    "api",
    "billing",
    "deleted",
    "default",
    "devpocket",
    "help",
    "kube",
    "mail",
    "me",
    "nobody",
    "owner",
    "postmaster",
    "root",
    "security",
    "support",
    "system",
    "www",
];
/// Beginnings that mean something here.
const RESERVED_PREFIXES: [&str; 4] = ["system-", "devpocket-", "kube-", "deleted-"];

/// What is wrong with a field.
pub type Fault = FieldProblem;

fn fault(field: &str, code: &str, message: impl Into<String>) -> Fault {
    Fault { field: field.to_owned(), message: message.into(), code: code.to_owned() }
}

/// What is unique about a user name: what looks alike is the same.
pub fn username_key(username: &str) -> String {
    let fold = |c: char| match c.to_ascii_lowercase() {
        'i' | '1' => 'l',
        '0' => 'o',
        '_' => '-',
        other => other,
    };
    username.chars().map(fold).collect()
}

/// What is wrong with a user name.
pub fn check_username(username: &str) -> Option<Fault> {
    let field = "username";
    let (least, most) = (USERNAME_CHARS.start(), USERNAME_CHARS.end());
    let length = username.chars().count();
    if length < *least {
        return Some(fault(
            field,
            "min_length",
            format!("has to have at least {least} characters"),
        ));
    }
    if length > *most {
        return Some(fault(field, "max_length", format!("may have at most {most} characters")));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if let Some(wrong) = username.chars().find(|c| !fits(*c)) {
        let message = match wrong.is_alphanumeric() {
            true => "may have letters and digits of ASCII only, since others look like them",
            false => "may have letters, digits, - and _ only",
        };
        return Some(fault(field, "invalid_format", message));
    }
    if !username.chars().any(|c| c.is_ascii_alphanumeric()) {
        return Some(fault(field, "invalid_format", "has to have a letter or a digit"));
    }
    let key = username_key(username);
    let reserved = RESERVED.iter().any(|name| username_key(name) == key)
        || RESERVED_PREFIXES.iter().any(|prefix| key.starts_with(&username_key(prefix)));
    reserved.then(|| fault(field, "reserved", "is reserved; choose another one"))
}

/// An address as it is kept and written to: without space around it, its domain in lower case.
pub fn email(text: &str) -> Result<String, Fault> {
    let wrong = || fault("email", "invalid_format", "is not an e-mail address");
    let text = text.trim();
    if text.len() > EMAIL_BYTES {
        return Err(fault(
            "email",
            "max_length",
            format!("may have at most {EMAIL_BYTES} characters"),
        ));
    }
    if !text.is_ascii() {
        let message = "may have characters of ASCII only; a domain with others is written xn--...";
        return Err(fault("email", "invalid_format", message));
    }
    let (local, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
    let is_atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    let local_fits = local.len() <= LOCAL_BYTES
        && local.split('.').all(|part| !part.is_empty() && part.bytes().all(is_atom));
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_BYTES
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A last label without a letter is an address of the network, not a domain.
    let top = domain.rsplit('.').next().unwrap_or_default();
    let domain_fits = domain.contains('.')
        && domain.split('.').all(is_label)
        && top.bytes().any(|b| b.is_ascii_alphabetic());
    if local_fits && domain_fits {
        Ok(format!("{local}@{}", domain.to_ascii_lowercase()))
    } else {
        Err(wrong())
    }
}

/// What is unique about an address.
pub fn email_key(email: &str) -> String {
    email.to_ascii_lowercase()
}

/// What is wrong with a new password.
pub fn check_password(field: &str, password: &str) -> Vec<Fault> {
    let (least, most) = (PASSWORD_CHARS.start(), PASSWORD_CHARS.end());
    let length = password.chars().count();
    let has = |test: fn(char) -> bool| password.chars().any(test);
    let mut faults = Vec::new();
    if length < *least {
        faults.push(fault(field, "min_length", format!("has to have at least {least} characters")));
    }
    if length > *most {
        faults.push(fault(field, "max_length", format!("may have at most {most} characters")));
    }
    for (fits, what) in [
        (has(char::is_lowercase), "a lower-case letter"),
        (has(char::is_uppercase), "an upper-case letter"),
        (has(char::is_numeric), "a digit"),
    ] {
        if !fits {
            faults.push(fault(field, "password_strength", format!("has to have {what}")));
        }
    }
    faults
}

/// What is wrong with a person's name.
pub fn check_full_name(name: &str) -> Option<Fault> {
    let field = "full_name";
    if name.chars().count() > FULL_NAME_CHARS {
        let message = format!("may have at most {FULL_NAME_CHARS} characters");
        return Some(fault(field, "max_length", message));
    }
    let odd = |c: char| c.is_control() || is_direction(c);
    name.chars().any(odd).then(|| fault(field, "invalid_format", "may have no control characters"))
}

/// Characters that turn what follows around, so that it reads as something else.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What is wrong with the address of a picture; empty is none.
pub fn check_avatar_url(url: &str) -> Option<Fault> {
    let field = "avatar_url";
    if url.is_empty() {
        return None;
    }
    if url.chars().count() > URL_CHARS {
        return Some(fault(
            field,
            "max_length",
            format!("may have at most {URL_CHARS} characters"),
        ));
    }
    let parsed = reqwest::Url::parse(url).ok();
    let fits = parsed.is_some_and(|parsed| {
        parsed.scheme() == "https" && parsed.has_host() && !url.chars().any(char::is_control)
    });
    (!fits).then(|| fault(field, "invalid_format", "is an address that begins with https://"))
}

/// What somebody types to name an account: an address if it has an `@`, else a user name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    Username(String),
    Email(String),
}

/// Reads what was typed; never fails, since an account nobody can have is simply not found.
pub fn login(text: &str) -> Login {
    // Postgres' texts hold no NUL, and no name does.
    let text = if text.contains('\0') { "" } else { text.trim() };
    match text.contains('@') {
        true => Login::Email(email_key(text)),
        false => Login::Username(text.to_owned()),
    }
}

/// A user name for somebody of whom only an address is known.
pub fn username_from(email: &str, number: u32) -> String {
    let local = email.split('@').next().unwrap_or_default();
    let kept = local.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    // Room for the number.
    let base: String = kept.take(USERNAME_CHARS.end() - 6).collect();
    let base = base.trim_matches('-').to_owned();
    let base = if base.len() < *USERNAME_CHARS.start() { format!("user-{base}") } else { base };
    let base = base.trim_end_matches('-').to_owned();
    if number == 0 { base } else { format!("{base}-{number}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(fault: Option<Fault>) -> String {
        fault.map_or_else(String::new, |fault| fault.code)
    }

    #[test]
    fn user_names_are_plain_and_none_of_our_own() {
        for good in ["ann", "Ann-Lee_42", &"a".repeat(30)] {
            assert_eq!(check_username(good), None, "{good}");
        }
        for (wrong, expected) in [
            ("", "min_length"),
            ("ab", "min_length"),
            (&"a".repeat(31), "max_length"),
            ("ann lee", "invalid_format"),
            ("аnn", "invalid_format"),
            ("ann\u{200b}", "invalid_format"),
            ("ａｎｎ", "invalid_format"),
            ("---", "invalid_format"),
            ("system:x", "invalid_format"),
            ("Admin", "reserved"),
            ("adm1n", "reserved"),
            ("R00T", "reserved"),
            ("System-x", "reserved"),
            ("kube_x", "reserved"),
            ("devpocket-bot", "reserved"),
        ] {
            assert_eq!(code(check_username(wrong)), expected, "{wrong}");
        }
    }

    #[test]
    fn names_that_look_alike_are_one() {
        for (one, other) in [("alice", "aIice"), ("bob", "b0b"), ("a-b", "A_B"), ("ill1", "IIII")] {
            assert_eq!(username_key(one), username_key(other), "{one} {other}");
        }
        assert_ne!(username_key("ann"), username_key("anna"));
    }

    #[test]
    fn addresses_are_read_strictly_and_written_one_way() {
        assert_eq!(email("  Ann.Lee+x@Example.COM ").unwrap(), "Ann.Lee+x@example.com");
        assert_eq!(email_key("Ann@example.com"), email_key("ann@example.com"));
        for wrong in [
            "",
            "ann",
            "@example.com",
            "ann@",
            "ann@localhost",
            "ann@127.0.0.1",
            "ann@[127.0.0.1]",
            "a b@example.com",
            "a..b@example.com",
            ".a@example.com",
            "a@b@example.com",
            "\"a b\"@example.com",
            "ann@exa mple.com",
            "ann@-example.com",
            "ann@example..com",
            "ann@example.com\r\nBcc: all@example.com",
            "аnn@example.com",
            "ann@exаmple.com",
            "ann@example.com,bob@example.com",
            &format!("{}@example.com", "a".repeat(65)),
            &format!("ann@{}.com", "a".repeat(300)),
        ] {
            assert!(email(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_has_what_the_app_asks_for() {
        assert!(check_password("password", "Correct1").is_empty());
        assert!(check_password("password", &format!("Aa1{}", "é".repeat(97))).is_empty());
        let codes = |text: &str| {
            check_password("password", text).into_iter().map(|f| f.code).collect::<Vec<_>>()
        };
        assert_eq!(codes("Short1"), ["min_length"]);
        assert_eq!(codes("alllower1"), ["password_strength"]);
        assert_eq!(
            codes(""),
            ["min_length"; 1].iter().chain(&["password_strength"; 3]).copied().collect::<Vec<_>>()
        );
        assert_eq!(codes(&format!("Aa1{}", "x".repeat(98))), ["max_length"]);
    }

    #[test]
    fn a_picture_is_fetched_over_https_only() {
        assert_eq!(check_avatar_url("https://example.com/a.png"), None);
        assert_eq!(check_avatar_url(""), None);
        for wrong in
            ["http://example.com/a.png", "javascript:alert(1)", "data:image/png;base64,", "x"]
        {
            assert!(check_avatar_url(wrong).is_some(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_reader_fall_over(text in "\\PC*") {
            let _ = (check_username(&text), username_key(&text), check_full_name(&text));
            let _ = (check_password("p", &text), login(&text), check_avatar_url(&text));
            if let Ok(read) = email(&text) {
                prop_assert_eq!(email(&read).unwrap(), read.clone());
                prop_assert!(!read.contains(['\r', '\n', ' ', ',', '<', '>']));
            }
        }

        #[test]
        fn a_name_made_from_an_address_may_be_used(local in "[a-z0-9.+_-]{1,64}", n in 0u32..10_000) {
            let made = username_from(&format!("{local}@example.com"), n);
            let code = code(check_username(&made));
            prop_assert!(code.is_empty() || code == "reserved", "{made}: {code}");
        }
    }
}
