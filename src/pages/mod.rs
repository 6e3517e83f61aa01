//! The small pages that links in letters open: `/verify`, `/reset`, `/invite`, `/device`.
//!
//! # Guarantees
//! - Opening a page does nothing, however often a mail scanner or a preview does it: the server does
//!   not even learn the code. It stands behind the `#` of the link, which browsers keep to themselves,
//!   so it is in no log, no `Referer` and no history of a proxy. Pressing the button sends it, by
//!   `POST` to `/api/v1`, where every rule about it is.
//! - A page loads nothing but its own style and script from this server, runs no inline script, and
//!   cannot be shown inside another page.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use axum::routing::get;

use crate::server::AppState;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const STYLE_PATH: &str = "/pages/page.css";
const SCRIPT_PATH: &str = "/pages/page.js";

/// Their own files, answers of this server, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Which page a link opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// Proves an address.
    Verify,
    /// Sets a new password.
    Reset,
    /// Accepts an invitation, with a new account where there is none.
    Invite,
    /// Lets a command line in, by the code it shows.
    Device,
}

impl Page {
    pub const ALL: [Page; 4] = [Page::Verify, Page::Reset, Page::Invite, Page::Device];

    /// Where it is served.
    pub fn path(self) -> &'static str {
        match self {
            Page::Verify => "/verify",
            Page::Reset => "/reset",
            Page::Invite => "/invite",
            Page::Device => "/device",
        }
    }

    /// The link that opens it with a code. `code` is URL-safe, as our codes are.
    pub fn link(self, public_url: &str, code: &str) -> String {
        format!("{}{}#{code}", public_url.trim_end_matches('/'), self.path())
    }

    fn document(self) -> &'static str {
        match self {
            Page::Verify => include_str!("verify.html"),
            Page::Reset => include_str!("reset.html"),
            Page::Invite => include_str!("invite.html"),
            Page::Device => include_str!("device.html"),
        }
    }
}

/// The pages and their files.
pub fn router() -> Router<Arc<AppState>> {
    let mut router = Router::new()
        .route(STYLE_PATH, get(|| async { file("text/css; charset=utf-8", STYLE) }))
        .route(SCRIPT_PATH, get(|| async { file("text/javascript; charset=utf-8", SCRIPT) }));
    for page in Page::ALL {
        let document = page.document();
        let serve = move || async move { file("text/html; charset=utf-8", document) };
        router = router.route(page.path(), get(serve));
    }
    router
}

fn file(content_type: &'static str, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::CONTENT_TYPE, content_type);
    set(header::CACHE_CONTROL, "no-store");
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::REFERRER_POLICY, "no-referrer");
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_load_their_own_files_only_and_run_nothing_inline() {
        for page in Page::ALL {
            let text = page.document();
            let count = |part: &str| text.matches(part).count();
            assert_eq!((count("src="), count("href=")), (1, 2), "{page:?}");
            assert!(text.contains(SCRIPT_PATH) && text.contains(STYLE_PATH), "{page:?}");
            for inline in ["<style", " style=", "onclick", "onload", "javascript:", "http"] {
                assert!(!text.contains(inline), "{page:?}: {inline}");
            }
            assert!(text.contains("width=device-width"), "{page:?}");
            let word = page.path().trim_start_matches('/');
            assert!(text.contains(&format!("data-page=\"{word}\"")) && SCRIPT.contains(word));
        }
    }

    #[test]
    fn a_code_stands_where_no_log_sees_it() {
        let link = Page::Reset.link("https://dev.example.com/", "c0de_-");
        assert_eq!(link, "https://dev.example.com/reset#c0de_-");
    }
}
