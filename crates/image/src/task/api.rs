//! Tasks over HTTP.

use std::sync::Arc;

use rest::{Fields, Reply, Request, Routes};
use serde_json::{Map, Value as Json, json};
use store::{Condition, Direction, Tx};

use super::ops::{self, TaskList};
use super::store::SORTABLE;
use super::{Method, Task, TaskKind, TaskStatus};
use crate::Shared;
use crate::api::{LIMIT_DEFAULT, limit, link};
use crate::error::Error;
use crate::image::api::{draft_of, image_id};
use crate::import;

/// Where tasks are, as clients are told.
const PATH: &str = "/v2/tasks";
/// Every kind of task that there is upstream.
const KINDS: [&str; 3] = ["import", "api_image_import", "location_import"];

/// The routes of tasks.
pub(crate) fn routes(shared: &Arc<Shared>) -> Routes {
    let creating = shared.clone();
    Routes::new()
        .get("/v2/tasks", index)
        .post("/v2/tasks", move |request, tx| create(&creating, request, tx))
        .get("/v2/tasks/{task}", show)
        .delete("/v2/tasks/{task}", delete)
        .get("/v2/images/{id}/tasks", of_image)
}

/// What was asked for, as it was said.
fn input(task: &Task) -> Json {
    if let TaskKind::Import { format, properties } = &task.kind {
        let Method::WebDownload { uri } = &task.import.method else { return Json::Null };
        let properties: Map<String, Json> =
            properties.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
        return json!({"import_from": uri, "import_from_format": format, "image_properties": properties});
    }
    let mut method = json!({"name": task.import.method.as_str()});
    if let Method::WebDownload { uri } = &task.import.method {
        method["uri"] = uri.as_str().into();
    }
    let asked = &task.import.asked;
    let mut said = json!({"method": method});
    if let Some(stores) = &asked.stores {
        said["stores"] = json!(stores);
    }
    if let Some(all) = asked.all_stores {
        said["all_stores"] = all.into();
    }
    if let Some(must) = asked.all_stores_must_succeed {
        said["all_stores_must_succeed"] = must.into();
    }
    json!({"image_id": task.image_id, "import_req": said, "backend": task.import.stores})
}

fn result(task: &Task) -> Json {
    match task.status {
        TaskStatus::Success => json!({"image_id": task.image_id}),
        TaskStatus::Pending | TaskStatus::Processing | TaskStatus::Failure => Json::Null,
    }
}

fn stub(task: &Task) -> Json {
    let mut view = json!({
        "id": task.id.0,
        "type": task.kind.as_str(),
        "status": task.status.as_str(),
        "owner": task.owner,
        "created_at": task.created_at.iso_z(),
        "updated_at": task.updated_at.iso_z(),
        "self": format!("/v2/tasks/{}", task.id.0),
        "schema": "/v2/schemas/task",
    });
    if let Some(expires) = task.expires_at {
        view["expires_at"] = expires.iso_z().into();
    }
    view
}

fn view(task: &Task) -> Json {
    let mut view = stub(task);
    view["input"] = input(task);
    view["result"] = result(task);
    view["message"] = task.message.as_str().into();
    view["image_id"] = json!(task.image_id);
    view["user_id"] = json!(task.user_id);
    view["request_id"] = task.request_id.as_str().into();
    view
}

/// A task among those of an image, as it is in the database upstream.
fn row(task: &Task) -> Json {
    let mut view = view(task);
    view["created_at"] = task.created_at.iso_micros().into();
    view["updated_at"] = task.updated_at.iso_micros().into();
    view["expires_at"] = json!(task.expires_at.map(|expires| expires.iso_micros()));
    view["deleted"] = false.into();
    view["deleted_at"] = Json::Null;
    if let Some(fields) = view.as_object_mut() {
        fields.remove("self");
        fields.remove("schema");
    }
    view
}

fn index(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::check_access(request.caller())?;
    let list = query(request)?;
    let limit = list.limit;
    let tasks = ops::list(request.caller(), tx, list)?;
    let mut body = json!({
        "tasks": tasks.iter().map(|task| stub(task)).collect::<Vec<_>>(),
        "first": link(request, PATH, None),
        "schema": "/v2/schemas/tasks",
    });
    if let Some(last) = tasks.last().filter(|_| tasks.len() == limit as usize) {
        body["next"] = link(request, PATH, Some(&last.id.0)).into();
    }
    Ok(Reply::ok(body))
}

fn query(request: &Request) -> Result<TaskList, Error> {
    let invalid = |text: String| Error::Invalid(text);
    let asked = |name: &str| request.query(name).filter(|value| !value.is_empty());
    let direction = match request.query("sort_dir") {
        None | Some("desc") => Direction::Desc,
        Some("asc") => Direction::Asc,
        Some(other) => return Err(invalid(format!("Invalid sort direction: {other}"))),
    };
    let key = request.query("sort_key").unwrap_or("created_at");
    let known = SORTABLE.iter().find(|(name, _)| *name == key);
    let (_, sort) = known.ok_or_else(|| invalid(format!("Sort key supplied was not valid: {key}")))?;
    let limit = limit(request)?.unwrap_or(LIMIT_DEFAULT);
    let marker = asked("marker").map(str::to_owned);
    if marker.as_ref().is_some_and(|marker| marker.parse::<types::ImageId>().is_err()) {
        return Err(invalid("Invalid marker format".to_owned()));
    }
    let mut conditions = Vec::new();
    if let Some(status) = asked("status") {
        if !["pending", "processing", "success", "failure"].contains(&status) {
            return Err(invalid(format!("Invalid status value: {status}")));
        }
        conditions.push(Condition::Eq("status", status.into()));
    }
    if let Some(kind) = asked("type") {
        if kind != "import" {
            return Err(invalid(format!("Invalid type value: {kind}")));
        }
        conditions.push(Condition::Eq("kind", kind.into()));
    }
    Ok(TaskList { conditions, sort, direction, marker, limit })
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    Ok(Reply::ok(view(&*ops::show(request.caller(), tx, request.param("task"))?)))
}

fn delete(request: &Request, _tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller())?;
    Ok(Reply::empty(204))
}

fn of_image(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let tasks = ops::of_image(request.caller(), tx, image_id(request)?)?;
    Ok(Reply::ok(json!({"tasks": tasks.iter().map(|task| row(task)).collect::<Vec<_>>()})))
}

/// The older way to import: a task that makes the image too.
fn create(shared: &Shared, request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::check_access(request.caller())?;
    let invalid = |text: &str| Error::Invalid(text.to_owned());
    let json = request.json().map_err(|_| invalid("Malformed JSON in request body."))?;
    let mut fields = Fields::new("", json)?;
    for name in ["type", "input"] {
        if !fields.has(name) {
            return Err(Error::Invalid(format!("Task '{name}' is required")));
        }
    }
    let kind = fields.required_text("type")?;
    if !KINDS.contains(&kind.as_str()) {
        let text =
            format!("Provided object does not match schema 'task': type is not one of {}", KINDS.join(", "));
        return Err(Error::Invalid(text));
    }
    if kind != "import" {
        return Err(Error::Invalid(format!("A task of type {kind} is made by an image's own import.")));
    }
    let mut input = fields.object("input")?.ok_or_else(|| invalid("Task 'input' is required"))?;
    let mut needed = |name: &str| {
        let text = input.text(name)?;
        text.ok_or_else(|| Error::Invalid(format!("Input does not contain '{name}' field")))
    };
    let (uri, format) = (needed("import_from")?, needed("import_from_format")?);
    let properties = input.take("image_properties");
    let properties = properties.ok_or_else(|| invalid("Input does not contain 'image_properties' field"))?;
    let said = properties.as_object().cloned().unwrap_or_default();
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let kept = said.iter().map(|(key, value)| (key.clone(), text(value))).collect();
    let draft = draft_of(properties)?;
    let kind = TaskKind::Import { format, properties: kept };
    let task = import::ops::start_new(request, tx, shared, draft, (kind, uri))?;
    let location = format!("{}/v2/tasks/{}", request.base_url, task.id.0);
    Ok(Reply::created(view(&task)).header("location", location))
}
