//! Refuses requests that were not meant for this server.
//!
//! A web page can make the browser of somebody who runs DevPocket send requests to
//! `127.0.0.1`, or point a name of its own at that address. Such requests carry the page's `Origin`
//! or the foreign name as `Host`, so both are checked against what this server is called.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use devpocket_specs::status::{Reason, Status};

use super::cors::{self, Grant};
use super::reply::refuse;
use super::state::AppState;

/// Names this server goes by. Loopback is always among them.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts {
    names: Vec<String>,
    origins: Vec<String>,
}

impl AllowedHosts {
    /// These host names or addresses, without ports, in any case.
    pub fn new<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> AllowedHosts {
        let bare = |name: T| name.as_ref().trim_matches(['[', ']']).to_ascii_lowercase();
        AllowedHosts { names: names.into_iter().map(bare).collect(), origins: Vec::new() }
    }

    /// Pages of these origins (`https://app.example.com`) may ask too; `*` is every page.
    pub fn with_origins<T: AsRef<str>>(self, origins: impl IntoIterator<Item = T>) -> Self {
        let plain = |origin: T| origin.as_ref().trim_end_matches('/').to_ascii_lowercase();
        AllowedHosts { origins: origins.into_iter().map(plain).collect(), ..self }
    }

    fn allows(&self, authority: &str) -> bool {
        let Some(host) = host_of(authority) else { return false };
        is_loopback(authority) || self.names.contains(&host.to_ascii_lowercase())
    }

    /// What a page of this origin may be told, if it is one of another site that may read answers.
    fn grant(&self, headers: &HeaderMap) -> Option<Grant> {
        let origin = headers.get(header::ORIGIN)?;
        let text = origin.to_str().ok()?.to_ascii_lowercase();
        if self.origins.contains(&text) {
            return Some(Grant { origin: origin.clone(), credentials: true });
        }
        if self.origins.iter().any(|known| known == "*") {
            return Some(Grant { origin: HeaderValue::from_static("*"), credentials: false });
        }
        // Whoever builds an app on this computer asks from another port of it.
        let (_, authority) = text.split_once("://")?;
        let here = headers.get(header::HOST)?.to_str().ok()?;
        let both = is_loopback(authority) && is_loopback(here);
        both.then(|| Grant { origin: origin.clone(), credentials: false })
    }

    /// Why a request with these headers is refused, if it is.
    fn refusal(&self, headers: &HeaderMap) -> Option<Status> {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"));
        let Some(host) = text(header::HOST) else {
            return Some(Status::new(Reason::BadRequest, "the request has no Host header"));
        };
        if !self.allows(host) {
            let message = format!("this server is not called {host:?}; allow the name to use it");
            return Some(Status::new(Reason::Forbidden, message).with_code("foreign-host"));
        }
        let origin = text(header::ORIGIN)?;
        let allowed = origin.split_once("://").is_some_and(|(scheme, authority)| {
            matches!(scheme, "http" | "https") && self.allows(authority)
        });
        let named = |known: &String| known == "*" || *known == origin.to_ascii_lowercase();
        if allowed || self.origins.iter().any(named) {
            return None;
        }
        let message = format!("pages of {origin:?} may not use this server");
        Some(Status::new(Reason::Forbidden, message).with_code("foreign-origin"))
    }
}

fn is_loopback(authority: &str) -> bool {
    host_of(authority).is_some_and(|host| {
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

/// The host in `host`, `host:port`, `[v6]` or `[v6]:port`.
fn host_of(authority: &str) -> Option<&str> {
    let is_port = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        let port = if port.is_empty() { port } else { port.strip_prefix(':')? };
        return is_port(port).then_some(host);
    }
    match authority.split_once(':') {
        Some((host, port)) => is_port(port).then_some(host),
        None => Some(authority),
    }
}

pub(super) async fn check(
    State(state): State<Arc<AppState>>,
    request: Request,
    next: Next,
) -> Response {
    let grant = state.hosts.grant(request.headers());
    let mut response = match state.hosts.refusal(request.headers()) {
        Some(status) => {
            tracing::warn!(code = status.details.code, "{}", status.message);
            return refuse(&status);
        }
        None => match &grant {
            Some(grant) if cors::is_preflight(&request) => {
                cors::preflight(grant, request.headers())
            }
            _ => next.run(request).await,
        },
    };
    if let Some(grant) = &grant {
        grant.tell(response.headers_mut());
    }
    cors::varies(response.headers_mut());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(hosts: &AllowedHosts, host: &str, origin: Option<&str>) -> u16 {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        hosts.refusal(&headers).map_or(200, |status| status.reason.code())
    }

    #[test]
    fn loopback_and_configured_names_pass_and_others_do_not() {
        let hosts = AllowedHosts::new(["Pocket.example", "[2001:db8::1]"]);
        for host in [
            "localhost:8000",
            "LOCALHOST",
            "127.0.0.1:8000",
            "127.9.9.9",
            "[::1]:80",
            "[::1]",
            "pocket.example:443",
            "[2001:db8::1]:8000",
        ] {
            assert_eq!(code(&hosts, host, None), 200, "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "evil@localhost",
            "localhost:80@evil",
            "10.0.0.1",
            "[::1",
            "[::1]x",
            "",
        ] {
            assert_eq!(code(&hosts, host, None), 403, "{host}");
        }
    }

    #[test]
    fn configured_origins_pass_and_are_no_host_names() {
        let hosts = AllowedHosts::default().with_origins(["https://App.example.com/"]);
        assert_eq!(code(&hosts, "localhost", Some("https://app.example.com")), 200);
        for origin in ["http://app.example.com", "https://app.example.com:444", "https://evil"] {
            assert_eq!(code(&hosts, "localhost", Some(origin)), 403, "{origin}");
        }
        assert_eq!(code(&hosts, "app.example.com", None), 403);
        let all = AllowedHosts::default().with_origins(["*"]);
        assert_eq!(code(&all, "localhost", Some("https://anything")), 200);
        assert_eq!(code(&all, "evil.example", None), 403);
    }

    #[test]
    fn only_origins_that_are_named_may_send_credentials() {
        let told = |hosts: &AllowedHosts, host: &str, origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            headers.insert(header::ORIGIN, origin.parse().unwrap());
            let grant = hosts.grant(&headers);
            grant.map(|grant| (grant.origin.to_str().unwrap().to_owned(), grant.credentials))
        };
        let app = "https://app.example.com";
        let named = AllowedHosts::new(["pocket.example"]).with_origins([app]);
        assert_eq!(told(&named, "pocket.example", app), Some((app.into(), true)));
        assert_eq!(told(&named, "pocket.example", "https://evil.example"), None);
        let page = "http://localhost:3000";
        assert_eq!(told(&named, "pocket.example", page), None);
        assert_eq!(told(&named, "127.0.0.1:8000", page), Some((page.into(), false)));
        let all = AllowedHosts::default().with_origins(["*"]);
        assert_eq!(told(&all, "localhost", app), Some(("*".into(), false)));
        let both = AllowedHosts::default().with_origins(["*", app]);
        assert_eq!(told(&both, "localhost", app), Some((app.into(), true)));
        assert_eq!(told(&both, "localhost", "https://evil.example"), Some(("*".into(), false)));
    }

    #[test]
    fn pages_of_others_are_refused() {
        let hosts = AllowedHosts::default();
        assert_eq!(code(&hosts, "localhost", Some("http://localhost:3000")), 200);
        for origin in ["https://evil.example", "null", "file://localhost", "http://localhost.evil"]
        {
            assert_eq!(code(&hosts, "localhost", Some(origin)), 403, "{origin}");
        }
    }
}
