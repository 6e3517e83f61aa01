//! One request, taken apart.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use devpocket_specs::admit::Actor;
use devpocket_specs::kind::Kind;
use devpocket_specs::status::Status;

use super::accept::Form;
use super::body::{self, Document};
use super::params::Params;
use super::path::{Part, ResourcePath};
use super::secrets::Reveal;
use super::shape::Shape;
use crate::access::{Attributes, User};
use crate::server::{AppState, ClientAddress, RequestId};

/// Characters of the `User-Agent` taken as field manager; Kubernetes' limit.
const AGENT_CHARS: usize = 128;

/// A request whose sender is known.
pub(super) struct Call {
    pub state: Arc<AppState>,
    pub user: User,
    /// What the request asks for, as it was authorized.
    pub asked: Attributes,
    /// Where it may be done, if not everywhere: what lies elsewhere is left out.
    pub within: Option<Arc<BTreeSet<String>>>,
    pub method: Method,
    pub params: Params,
    pub headers: HeaderMap,
    pub actor: Actor,
    /// How the answer shows objects.
    pub shape: Shape,
    /// Empty until the request is authorized.
    pub body: Bytes,
}

impl Call {
    pub(super) fn new(state: Arc<AppState>, user: User, parts: Parts) -> Result<Call, Status> {
        let params = Params::read(&parts.uri)?;
        let request_id =
            parts.extensions.get::<RequestId>().map_or(String::new(), |id| id.0.clone());
        let address = parts.extensions.get::<ClientAddress>().map(ToString::to_string);
        let manager = if params.field_manager.is_empty() {
            agent(&parts.headers)
        } else {
            params.field_manager.clone()
        };
        // What an admin declares for others, or for themselves, no tier limits.
        let account = user.account.filter(|_| !user.is_admin());
        let actor = Actor { user: user.name.clone(), account, manager, address, request_id };
        let Parts { method, headers, .. } = parts;
        let shape = Shape {
            form: Form::Whole,
            include: params.include_object,
            new_events: false,
            reveal: Reveal::Nothing,
            sealer: state.sealer.clone(),
            clock: state.clock.clone(),
        };
        Ok(Call {
            state,
            user,
            asked: Attributes::default(),
            within: None,
            method,
            params,
            headers,
            actor,
            shape,
            body: Bytes::new(),
        })
    }

    /// Reads how the answer shall show the objects of this path.
    pub(super) fn shape_for(&mut self, resource: &ResourcePath) -> Result<(), Status> {
        if matches!(resource.part, None | Some(Part::Status)) {
            self.shape.form = Form::asked(&self.headers)?;
        }
        self.shape.new_events = resource.new_events;
        if resource.kind == Kind::Secret {
            let decision = self.state.authorizer.authorize(&self.user, &self.revealing());
            self.shape.reveal = Reveal::of(decision);
        }
        Ok(())
    }

    /// Asks for the values of the secrets this request is about.
    pub(super) fn revealing(&self) -> Attributes {
        Attributes { verb: "reveal".to_owned(), subresource: String::new(), ..self.asked.clone() }
    }

    /// What an answer that stays open rests on.
    pub(super) fn rests_on(&self, kind: Kind) -> Vec<Attributes> {
        let mut asked = vec![self.asked.clone()];
        if kind == Kind::Secret {
            asked.push(self.revealing());
        }
        asked
    }

    /// The body as a document.
    pub(super) fn document(&self) -> Result<Document, Status> {
        body::object(&body::media_type(&self.headers), &self.body)
    }
}

/// The field manager of a client that names none: its `User-Agent` up to the first slash, as
/// Kubernetes does it.
fn agent(headers: &HeaderMap) -> String {
    let text = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let prefix = text.unwrap_or_default().split('/').next().unwrap_or_default().trim();
    let prefix: String = prefix.chars().take(AGENT_CHARS).collect();
    if prefix.is_empty() { "unknown".into() } else { prefix }
}
