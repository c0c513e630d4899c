//! Keeping the record.

use ::store::{Stored, Tx};
use policy::{Caller, Target};
use types::{HostId, ServerId};

use super::store::ACTIONS;
use super::{Action, Event, store};
use crate::policy::RULES;
use crate::server::{Asked, Server};
use crate::{Error, server};

/// Notes that an action was asked for, with the event that does it; returns the action's id.
pub(crate) fn begin(
    tx: &mut Tx<'_>,
    asked: &Asked<'_>,
    server: &Server,
    action: &str,
    event: &str,
) -> Result<String, Error> {
    let now = tx.now();
    let id = runtime::new_uuid().to_string();
    let doing = Event {
        event: event.to_owned(),
        started_at: now,
        finished_at: None,
        success: None,
        host: server.host.clone(),
        details: None,
    };
    let action = Action {
        id: id.clone(),
        server_id: server.id,
        action: action.to_owned(),
        request_id: asked.request_id.to_owned(),
        user_id: asked.caller.user_id.clone(),
        project_id: asked.caller.project_id().unwrap_or(&server.project_id).clone(),
        started_at: now,
        updated_at: now,
        message: None,
        events: vec![doing],
    };
    ACTIONS.insert(tx, action)?;
    Ok(id)
}

/// Notes that an action's own event ended; `failed` says why if it did.
pub(crate) fn finish(
    tx: &mut Tx<'_>,
    id: Option<&str>,
    host: Option<&HostId>,
    failed: Option<&str>,
) -> Result<(), Error> {
    let now = tx.now();
    let Some(id) = id else { return Ok(()) };
    let Some(mut action) = ACTIONS.load(tx, id)? else { return Ok(()) };
    if let Some(event) = action.events.iter_mut().find(|event| event.finished_at.is_none()) {
        event.finished_at = Some(now);
        event.success = Some(failed.is_none());
        event.host = host.cloned();
        event.details = failed.map(str::to_owned);
    }
    if failed.is_some() {
        action.message = Some("Error".to_owned());
    }
    action.updated_at = now;
    Ok(ACTIONS.save(tx, &mut action)?)
}

/// Adds what is not there yet: an event is known by its name and the time that it began.
pub(crate) fn note(tx: &mut Tx<'_>, id: Option<&str>, events: Vec<Event>) -> Result<(), Error> {
    let Some(id) = id else { return Ok(()) };
    if events.is_empty() {
        return Ok(());
    }
    let Some(mut action) = ACTIONS.load(tx, id)? else { return Ok(()) };
    let known = |action: &Action, event: &Event| {
        action.events.iter().any(|e| e.event == event.event && e.started_at == event.started_at)
    };
    let fresh: Vec<Event> = events.into_iter().filter(|event| !known(&action, event)).collect();
    if fresh.is_empty() {
        return Ok(());
    }
    action.events.extend(fresh);
    action.updated_at = tx.now();
    Ok(ACTIONS.save(tx, &mut action)?)
}

/// Forgets the actions of a server that is gone.
pub(crate) fn remove_all(tx: &mut Tx<'_>, id: ServerId) -> Result<(), Error> {
    for action in store::of_server(tx, id)? {
        ACTIONS.remove(tx, &action)?;
    }
    Ok(())
}

/// A server's actions, newest first.
pub(super) fn list(caller: &Caller, tx: &mut Tx<'_>, server_id: &str) -> Result<Vec<Stored<Action>>, Error> {
    let server = server::load(caller, tx, server_id)?;
    RULES.check("os_compute_api:os-instance-actions:list", caller, &Target::project(&server.project_id))?;
    Ok(store::of_server(tx, server.id)?)
}

/// The action that a request asked of a server.
pub(super) fn show(
    caller: &Caller,
    tx: &mut Tx<'_>,
    server_id: &str,
    request_id: &str,
) -> Result<Stored<Action>, Error> {
    let server = server::load(caller, tx, server_id)?;
    RULES.check("os_compute_api:os-instance-actions:show", caller, &Target::project(&server.project_id))?;
    let mut actions = store::of_server(tx, server.id)?;
    let at = actions.iter().position(|action| action.request_id == request_id);
    let missing =
        || Error::NotFound(format!("Action for request_id {request_id} on instance {server_id} not found"));
    at.map(|at| actions.swap_remove(at)).ok_or_else(missing)
}
