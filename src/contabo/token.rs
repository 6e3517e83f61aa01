//! Access tokens: fetched with the password grant, renewed before they expire, dropped on 401.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio::sync::Mutex;

use devpocket_controllers::clock::Clock;
use devpocket_controllers::cloud::CloudError;

use super::client::{ContaboClient, ContaboConfig};
use super::outcome::{quote, transport_error};
use super::sensitive::Sensitive;

/// A token is renewed this long before it expires, so that none expires in flight.
const RENEW_BEFORE: Duration = Duration::from_secs(60);
/// Life of a token whose reply names none (Contabo's are about five minutes).
const LIFE_DEFAULT: Duration = Duration::from_secs(300);
/// After refused credentials the sign-in is not asked again for this long, whoever calls: a hot
/// loop of wrong passwords locks accounts. A little less than the inventory's own pause, so that
/// its next look really asks.
const REFUSED_PAUSE: Duration = Duration::from_secs(290);
/// Longest wait for the sign-in server.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The four values of an API user.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub client_id: String,
    pub client_secret: Sensitive,
    pub username: String,
    pub password: Sensitive,
}

/// Who the token says we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub tenant: String,
    pub customer: String,
}

/// Which half of the four values a refusal is about. Who signs in is only looked at once the client
/// is accepted, and Contabo does not say which value of a half it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// `CONTABO_CLIENT_ID` and `CONTABO_CLIENT_SECRET`.
    Client,
    /// `CONTABO_USERNAME` and `CONTABO_PASSWORD`; the client was accepted.
    User,
}

/// How the sign-in server refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its word, such as `invalid_grant`.
    pub word: String,
    /// Its sentence, empty where it gave none.
    pub description: String,
    /// `None`: the word says nothing about any of the four.
    pub about: Option<Half>,
}

impl Refusal {
    fn read(body: &Value) -> Refusal {
        let word = quote(body["error"].as_str().unwrap_or("no reason given"));
        let about = match word.as_str() {
            "invalid_grant" => Some(Half::User),
            "invalid_client" | "unauthorized_client" => Some(Half::Client),
            _ => None,
        };
        let description = quote(body["error_description"].as_str().unwrap_or_default());
        Refusal { word, description, about }
    }

    /// The word, and which of the four values it is about.
    fn sentence(&self) -> String {
        let hint = match self.about {
            Some(Half::User) => {
                "; check CONTABO_USERNAME and CONTABO_PASSWORD, which is the API password set in the \
                 customer panel, not the one you sign in there with"
            }
            Some(Half::Client) => "; check CONTABO_CLIENT_ID and CONTABO_CLIENT_SECRET",
            None => "",
        };
        format!("the sign-in server answered {}{hint}", self.word)
    }
}

/// What a sign-in failed with.
enum Failed {
    Refused(Refusal),
    Other(CloudError),
}

impl From<CloudError> for Failed {
    fn from(error: CloudError) -> Failed {
        Failed::Other(error)
    }
}

#[derive(Clone)]
struct Token {
    access: Sensitive,
    identity: Identity,
    renew_at: Duration,
}

enum State {
    Empty,
    Held(Token),
    Refused { refusal: Refusal, until: Duration },
}

/// Keeps one token for everybody.
pub struct TokenSource {
    http: reqwest::Client,
    url: String,
    credentials: Credentials,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    // Held across the fetch, so that many callers cause one sign-in.
    state: Mutex<State>,
}

impl TokenSource {
    pub fn new(
        http: reqwest::Client,
        config: &ContaboConfig,
        clock: Arc<dyn Clock>,
    ) -> TokenSource {
        TokenSource {
            http,
            url: config.auth_url.clone(),
            credentials: config.credentials.clone(),
            timeout: TIMEOUT.min(config.patience),
            clock,
            state: Mutex::new(State::Empty),
        }
    }

    /// How the last sign-in was refused, if it was.
    async fn refusal(&self) -> Option<Refusal> {
        match &*self.state.lock().await {
            State::Refused { refusal, .. } => Some(refusal.clone()),
            _ => None,
        }
    }

    /// A token with at least [`RENEW_BEFORE`] left.
    pub async fn get(&self) -> Result<(Sensitive, Identity), CloudError> {
        let mut state = self.state.lock().await;
        let now = self.clock.monotonic();
        match &*state {
            State::Held(token) if now < token.renew_at => {
                return Ok((token.access.clone(), token.identity.clone()));
            }
            State::Refused { refusal, until } if now < *until => {
                return Err(CloudError::SignIn { message: refusal.sentence() });
            }
            _ => {}
        }
        let fetched = self.fetch().await;
        count(&fetched);
        match fetched {
            Ok(token) => {
                let answer = (token.access.clone(), token.identity.clone());
                *state = State::Held(token);
                Ok(answer)
            }
            Err(Failed::Refused(refusal)) => {
                let until = self.clock.monotonic() + REFUSED_PAUSE;
                let message = refusal.sentence();
                *state = State::Refused { refusal, until };
                Err(CloudError::SignIn { message })
            }
            Err(Failed::Other(other)) => Err(other),
        }
    }

    /// Forgets the token if it is still this one: Contabo answered 401 to it.
    pub async fn drop_token(&self, access: &Sensitive) {
        let mut state = self.state.lock().await;
        if matches!(&*state, State::Held(token) if token.access == *access) {
            *state = State::Empty;
        }
    }

    async fn fetch(&self) -> Result<Token, Failed> {
        let asked_at = self.clock.monotonic();
        let form = [
            ("grant_type", "password"),
            ("client_id", self.credentials.client_id.as_str()),
            ("client_secret", self.credentials.client_secret.reveal()),
            ("username", self.credentials.username.as_str()),
            ("password", self.credentials.password.reveal()),
        ];
        let reply = self
            .http
            .post(&self.url)
            .timeout(self.timeout)
            .form(&form)
            .send()
            .await
            .map_err(|error| transport_error(&error, false))?;
        let code = reply.status().as_u16();
        let body = reply.bytes().await.map_err(|error| transport_error(&error, false))?;
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if code == 400 || code == 401 || code == 403 {
            return Err(Failed::Refused(Refusal::read(&body)));
        }
        if code != 200 {
            let message = format!("the sign-in server answered {code}");
            return Err(CloudError::Unavailable { message }.into());
        }
        let access = body["access_token"].as_str().filter(|t| !t.is_empty()).ok_or_else(|| {
            CloudError::BadReply { message: "the sign-in reply has no access_token".into() }
        })?;
        let life = body["expires_in"].as_u64().map_or(LIFE_DEFAULT, Duration::from_secs);
        Ok(Token {
            identity: self.identity(access),
            access: Sensitive::new(access),
            // Counted from before the request: the server's clock started no later than that.
            renew_at: asked_at + life.saturating_sub(RENEW_BEFORE).max(life / 2),
        })
    }

    /// From the token's claims; else from the client id, which looks like `INT-12345`.
    fn identity(&self, access: &str) -> Identity {
        let claims = access
            .split('.')
            .nth(1)
            .and_then(|part| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok())
            .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
            .unwrap_or(Value::Null);
        let (tenant, customer) =
            self.credentials.client_id.split_once('-').unwrap_or(("", &self.credentials.client_id));
        let claim = |name: &str, fallback: &str| match &claims[name] {
            Value::String(text) if !text.is_empty() => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => fallback.to_owned(),
        };
        Identity { tenant: claim("tenantId", tenant), customer: claim("customerId", customer) }
    }
}

impl ContaboClient {
    /// How the last sign-in was refused, if it was. Asks nothing.
    pub async fn refusal(&self) -> Option<Refusal> {
        self.tokens.refusal().await
    }
}

fn count(fetched: &Result<Token, Failed>) {
    let outcome = match fetched {
        Ok(_) => "ok",
        Err(Failed::Refused(_)) => "refused",
        Err(_) => "unavailable",
    };
    metrics::counter!("devpocket_cloud_sign_ins_total", "outcome" => outcome).increment(1);
    tracing::debug!(outcome, "asked Contabo for a token");
}
