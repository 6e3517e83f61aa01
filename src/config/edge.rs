//! Settings of what stands between the network and the product: TLS, proxies, limits, mail, and the
//! address people know it by.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::contabo::Sensitive;
use crate::mail::{MailConfig, Mailboxes, Smtp, SmtpSecurity};
use crate::server::limiter::{KUBE_LIMIT, LIMIT, Rules, SIGN_IN_LIMIT, WINDOW};
use crate::server::{Proxies, TlsFiles};

use super::settings::{Warning, number};
use super::source::Source;

/// Resend takes letters by SMTP, with its API key as the password.
const RESEND_HOST: &str = "smtp.resend.com";
const RESEND_USER: &str = "resend";
/// Ports where TLS begins at once, and where it is asked for.
const IMPLICIT_PORT: u16 = 465;
const SUBMISSION_PORT: u16 = 587;
/// A window is a second at least and a day at most.
const WINDOW_MS: std::ops::RangeInclusive<u32> = 1_000..=86_400_000;

/// Flags of the edge. Each is the variable of the same name in lower case.
#[derive(Args, Clone, Debug, Default)]
pub struct EdgeArgs {
    #[arg(long, value_name = "FILE", help = "Certificate in PEM; looked at again when it changes")]
    pub tls_cert: Option<String>,
    #[arg(long, value_name = "FILE", help = "Private key of the certificate, in PEM")]
    pub tls_key: Option<String>,
    #[arg(long, value_name = "LIST", help = "Proxies whose X-Forwarded-For is believed")]
    pub trusted_proxies: Option<String>,
    #[arg(long, value_name = "N", help = "Length of a window of the limits [default: 60000]")]
    pub rate_limit_window_ms: Option<String>,
    #[arg(long, value_name = "N", help = "Requests of a user of /api/v1 a window [default: 100]")]
    pub rate_limit_max_requests: Option<String>,
    #[arg(long, value_name = "N", help = "Sign-ins of an address a minute [default: 5]")]
    pub auth_rate_limit_max_requests: Option<String>,
    #[arg(long, value_name = "N", help = "Requests of a user of /kube a window [default: 6000]")]
    pub kube_rate_limit_max_requests: Option<String>,
    #[arg(long, value_name = "URL", help = "Mail server: smtps://user:password@host:465")]
    pub smtp_url: Option<String>,
    #[arg(long, value_name = "FILE", help = "File that holds SMTP_URL")]
    pub smtp_url_file: Option<String>,
    #[arg(long, value_name = "HOST", help = "Mail server, in place of SMTP_URL")]
    pub smtp_host: Option<String>,
    #[arg(long, value_name = "PORT", help = "Port of the mail server [default: 587]")]
    pub smtp_port: Option<String>,
    #[arg(long, value_name = "NAME", help = "User at the mail server")]
    pub smtp_username: Option<String>,
    #[arg(long, value_name = "SECRET", help = "Password at the mail server")]
    pub smtp_password: Option<String>,
    #[arg(long, value_name = "FILE", help = "File that holds SMTP_PASSWORD")]
    pub smtp_password_file: Option<String>,
    #[arg(long, value_name = "KEY", help = "Send mail by Resend, with this key")]
    pub resend_api_key: Option<String>,
    #[arg(long, value_name = "FILE", help = "File that holds RESEND_API_KEY")]
    pub resend_api_key_file: Option<String>,
    #[arg(long, value_name = "MAILBOX", help = "Sender: 'DevPocket <noreply@example.com>'")]
    pub from_email: Option<String>,
    #[arg(long, value_name = "MAILBOX", help = "Where answers to letters go")]
    pub support_email: Option<String>,
    #[arg(long, value_name = "LIST", help = "Ids of sealing keys that are gone for good")]
    pub devpocket_lost_seal_keys: Option<String>,
}

impl EdgeArgs {
    /// The variables they stand for.
    pub(super) fn pairs(&self) -> [(&'static str, &Option<String>); 19] {
        [
            ("TLS_CERT", &self.tls_cert),
            ("TLS_KEY", &self.tls_key),
            ("TRUSTED_PROXIES", &self.trusted_proxies),
            ("RATE_LIMIT_WINDOW_MS", &self.rate_limit_window_ms),
            ("RATE_LIMIT_MAX_REQUESTS", &self.rate_limit_max_requests),
            ("AUTH_RATE_LIMIT_MAX_REQUESTS", &self.auth_rate_limit_max_requests),
            ("KUBE_RATE_LIMIT_MAX_REQUESTS", &self.kube_rate_limit_max_requests),
            ("SMTP_URL", &self.smtp_url),
            ("SMTP_URL_FILE", &self.smtp_url_file),
            ("SMTP_HOST", &self.smtp_host),
            ("SMTP_PORT", &self.smtp_port),
            ("SMTP_USERNAME", &self.smtp_username),
            ("SMTP_PASSWORD", &self.smtp_password),
            ("SMTP_PASSWORD_FILE", &self.smtp_password_file),
            ("RESEND_API_KEY", &self.resend_api_key),
            ("RESEND_API_KEY_FILE", &self.resend_api_key_file),
            ("FROM_EMAIL", &self.from_email),
            ("SUPPORT_EMAIL", &self.support_email),
            ("DEVPOCKET_LOST_SEAL_KEYS", &self.devpocket_lost_seal_keys),
        ]
    }
}

/// The edge, as configured.
#[derive(Clone, Debug, Default)]
pub struct EdgeConfig {
    /// Without a slash at the end.
    pub public_url: Option<String>,
    pub tls: Option<TlsFiles>,
    pub behind_proxy: bool,
    pub proxies: Proxies,
    pub rules: Rules,
    /// None: no letter can be sent.
    pub mail: Option<MailConfig>,
    /// Ids of keys whose secrets are given up.
    pub lost_seal_keys: Vec<String>,
}

/// Whether TLS ends in front of it: the flag, or its variable.
pub(super) fn behind_proxy(source: &mut Source) -> bool {
    const NAME: &str = "BEHIND_PROXY";
    let Some(value) = source.value(NAME) else { return source.behind_proxy };
    match value.text.as_str() {
        "true" | "1" => return true,
        "false" | "0" => {}
        other => source.invalid(NAME, &value, format!("is {other:?}"), "true or false"),
    }
    source.behind_proxy
}

pub(super) fn edge(source: &mut Source, warnings: &mut Vec<Warning>) -> EdgeConfig {
    let config = EdgeConfig {
        public_url: public_url(source),
        tls: tls(source),
        behind_proxy: source.behind_proxy,
        proxies: proxies(source, warnings),
        rules: rules(source),
        mail: mail(source),
        lost_seal_keys: source
            .value("DEVPOCKET_LOST_SEAL_KEYS")
            .map_or(vec![], |value| super::parse::list(&value.text)),
    };
    if config.mail.is_some() && config.public_url.is_none() {
        warnings
            .push("PUBLIC_URL is not set: the links in letters lead to this computer only".into());
    }
    config
}

/// The host name in a public address.
pub fn public_host(url: &str) -> Option<String> {
    let url: reqwest::Url = url.parse().ok()?;
    Some(url.host_str()?.trim_matches(['[', ']']).to_owned())
}

/// What is wrong with it is said with the settings of accounts, which make links of it.
fn public_url(source: &Source) -> Option<String> {
    let value = source.value("PUBLIC_URL")?;
    let url = value.text.trim_end_matches('/').to_owned();
    public_host(&url).map(|_| url)
}

fn tls(source: &mut Source) -> Option<TlsFiles> {
    match (source.value("TLS_CERT"), source.value("TLS_KEY")) {
        (Some(certificate), Some(key)) => {
            Some(TlsFiles { certificate: certificate.text.into(), key: PathBuf::from(key.text) })
        }
        (None, None) => None,
        (Some(value), None) => {
            source.invalid("TLS_CERT", &value, "is set without TLS_KEY", "both, or neither");
            None
        }
        (None, Some(value)) => {
            source.invalid("TLS_KEY", &value, "is set without TLS_CERT", "both, or neither");
            None
        }
    }
}

fn proxies(source: &mut Source, warnings: &mut Vec<Warning>) -> Proxies {
    const NAME: &str = "TRUSTED_PROXIES";
    if let Some(value) = source.value(NAME) {
        return Proxies::read(&value.text).unwrap_or_else(|problem| {
            let expected = "addresses and networks by comma, such as 127.0.0.1, 10.0.0.0/8";
            source.invalid(NAME, &value, format!("is wrong: {problem}"), expected);
            Proxies::default()
        });
    }
    if !source.behind_proxy {
        return Proxies::default();
    }
    let host = source.value("HOST").and_then(|value| value.text.parse::<std::net::IpAddr>().ok());
    if host.is_none_or(|host| host.is_loopback()) {
        return Proxies::on_loopback();
    }
    warnings.push(
        "TRUSTED_PROXIES is not set: whoever comes through the proxy counts as one address, and \
         shares its limits"
            .into(),
    );
    Proxies::default()
}

fn rules(source: &mut Source) -> Rules {
    let default = u32::try_from(WINDOW.as_millis()).unwrap_or(u32::MAX);
    let window = number(source, "RATE_LIMIT_WINDOW_MS", default, WINDOW_MS);
    let limit = |source: &mut Source, name, default| number(source, name, default, 0..=1_000_000);
    let sign_in = limit(source, "AUTH_RATE_LIMIT_MAX_REQUESTS", SIGN_IN_LIMIT);
    let rest = limit(source, "RATE_LIMIT_MAX_REQUESTS", LIMIT);
    let kube = limit(source, "KUBE_RATE_LIMIT_MAX_REQUESTS", KUBE_LIMIT);
    Rules::new(Duration::from_millis(window.into()), sign_in, rest, kube)
}

fn mail(source: &mut Source) -> Option<MailConfig> {
    let smtp = smtp(source)?;
    let boxes = mailboxes(source)?;
    Some(MailConfig { smtp, boxes })
}

/// Who letters are from; a fault where letters could be sent and nobody is named.
fn mailboxes(source: &mut Source) -> Option<Mailboxes> {
    const EXPECTED: &str = "a mailbox such as 'DevPocket <noreply@example.com>'";
    let from = source.required("FROM_EMAIL", EXPECTED);
    let support = source.value("SUPPORT_EMAIL").map(|value| value.text);
    if from.is_empty() {
        return None;
    }
    for (name, text) in [("FROM_EMAIL", Some(&from)), ("SUPPORT_EMAIL", support.as_ref())] {
        if let Some(text) = text
            && Mailboxes::read(text, None).is_err()
        {
            let value = source.value(name)?;
            source.invalid(name, &value, format!("is {text:?}"), EXPECTED);
            return None;
        }
    }
    Mailboxes::read(&from, support.as_deref()).ok()
}

/// The one way to send that is configured.
fn smtp(source: &mut Source) -> Option<Smtp> {
    let url = source.optional_secret("SMTP_URL", "SMTP_URL_FILE");
    let host = source.value("SMTP_HOST");
    let resend = source.optional_secret("RESEND_API_KEY", "RESEND_API_KEY_FILE");
    let ways = [url.is_some(), host.is_some(), resend.is_some()];
    if ways.iter().filter(|way| **way).count() > 1 {
        let place = host.or_else(|| source.value("SMTP_URL")).or(resend.map(|key| key.place));
        if let Some(place) = place {
            let problem = "names a second way to send mail";
            let expected = "one of SMTP_URL, SMTP_HOST and RESEND_API_KEY";
            source.invalid("SMTP_HOST", &place.hidden(), problem, expected);
        }
        return None;
    }
    if let Some(key) = resend {
        return Some(Smtp {
            host: RESEND_HOST.into(),
            port: IMPLICIT_PORT,
            security: SmtpSecurity::Implicit,
            credentials: Some((RESEND_USER.into(), key.value)),
        });
    }
    if let Some(url) = url {
        let read = smtp_url(url.value.reveal());
        return read
            .map_err(|problem| {
                let expected = "smtps://user:password@host:465, or smtp:// with a server that has \
                            STARTTLS";
                source.invalid(url.name, &url.place, problem, expected);
            })
            .ok();
    }
    let host = host?;
    let port = number(source, "SMTP_PORT", SUBMISSION_PORT.into(), 1..=65_535);
    let port = u16::try_from(port).unwrap_or(SUBMISSION_PORT);
    let password = source.optional_secret("SMTP_PASSWORD", "SMTP_PASSWORD_FILE");
    let credentials = match (source.value("SMTP_USERNAME"), password) {
        (Some(user), Some(password)) => Some((user.text, password.value)),
        (None, None) => None,
        (Some(value), None) => {
            let problem = "is set without SMTP_PASSWORD";
            source.invalid("SMTP_USERNAME", &value, problem, "both, or neither");
            return None;
        }
        (None, Some(secret)) => {
            let problem = "is set without SMTP_USERNAME";
            source.invalid(secret.name, &secret.place, problem, "both, or neither");
            return None;
        }
    };
    Some(Smtp { security: security(&host.text, port), host: host.text, port, credentials })
}

/// TLS, always; but for a server on this computer, where nobody listens on the way.
fn security(host: &str, port: u16) -> SmtpSecurity {
    let loopback = host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match (port, loopback) {
        (IMPLICIT_PORT, _) => SmtpSecurity::Implicit,
        (_, true) => SmtpSecurity::None,
        (_, false) => SmtpSecurity::StartTls,
    }
}

fn smtp_url(text: &str) -> Result<Smtp, &'static str> {
    let url: reqwest::Url = text.parse().map_err(|_| "is not a URL")?;
    let host = url.host_str().ok_or("names no host")?.trim_matches(['[', ']']).to_owned();
    let (port, security) = match url.scheme() {
        "smtps" => (url.port().unwrap_or(IMPLICIT_PORT), SmtpSecurity::Implicit),
        "smtp" => {
            let port = url.port().unwrap_or(SUBMISSION_PORT);
            (port, security(&host, port))
        }
        _ => return Err("is neither smtps:// nor smtp://"),
    };
    let user = decoded(url.username()).ok_or("has a user that is not text")?;
    let credentials = match url.password() {
        Some(password) if !user.is_empty() => {
            let password = decoded(password).ok_or("has a password that is not text")?;
            Some((user, Sensitive::new(password)))
        }
        None if user.is_empty() => None,
        _ => return Err("has a user without a password, or the other way round"),
    };
    Ok(Smtp { host, port, security, credentials })
}

/// Percent-decoded, as URLs hold what is not plain.
fn decoded(text: &str) -> Option<String> {
    super::telemetry::decoded(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn mail_servers_are_read_and_never_spoken_to_in_the_clear_from_afar() {
        let read = |text: &str| smtp_url(text).map(|smtp| (smtp.host, smtp.port, smtp.security));
        for (text, expected) in [
            ("smtps://mail.example.com", ("mail.example.com", 465, SmtpSecurity::Implicit)),
            ("smtp://mail.example.com", ("mail.example.com", 587, SmtpSecurity::StartTls)),
            ("smtp://mail.example.com:25", ("mail.example.com", 25, SmtpSecurity::StartTls)),
            ("smtp://127.0.0.1:1025", ("127.0.0.1", 1025, SmtpSecurity::None)),
            ("smtp://[::1]:1025", ("::1", 1025, SmtpSecurity::None)),
        ] {
            assert_eq!(read(text), Ok((expected.0.to_owned(), expected.1, expected.2)), "{text}");
        }
        for wrong in ["", "mail", "http://mail.example.com", "smtps://u@mail.example.com"] {
            assert!(smtp_url(wrong).is_err(), "{wrong}");
        }
        let smtp = smtp_url("smtps://ann%40example.com:p%3Aw@mail.example.com").unwrap();
        let (user, password) = smtp.credentials.unwrap();
        assert_eq!((user.as_str(), password.reveal()), ("ann@example.com", "p:w"));
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_fall_over(text in "\\PC*") {
            let _ = (smtp_url(&text), public_host(&text), Mailboxes::read(&text, Some(&text)));
        }
    }
}
