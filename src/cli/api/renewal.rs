//! Going on after a token has run out, without asking the person again.
//!
//! The new tokens are kept before they are used: a refresh token that is used is the end of the one
//! before. Several calls of the program at the same time renew one after the other, and whoever
//! finds that another one has done it takes what that one got.

use std::fs::{self, File};
use std::path::PathBuf;

use futures::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{Api, ApiError};
use crate::contabo::Sensitive;
use crate::context::{ContextError, Contexts};

/// What a token of a context is renewed with, and where it is kept.
#[derive(Debug)]
pub struct Renewal {
    file: PathBuf,
    context: String,
    refresh: Mutex<Sensitive>,
}

impl Renewal {
    pub fn new(file: PathBuf, context: &str, refresh: Sensitive) -> Renewal {
        Renewal { file, context: context.to_owned(), refresh: Mutex::new(refresh) }
    }

    /// Held by one call of the program at a time; goes with the file that is returned.
    async fn alone(&self) -> std::io::Result<File> {
        let path = self.file.with_extension("lock");
        let lock = tokio::task::spawn_blocking(move || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let file = File::options().create(true).truncate(false).write(true).open(path)?;
            file.lock().map(|()| file)
        });
        lock.await.map_err(std::io::Error::other)?
    }
}

impl Api {
    /// The answer with a new token; none where there is none to be had.
    pub(super) async fn renewed(
        &self,
        request: RequestBuilder,
    ) -> Result<Option<Response>, ApiError> {
        let Some(renewal) = &self.renewal else { return Ok(None) };
        let kept = |error: &dyn std::fmt::Display| ApiError::NotKept { problem: error.to_string() };
        let mut refresh = renewal.refresh.lock().await;
        let _alone = renewal.alone().await.map_err(|error| kept(&error))?;
        let mut contexts = Contexts::load(&renewal.file).map_err(|error| kept(&error))?;
        let Some(context) = contexts.contexts.get_mut(&renewal.context) else { return Ok(None) };
        let fresh = match &context.refresh {
            // Another call has done it meanwhile.
            Some(known) if known.reveal() != refresh.reveal() => {
                refresh.clone_from(known);
                context.token.clone()
            }
            _ => {
                let Some((token, next)) = self.ask_anew(&refresh).await? else { return Ok(None) };
                (context.token, context.refresh) = (token.clone(), Some(next.clone()));
                let saved: Result<(), ContextError> = contexts.save(&renewal.file);
                saved.map_err(|error| kept(&error))?;
                *refresh = next;
                token
            }
        };
        *self.token.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(fresh.clone());
        let mut request = request.build().map_err(|error| ApiError::cut(&self.server, &error))?;
        let bearer = HeaderValue::from_str(&format!("Bearer {}", fresh.reveal()));
        let bearer = bearer.map_err(|_| self.foreign("a token that fits into no header"))?;
        request.headers_mut().insert(AUTHORIZATION, bearer);
        let answer = self.http.execute(request).await;
        answer.map(Some).map_err(|error| ApiError::cut(&self.server, &error))
    }

    /// A new access and refresh token, if the old one is still good. Boxed, since asking may lead
    /// here again as far as the compiler knows.
    fn ask_anew<'a>(
        &'a self,
        refresh: &'a Sensitive,
    ) -> BoxFuture<'a, Result<Option<(Sensitive, Sensitive)>, ApiError>> {
        Box::pin(async move {
            let nobody = Api { token: Default::default(), renewal: None, ..self.clone() };
            let body = json!({"refresh_token": refresh.reveal()});
            let answer = nobody.rest_answer(Method::POST, "/auth/refresh", Some(&body)).await;
            let (code, _, value) = answer?;
            let text = |value: &Value| value.as_str().map(Sensitive::new);
            let tokens = text(&value["access_token"]).zip(text(&value["refresh_token"]));
            Ok(tokens.filter(|_| code.is_success()))
        })
    }
}
