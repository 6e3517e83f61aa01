//! Signing in, and which of the four values is accepted.
//!
//! Contabo looks at the client first and at the user afterwards, and answers with one word for either
//! half. So a refusal of the user proves that client id and secret are right; which value of a half
//! is wrong it never says, and here only what can be seen on the value itself is added.

use devpocket_controllers::cloud::{Cloud, CloudError};
use devpocket_specs::installation::Account;

use crate::config::DoctorConfig;
use crate::contabo::{ContaboClient, Credentials, Half, Refusal};

/// What is known of one of the four values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    /// This one or the other of its half.
    Refused,
    /// Contabo did not come to look at it.
    NotJudged,
}

impl Verdict {
    /// The word in documents.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Accepted => "accepted",
            Verdict::Refused => "refused",
            Verdict::NotJudged => "not-judged",
        }
    }
}

/// One of the four values, without what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    pub name: &'static str,
    /// Where it was configured.
    pub at: String,
    pub verdict: Verdict,
    /// What is odd about it as it is written, in words that do not show it.
    pub remark: Option<&'static str>,
}

/// How signing in went.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Client id, client secret, username, password.
    pub values: [Value; 4],
    pub outcome: Result<Account, CloudError>,
    /// The sign-in server's answer where it refused.
    pub refusal: Option<Refusal>,
}

impl SignIn {
    pub fn account(&self) -> Option<&Account> {
        self.outcome.as_ref().ok()
    }
}

/// Signs in once. Refused credentials are not sent a second time: that would count towards a lock.
pub async fn try_it(client: &ContaboClient, config: &DoctorConfig) -> SignIn {
    let mut outcome = client.account().await;
    if matches!(outcome, Err(CloudError::Unavailable { .. } | CloudError::BadReply { .. })) {
        outcome = client.account().await;
    }
    let refusal = client.refusal().await;
    let (client_half, user_half) = match (&outcome, refusal.as_ref().and_then(|r| r.about)) {
        (Ok(_), _) => (Verdict::Accepted, Verdict::Accepted),
        (Err(_), Some(Half::Client)) => (Verdict::Refused, Verdict::NotJudged),
        (Err(_), Some(Half::User)) => (Verdict::Accepted, Verdict::Refused),
        (Err(_), None) => (Verdict::NotJudged, Verdict::NotJudged),
    };
    let remarks = match outcome {
        Ok(_) => [None; 4],
        Err(_) => remarks(&config.contabo.credentials),
    };
    let [id, secret, user, password] = config.places.clone();
    let value = |name, at, verdict, remark| Value { name, at, verdict, remark };
    let values = [
        value("CONTABO_CLIENT_ID", id, client_half, remarks[0]),
        value("CONTABO_CLIENT_SECRET", secret, client_half, remarks[1]),
        value("CONTABO_USERNAME", user, user_half, remarks[2]),
        value("CONTABO_PASSWORD", password, user_half, remarks[3]),
    ];
    SignIn { values, outcome, refusal }
}

/// What can be seen on the values themselves.
fn remarks(values: &Credentials) -> [Option<&'static str>; 4] {
    let secret = values.client_secret.reveal();
    let password = values.password.reveal();
    let quoted = |text: &str| {
        let marks = ['"', '\'', '`'];
        text.starts_with(marks) && text.ends_with(marks) && text.len() > 1
    };
    let form = |text: &str| match text {
        text if quoted(text) => Some("it has quotation marks around it"),
        text if text.contains(char::is_whitespace) => Some("it has a space or a line break in it"),
        _ => None,
    };
    let id = form(&values.client_id).or_else(|| {
        let shaped = values.client_id.split_once('-').is_some_and(|(tenant, customer)| {
            matches!(tenant, "DE" | "INT") && customer.bytes().all(|b| b.is_ascii_digit())
        });
        (!shaped).then_some("it does not look like one: INT-12345 or DE-12345")
    });
    let user = form(&values.username)
        .or_else(|| (!values.username.contains('@')).then_some("it is no e-mail address"));
    let secret = form(secret).or_else(|| match secret {
        secret if secret == password => Some("it is the same as CONTABO_PASSWORD"),
        secret if secret == values.client_id => Some("it is the same as CONTABO_CLIENT_ID"),
        secret if secret.contains('@') => Some("it looks like an e-mail address"),
        _ => None,
    });
    let password = match quoted(password) {
        true => Some("it has quotation marks around it"),
        false => (password == values.username).then_some("it is the same as CONTABO_USERNAME"),
    };
    [id, secret, user, password]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contabo::Sensitive;

    fn remarked(id: &str, secret: &str, user: &str, password: &str) -> [bool; 4] {
        let values = Credentials {
            client_id: id.into(),
            client_secret: Sensitive::new(secret),
            username: user.into(),
            password: Sensitive::new(password),
        };
        remarks(&values).map(|remark| remark.is_some())
    }

    #[test]
    fn what_is_odd_about_a_value_is_seen_and_a_usual_one_is_left_alone() {
        let fine = ("INT-12345", "aBc123", "ops@example.com", "it may hold \" and '");
        assert_eq!(remarked(fine.0, fine.1, fine.2, fine.3), [false; 4]);
        assert_eq!(remarked("12345", fine.1, fine.2, fine.3), [true, false, false, false]);
        assert_eq!(remarked(fine.0, "\"aBc\"", fine.2, fine.3), [false, true, false, false]);
        assert_eq!(remarked(fine.0, fine.1, "ops", fine.3), [false, false, true, false]);
        assert_eq!(remarked(fine.0, "same", fine.2, "same"), [false, true, false, false]);
        assert_eq!(remarked(fine.0, fine.1, fine.2, "'pw'"), [false, false, false, true]);
    }
}
