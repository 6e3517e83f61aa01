//! The machines themselves: where they are, and what is wrong with them.

use axum::Json;
use axum::extract::State;

use super::serve::{Answered, Steered, bad, meaning, one, parse};
use super::{GuestView, Meant, Spoil};

const NOT_RUN: &str = "the machines of this simulator serve nothing";

pub(super) async fn list(State(control): State<Steered>) -> Answered<Vec<GuestView>> {
    Ok(Json(control.guests.as_ref().map(|guests| guests.list()).unwrap_or_default()))
}

pub(super) async fn spoil(State(control): State<Steered>, body: String) -> Answered<Meant> {
    let wanted: Spoil = parse(&body)?;
    let guests = control.guests.as_ref().ok_or_else(|| bad(NOT_RUN))?;
    let id = meaning(&control, &wanted.instance).await?;
    let found = match wanted.replace {
        true => guests.replace(id).map_err(|error| bad(error.to_string()))?,
        false => guests.spoil(id, wanted.fault),
    };
    if !found {
        return Err(bad(format!("{id} has no operating system yet, or none of ours")));
    }
    one(&control, id).await
}
