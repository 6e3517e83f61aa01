//! Access tokens: fetched with the password grant, renewed before they expire, dropped on 401.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio::sync::Mutex;

use devpocket_controllers::clock::Clock;
use devpocket_controllers::cloud::CloudError;

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

#[derive(Clone)]
struct Token {
    access: Sensitive,
    identity: Identity,
    renew_at: Duration,
}

enum State {
    Empty,
    Held(Token),
    Refused { message: String, until: Duration },
}

/// Keeps one token for everybody.
pub struct TokenSource {
    http: reqwest::Client,
    url: String,
    credentials: Credentials,
    clock: Arc<dyn Clock>,
    // Held across the fetch, so that many callers cause one sign-in.
    state: Mutex<State>,
}

impl TokenSource {
    pub fn new(
        http: reqwest::Client,
        url: String,
        credentials: Credentials,
        clock: Arc<dyn Clock>,
    ) -> TokenSource {
        TokenSource { http, url, credentials, clock, state: Mutex::new(State::Empty) }
    }

    /// A token with at least [`RENEW_BEFORE`] left.
    pub async fn get(&self) -> Result<(Sensitive, Identity), CloudError> {
        let mut state = self.state.lock().await;
        let now = self.clock.monotonic();
        match &*state {
            State::Held(token) if now < token.renew_at => {
                return Ok((token.access.clone(), token.identity.clone()));
            }
            State::Refused { message, until } if now < *until => {
                return Err(CloudError::SignIn { message: message.clone() });
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
            Err(CloudError::SignIn { message }) => {
                let until = self.clock.monotonic() + REFUSED_PAUSE;
                *state = State::Refused { message: message.clone(), until };
                Err(CloudError::SignIn { message })
            }
            Err(other) => Err(other),
        }
    }

    /// Forgets the token if it is still this one: Contabo answered 401 to it.
    pub async fn drop_token(&self, access: &Sensitive) {
        let mut state = self.state.lock().await;
        if matches!(&*state, State::Held(token) if token.access == *access) {
            *state = State::Empty;
        }
    }

    async fn fetch(&self) -> Result<Token, CloudError> {
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
            .timeout(TIMEOUT)
            .form(&form)
            .send()
            .await
            .map_err(|error| transport_error(&error, false))?;
        let code = reply.status().as_u16();
        let body = reply.bytes().await.map_err(|error| transport_error(&error, false))?;
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if code == 400 || code == 401 || code == 403 {
            let word = body["error"].as_str().unwrap_or("no reason given");
            return Err(CloudError::SignIn { message: refusal(&quote(word)) });
        }
        if code != 200 {
            return Err(CloudError::Unavailable {
                message: format!("the sign-in server answered {code}"),
            });
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

/// The sign-in server's word, and which of the four values it is about.
fn refusal(word: &str) -> String {
    let hint = match word {
        "invalid_grant" => {
            "; check CONTABO_USERNAME and CONTABO_PASSWORD, which is the API password set in the \
             customer panel, not the one you sign in there with"
        }
        "invalid_client" | "unauthorized_client" => {
            "; check CONTABO_CLIENT_ID and CONTABO_CLIENT_SECRET"
        }
        _ => "",
    };
    format!("the sign-in server answered {word}{hint}")
}

fn count(fetched: &Result<Token, CloudError>) {
    let outcome = match fetched {
        Ok(_) => "ok",
        Err(CloudError::SignIn { .. }) => "refused",
        Err(_) => "unavailable",
    };
    metrics::counter!("devpocket_cloud_sign_ins_total", "outcome" => outcome).increment(1);
    tracing::debug!(outcome, "asked Contabo for a token");
}
