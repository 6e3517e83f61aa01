//! `/teams` and `/invitations`: who belongs to a namespace, as what.
//!
//! Decided by the same [`Authorizer`](crate::access::Authorizer) as everything: members see each
//! other, owners change them, and a team one does not belong to is not there.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::auth::{document, message};
use super::body::Body;
use super::caller::{Anyone, Caller, Person, accounts};
use super::problem::Problem;
use crate::access::{Attributes, Decision, Role, User};
use crate::accounts::NewAccount;
use crate::server::AppState;
use crate::teams::{NewInvitation, Teams};

type Answer = Result<Response, Problem>;

pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/teams", get(list).post(create))
        .route("/teams/{team}", get(show).put(rename).delete(end))
        .route("/teams/{team}/tier", put(set_tier))
        .route("/teams/{team}/members", get(members))
        .route("/teams/{team}/members/{who}", put(set_role).delete(remove))
        .route("/teams/{team}/leave", post(leave))
        .route("/teams/{team}/invitations", get(invitations).post(invite))
        .route("/teams/{team}/invitations/{id}", delete(revoke))
        .route("/teams/{team}/invitations/{id}/resend", post(resend))
        .route("/invitations/look", post(look))
        .route("/invitations/accept", post(accept))
}

/// Refuses what somebody may not do in a namespace; one that is not theirs is not there.
pub(super) fn may(
    state: &AppState,
    user: &User,
    verb: &str,
    resource: &str,
    namespace: &str,
) -> Result<(), Problem> {
    let asked = Attributes::within(verb, resource, namespace);
    match state.authorizer.authorize(user, &asked) {
        Decision::Allow | Decision::Within(_) => Ok(()),
        Decision::Hidden(namespace) => {
            Err(Problem::not_found(format!("there is no team {namespace:?}")))
        }
        Decision::Deny(why) => Err(Problem::new(StatusCode::FORBIDDEN, why)),
    }
}

fn teams(state: &AppState) -> Result<Teams, Problem> {
    Ok(Teams::new(accounts(state)?.clone()))
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

async fn list(State(state): State<Arc<AppState>>, caller: Caller) -> Answer {
    may(&state, &caller.user, "list", "teams", "")?;
    let whose = caller.user.account.filter(|_| !caller.user.is_admin());
    let mut teams = teams(&state)?.list(whose).await?;
    teams.retain(|team| may(&state, &caller.user, "get", "teams", &team.namespace).is_ok());
    document(StatusCode::OK, &teams)
}

async fn create(
    State(state): State<Arc<AppState>>,
    person: Person,
    Body(form): Body<Named>,
) -> Answer {
    may(&state, &person.user, "create", "teams", "")?;
    let narrowed = person.user.scope.as_deref().is_some_and(|scope| scope.namespace.is_some());
    if narrowed {
        let detail = "The token is for another namespace only";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    let made = teams(&state)?.create(person.id, &form.name, &person.origin).await?;
    document(StatusCode::CREATED, &made)
}

async fn show(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Path(team): Path<String>,
) -> Answer {
    may(&state, &caller.user, "get", "teams", &team)?;
    document(StatusCode::OK, &teams(&state)?.view(&team, caller.user.account).await?)
}

async fn rename(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Path(team): Path<String>,
    Body(form): Body<Named>,
) -> Answer {
    may(&state, &caller.user, "update", "teams", &team)?;
    let teams = teams(&state)?;
    teams.rename(&team, &form.name, &caller.origin).await?;
    document(StatusCode::OK, &teams.view(&team, caller.user.account).await?)
}

async fn end(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Path(team): Path<String>,
) -> Answer {
    may(&state, &caller.user, "delete", "teams", &team)?;
    teams(&state)?.delete(&team, &caller.origin).await?;
    message("The team has been deleted")
}

#[derive(Deserialize)]
struct Tier {
    tier: Option<String>,
}

async fn set_tier(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Path(team): Path<String>,
    Body(form): Body<Tier>,
) -> Answer {
    // As whoever may write the record of the namespace itself.
    let asked = Attributes {
        verb: "update".into(),
        version: "v1".into(),
        resource: "namespaces".into(),
        name: team.clone(),
        ..Attributes::default()
    };
    match state.authorizer.authorize(&caller.user, &asked) {
        Decision::Allow | Decision::Within(_) => {}
        Decision::Hidden(_) => {
            return Err(Problem::not_found(format!("there is no team {team:?}")));
        }
        Decision::Deny(why) => return Err(Problem::new(StatusCode::FORBIDDEN, why)),
    }
    let teams = teams(&state)?;
    teams.set_tier(&team, form.tier.as_deref(), &caller.origin).await?;
    document(StatusCode::OK, &teams.view(&team, caller.user.account).await?)
}

async fn members(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Path(team): Path<String>,
) -> Answer {
    may(&state, &caller.user, "list", "members", &team)?;
    document(StatusCode::OK, &teams(&state)?.members(&team).await?)
}

#[derive(Deserialize)]
struct WithRole {
    role: String,
}

async fn set_role(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Path((team, who)): Path<(String, String)>,
    Body(form): Body<WithRole>,
) -> Answer {
    may(&state, &caller.user, "update", "members", &team)?;
    let role: Role = form
        .role
        .parse()
        .map_err(|why: String| crate::accounts::AccountError::field("role", "unknown_role", why))?;
    document(StatusCode::OK, &teams(&state)?.set_role(&team, &who, role, &caller.origin).await?)
}

async fn remove(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Path((team, who)): Path<(String, String)>,
) -> Answer {
    may(&state, &caller.user, "delete", "members", &team)?;
    teams(&state)?.remove(&team, &who, &caller.origin).await?;
    message("The member has been removed")
}

async fn leave(
    State(state): State<Arc<AppState>>,
    person: Person,
    Path(team): Path<String>,
) -> Answer {
    // Whoever belongs may leave, whatever their role; a token that only looks may not.
    may(&state, &person.user, "get", "members", &team)?;
    let person = person.in_person()?;
    teams(&state)?.remove(&team, &person.id.to_string(), &person.origin).await?;
    message("You have left the team")
}

async fn invitations(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Path(team): Path<String>,
) -> Answer {
    may(&state, &caller.user, "list", "invitations", &team)?;
    document(StatusCode::OK, &teams(&state)?.invitations(&team).await?)
}

async fn invite(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Path(team): Path<String>,
    Body(form): Body<NewInvitation>,
) -> Answer {
    may(&state, &caller.user, "create", "invitations", &team)?;
    let by_admin = caller.user.is_admin();
    let made = teams(&state)?.invite(&team, &form, by_admin, &caller.origin).await?;
    document(StatusCode::CREATED, &made)
}

fn invitation(id: &str) -> Result<Uuid, Problem> {
    id.parse().map_err(|_| Problem::not_found("there is no such invitation"))
}

async fn revoke(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Path((team, id)): Path<(String, String)>,
) -> Answer {
    may(&state, &caller.user, "delete", "invitations", &team)?;
    teams(&state)?.revoke(&team, invitation(&id)?, &caller.origin).await?;
    message("The invitation has been revoked")
}

async fn resend(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Path((team, id)): Path<(String, String)>,
) -> Answer {
    may(&state, &caller.user, "update", "invitations", &team)?;
    document(StatusCode::OK, &teams(&state)?.resend(&team, invitation(&id)?, &caller.origin).await?)
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

/// What an invitation is about. POST, so that its code is in no address that gets logged.
async fn look(State(state): State<Arc<AppState>>, Body(form): Body<Code>) -> Answer {
    document(StatusCode::OK, &teams(&state)?.look(&form.code).await?)
}

/// Joins: who is signed in with their account, everybody else with a new one.
#[derive(Deserialize)]
struct Accept {
    code: String,
    #[serde(default)]
    username: String,
    /// Absent: the address that was invited.
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    full_name: String,
}

async fn accept(
    State(state): State<Arc<AppState>>,
    Anyone(origin): Anyone,
    headers: HeaderMap,
    Body(form): Body<Accept>,
) -> Answer {
    let teams = teams(&state)?;
    if headers.contains_key(header::AUTHORIZATION) {
        let user = crate::kube::authenticate(&state, &headers).await?;
        let Some(account) = user.account else {
            let detail = format!("{:?} is a token of the configuration, not an account", user.name);
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        };
        if user.scope.is_some() {
            let detail = "an API token does not do this; sign in to do it";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        let team = teams.join(account, &form.code, &origin.of(&user)).await?;
        return document(StatusCode::OK, &json!({"team": team}));
    }
    let new = NewAccount {
        username: form.username,
        email: form.email,
        password: form.password,
        full_name: form.full_name,
    };
    let (account, team) = teams.register(&new, &form.code, &origin).await?;
    let user = accounts(&state)?.view(&account);
    document(StatusCode::CREATED, &json!({"user": user, "team": team}))
}
