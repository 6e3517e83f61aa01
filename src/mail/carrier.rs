//! Who takes letters away: a mail server, or a folder.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use lettre::address::Envelope;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use super::{MailError, Posted};
use crate::contabo::Sensitive;
use crate::context::write_private;

/// Longest silence of a mail server within one conversation.
const SILENCE: Duration = Duration::from_secs(20);

/// Whom letters are from, and where answers go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailboxes {
    from: Mailbox,
    support: Option<Mailbox>,
}

impl Mailboxes {
    /// `DevPocket <noreply@example.com>`, or only the address.
    pub fn read(from: &str, support: Option<&str>) -> Result<Mailboxes, MailError> {
        let read =
            |text: &str| text.parse::<Mailbox>().map_err(|_| MailError::Address(text.to_owned()));
        Ok(Mailboxes { from: read(from)?, support: support.map(read).transpose()? })
    }

    /// Where answers go, as written in letters.
    pub fn support(&self) -> Option<String> {
        self.support.as_ref().map(|mailbox| mailbox.email.to_string())
    }

    /// The letter as it travels. Its `Message-ID` follows from its id: however often it is sent, it
    /// is the same letter.
    pub fn message(&self, posted: &Posted) -> Result<Message, MailError> {
        let wrong = |error: lettre::error::Error| MailError::Write(error.to_string());
        let to = address(&posted.recipient)?;
        let written = posted.letter.write(self.support().as_deref());
        let id = format!("<{}@{}>", posted.id, self.from.email.domain());
        let mut builder = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(written.subject)
            .date(posted.posted_at.into())
            .message_id(Some(id))
            .header(AutoSubmitted);
        if let Some(support) = &self.support {
            builder = builder.reply_to(support.clone());
        }
        let body = MultiPart::alternative_plain_html(written.text, written.html);
        builder.multipart(body).map_err(wrong)
    }
}

/// An address that a letter can go to.
pub(super) fn address(text: &str) -> Result<Address, MailError> {
    text.parse().map_err(|_| MailError::Address(text.to_owned()))
}

/// Nobody's holiday answer is wanted.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".into())
    }
}

/// Why a letter was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody will ever take it: the recipient does not exist.
    #[error("{0}")]
    Final(String),
    /// Not now, or it is not known whether it was taken.
    #[error("{0}")]
    Later(String),
}

/// Takes letters.
#[async_trait]
pub trait Carrier: Send + Sync + 'static {
    /// Returns when the letter is somebody else's to deliver.
    async fn carry(&self, posted: &Posted) -> Result<(), Refusal>;
}

/// How the conversation with a mail server is kept secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS from the first byte.
    Implicit,
    /// Plain until STARTTLS, which the server must offer.
    StartTls,
    /// Not at all; on this computer only.
    None,
}

/// A mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smtp {
    pub host: String,
    pub port: u16,
    pub security: SmtpSecurity,
    pub credentials: Option<(String, Sensitive)>,
}

/// Everything needed to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailConfig {
    pub smtp: Smtp,
    pub boxes: Mailboxes,
}

/// Sends by SMTP, a connection a letter: they are few.
pub struct SmtpCarrier {
    boxes: Mailboxes,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl fmt::Debug for SmtpCarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpCarrier").field("boxes", &self.boxes).finish_non_exhaustive()
    }
}

impl SmtpCarrier {
    pub fn new(config: MailConfig) -> Result<SmtpCarrier, MailError> {
        crate::crypto::install_provider();
        let smtp = config.smtp;
        let wrong = |error: lettre::transport::smtp::Error| MailError::Write(error.to_string());
        let parameters = || TlsParameters::new(smtp.host.clone()).map_err(wrong);
        let tls = match smtp.security {
            SmtpSecurity::Implicit => Tls::Wrapper(parameters()?),
            SmtpSecurity::StartTls => Tls::Required(parameters()?),
            SmtpSecurity::None => Tls::None,
        };
        let name = ClientId::Domain(config.boxes.from.email.domain().to_owned());
        let mut builder =
            AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(smtp.host.as_str())
                .port(smtp.port)
                .tls(tls)
                .hello_name(name)
                .timeout(Some(SILENCE));
        if let Some((user, password)) = smtp.credentials {
            builder = builder.credentials(Credentials::new(user, password.reveal().to_owned()));
        }
        Ok(SmtpCarrier { boxes: config.boxes, transport: builder.build() })
    }
}

#[async_trait]
impl Carrier for SmtpCarrier {
    async fn carry(&self, posted: &Posted) -> Result<(), Refusal> {
        let never = |error: MailError| Refusal::Final(error.to_string());
        let message = self.boxes.message(posted).map_err(never)?;
        let to = address(&posted.recipient).map_err(never)?;
        let envelope = Envelope::new(Some(self.boxes.from.email.clone()), vec![to])
            .map_err(|error| Refusal::Final(error.to_string()))?;
        match self.transport.send_raw(&envelope, &message.formatted()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(judge(&error)),
        }
    }
}

/// Codes that speak of the recipient, and will be the same tomorrow. Whatever else a server says
/// (a sign-in refused, a full disk, a policy) may be mended by somebody meanwhile.
const ABOUT_THE_RECIPIENT: [&str; 4] = ["550", "551", "553", "501"];

fn judge(error: &lettre::transport::smtp::Error) -> Refusal {
    let code = error.status().map(|code| code.to_string());
    let text = match &code {
        Some(code) => format!("the mail server answered {code}: {error}"),
        None if error.is_timeout() => "the mail server did not answer in time".to_owned(),
        None => format!("the mail server: {error}"),
    };
    match code {
        Some(code) if ABOUT_THE_RECIPIENT.contains(&code.as_str()) => Refusal::Final(text),
        _ => Refusal::Later(text),
    }
}

/// Hears of each letter that was written, and where.
type Tell = Box<dyn Fn(&Posted, &std::path::Path) + Send + Sync>;

/// Puts letters into a folder, as files that mail programs open.
pub struct Folder {
    path: PathBuf,
    boxes: Mailboxes,
    /// Told where each letter lies.
    tell: Tell,
}

impl Folder {
    pub fn new(
        path: PathBuf,
        boxes: Mailboxes,
        tell: impl Fn(&Posted, &std::path::Path) + Send + Sync + 'static,
    ) -> Folder {
        Folder { path, boxes, tell: Box::new(tell) }
    }
}

#[async_trait]
impl Carrier for Folder {
    async fn carry(&self, posted: &Posted) -> Result<(), Refusal> {
        let message = self.boxes.message(posted);
        let message = message.map_err(|error| Refusal::Final(error.to_string()))?;
        let day = posted.posted_at.strftime("%Y%m%d-%H%M%S");
        let id = posted.id.simple().to_string();
        let file = self.path.join(format!("{day}-{}-{}.eml", posted.letter.kind(), &id[..8]));
        let bytes = message.formatted();
        let written = {
            let file = file.clone();
            tokio::task::spawn_blocking(move || write_private(&file, &bytes)).await
        };
        match written {
            Ok(Ok(())) => {
                (self.tell)(posted, &file);
                Ok(())
            }
            Ok(Err(error)) => {
                Err(Refusal::Later(format!("{} cannot be written: {error}", file.display())))
            }
            Err(error) => Err(Refusal::Later(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Letter;
    use proptest::prelude::*;

    fn posted(recipient: &str, name: &str) -> Posted {
        Posted {
            id: uuid::Uuid::from_u128(7),
            recipient: recipient.into(),
            letter: Letter::Invitation {
                inviter: name.into(),
                team: name.into(),
                role: "editor".into(),
                link: "https://dev.example.com/invite#abc".into(),
                days: 7,
            },
            posted_at: "2026-11-25T10:00:00Z".parse().unwrap(),
        }
    }

    fn headers(message: &Message) -> Vec<String> {
        let text = String::from_utf8(message.formatted()).unwrap();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        unfolded.split("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn a_letter_has_one_message_id_however_often_it_is_written() {
        let boxes = Mailboxes::read("DevPocket <noreply@example.com>", Some("help@example.com"));
        let boxes = boxes.unwrap();
        let letter = posted("ann@example.com", "bob");
        for _ in 0..2 {
            let headers = headers(&boxes.message(&letter).unwrap());
            let id = "Message-ID: <00000000-0000-0000-0000-000000000007@example.com>";
            assert!(headers.iter().any(|line| line == id), "{headers:?}");
            assert!(headers.iter().any(|line| line == "Reply-To: help@example.com"));
            assert!(headers.iter().any(|line| line == "Auto-Submitted: auto-generated"));
        }
    }

    #[test]
    fn addresses_that_are_none_are_refused() {
        for wrong in ["", "ann", "ann@", "a@b\r\nBcc: c@d", "ann@example.com\n", "<a@b>, <c@d>"] {
            assert!(address(wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        /// Whatever somebody is called, a letter has the headers it is to have and no other.
        #[test]
        fn no_name_becomes_a_header(name in "[\\PC\r\n\t:<>@,;]{0,80}") {
            let boxes = Mailboxes::read("DevPocket <noreply@example.com>", None).unwrap();
            let message = boxes.message(&posted("ann@example.com", &name)).unwrap();
            let known = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted",
                "MIME-Version", "Content-Type"];
            for line in headers(&message) {
                let (name, _) = line.split_once(": ").expect("every line is a header");
                prop_assert!(known.contains(&name), "{}", line);
            }
        }
    }
}
