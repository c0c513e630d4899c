//! Instance actions and their events over HTTP.

use ::store::Tx;
use policy::Target;
use rest::{Reply, Request, Routes};
use serde_json::{Value as Json, json};
use types::Timestamp;

use super::{Action, Event, ops};
use crate::policy::RULES;
use crate::{Error, body, links, microversion, server};

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/servers/{id}/os-instance-actions", list)
        .get("/servers/{id}/os-instance-actions/{request_id}", show)
}

fn view(action: &Action, request: &Request) -> Json {
    let mut view = json!({
        "action": action.action,
        "instance_uuid": action.server_id.to_string(),
        "request_id": action.request_id,
        "user_id": action.user_id,
        "project_id": action.project_id,
        "start_time": action.started_at.iso_micros(),
        "message": action.message,
    });
    if request.version >= microversion::ACTION_PAGES {
        view["updated_at"] = json!(action.updated_at.iso_micros());
    }
    view
}

fn event_view(event: &Event, action: &Action, request: &Request) -> Json {
    let project = Target::project(&action.project_id);
    let operator = RULES.allows("os_compute_api:os-instance-actions:events", request.caller(), &project);
    let mut view = json!({
        "event": event.event,
        "start_time": event.started_at.iso_micros(),
        "finish_time": event.finished_at.map(Timestamp::iso_micros),
        "result": event.success.map(|success| if success { "Success" } else { "Error" }),
    });
    if operator {
        view["traceback"] = Json::Null;
    }
    if request.version >= microversion::EVENT_HOST {
        let host_id = event.host.as_ref().map(|host| server::host_id(host, &action.project_id));
        view["hostId"] = json!(host_id.unwrap_or_default());
        if operator {
            view["host"] = json!(event.host);
        }
    }
    if request.version >= microversion::EVENT_DETAILS {
        view["details"] = json!(event.details);
    }
    view
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut actions = ops::list(request.caller(), tx, request.param("id"))?;
    if request.version < microversion::ACTION_PAGES {
        let views: Vec<Json> = actions.iter().map(|action| view(action, request)).collect();
        return Ok(Reply::ok(json!({"instanceActions": views})));
    }
    body::only_queries(request, &["limit", "marker", "changes-since", "changes-before"])?;
    if let Some(since) = body::time(request, "changes-since")? {
        actions.retain(|action| action.updated_at >= since);
    }
    if let Some(before) = body::time(request, "changes-before")? {
        actions.retain(|action| action.updated_at <= before);
    }
    let actions = links::cut(actions, &links::page(request)?, |action| &action.request_id)?;
    let views: Vec<Json> = actions.iter().map(|action| view(action, request)).collect();
    let mut answer = json!({"instanceActions": views});
    let path = format!("servers/{}/os-instance-actions", request.param("id"));
    let last = actions.last().map(|action| action.request_id.as_str());
    if let Some(next) = links::next(request, &path, actions.len(), last) {
        answer["links"] = next;
    }
    Ok(Reply::ok(answer))
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let action = ops::show(request.caller(), tx, request.param("id"), request.param("request_id"))?;
    let mut view = view(&action, request);
    let target = Target::project(&action.project_id);
    let operator = RULES.allows("os_compute_api:os-instance-actions:events", request.caller(), &target);
    if operator || request.version >= microversion::EVENTS {
        // Upstream shows the newest first.
        let events = action.events.iter().rev().map(|event| event_view(event, &action, request));
        view["events"] = json!(events.collect::<Vec<_>>());
    }
    Ok(Reply::ok(json!({"instanceAction": view})))
}
