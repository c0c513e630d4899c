//! `/v3/projects`.

use rest::{Fields, InvalidBody, Method, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::DomainId;

use super::model::{Project, ProjectChange, ProjectDraft, ProjectFilter, TagFilter, Tree};
use super::{ops, tree};
use crate::Error;
use crate::api::{
    Filters, Kind, asked, extra, filter_of, filtered, flag, flag_of, links, name, required_name, with_extra,
};
use crate::immutable;
use crate::limit;

const NAME_MAX: usize = 64;
const FILTERS: Filters = &[
    ("domain_id", Kind::Id),
    ("enabled", Kind::Flag),
    ("name", Kind::Name(NAME_MAX)),
    ("parent_id", Kind::Id),
    ("is_domain", Kind::Flag),
];
const FILTERS_OF_USER: Filters = &[("domain_id", Kind::Text), ("enabled", Kind::Text), ("name", Kind::Text)];

pub(crate) fn routes() -> Routes {
    let tags = "/v3/projects/{project_id}/tags";
    let tag = "/v3/projects/{project_id}/tags/{value}";
    Routes::new()
        .get("/v3/projects", list)
        .post("/v3/projects", create)
        .get("/v3/projects/{project_id}", show)
        .patch("/v3/projects/{project_id}", update)
        .delete("/v3/projects/{project_id}", delete)
        .get("/v3/users/{user_id}/projects", list_of_user)
        .get(tags, list_tags)
        .put(tags, replace_tags)
        .write(Method::DELETE, tags, delete_tags)
        .get(tag, check_tag)
        .put(tag, add_tag)
        .write(Method::DELETE, tag, delete_tag)
}

fn filter(request: &Request) -> ProjectFilter {
    let tags = |name: &str| {
        let list = filter_of(request, name)?;
        Some(list.split(',').map(str::to_owned).collect())
    };
    ProjectFilter {
        domain_id: filter_of(request, "domain_id").map(DomainId),
        parent_id: filter_of(request, "parent_id"),
        name: filter_of(request, "name"),
        enabled: flag_of(request, "enabled"),
        is_domain: flag_of(request, "is_domain").unwrap_or(false),
        tags: TagFilter {
            all: tags("tags"),
            any: tags("tags-any"),
            not_all: tags("not-tags"),
            not_any: tags("not-tags-any"),
        },
    }
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let projects = ops::list(request.caller(), tx, &filter(request))?;
    filtered(request, "projects", FILTERS, views(request, &projects))
}

fn list_of_user(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let projects = ops::list_of_user(request.caller(), tx, request.param("user_id"))?;
    filtered(request, "projects", FILTERS_OF_USER, views(request, &projects))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("project")?;
    let draft = ProjectDraft {
        domain_id: id(&mut fields, "domain_id")?.flatten().map(DomainId),
        parent_id: id(&mut fields, "parent_id")?.flatten(),
        name: required_name(&mut fields, "name", NAME_MAX)?,
        description: fields.nullable_text("description")?.unwrap_or_else(|| Some(String::new())),
        enabled: flag(&mut fields, "enabled")?.unwrap_or(true),
        is_domain: flag(&mut fields, "is_domain")?.unwrap_or(false),
        tags: fields.texts("tags")?.unwrap_or_default(),
        immutable: immutable::option(&mut fields)?.flatten(),
        extra: extra(fields),
    };
    let project = ops::create(request.caller(), tx, draft)?;
    Ok(Reply::created(json!({"project": view(request, &project)})))
}

/// Takes an id, which may be null.
fn id(fields: &mut Fields, name: &str) -> Result<Option<Option<String>>, InvalidBody> {
    let id = fields.nullable_text(name)?;
    let fits = |id: &String| {
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    match id.iter().flatten().all(fits) {
        true => Ok(id),
        false => Err(fields.error(name, "is not an id")),
    }
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let project = ops::show(request.caller(), tx, request.param("project_id"))?;
    let mut shown = view(request, &project);
    if let Some(parents) = parents(request, tx, &project)? {
        shown["parents"] = parents;
    }
    if let Some(subtree) = subtree(request, tx, &project)? {
        shown["subtree"] = subtree;
    }
    Ok(Reply::ok(json!({"project": shown})))
}

/// Refuses to show one thing in two ways. Tells whether it is asked for as a list, and whether as ids.
fn ways(request: &Request, thing: &str) -> Result<(bool, bool), Error> {
    let (list, ids) = (format!("{thing}_as_list"), format!("{thing}_as_ids"));
    let ways = (asked(request, &list), asked(request, &ids));
    match ways {
        (true, true) => {
            Err(Error::Invalid(format!("Cannot use {list} and {ids} query params at the same time.")))
        }
        ways => Ok(ways),
    }
}

fn parents(request: &Request, tx: &mut Tx<'_>, project: &Project) -> Result<Option<Json>, Error> {
    Ok(match ways(request, "parents")? {
        (true, _) => {
            let parents = tree::parents(tx, project)?;
            Some(own_views(request, tx, parents)?)
        }
        (_, true) => {
            let parents = tree::parents(tx, project)?;
            Some(tree_view(&Tree::line(parents.iter().map(|parent| parent.id.as_str()))))
        }
        (false, false) => None,
    })
}

fn subtree(request: &Request, tx: &mut Tx<'_>, project: &Project) -> Result<Option<Json>, Error> {
    Ok(match ways(request, "subtree")? {
        (true, _) => {
            let below = tree::descendants(tx, project)?;
            Some(own_views(request, tx, below)?)
        }
        (_, true) => {
            let below = tree::descendants(tx, project)?;
            Some(tree_view(&Tree::below(project.id.as_str(), &below)))
        }
        (false, false) => None,
    })
}

/// Those in which the caller's user has a role, in the form that `{"project": …}` has, with their limits if they are
/// asked for.
fn own_views(request: &Request, tx: &mut Tx<'_>, projects: Vec<Project>) -> Result<Json, Error> {
    let own = tree::own(request.caller(), tx, projects)?;
    let mut views = Vec::with_capacity(own.len());
    for project in &own {
        let mut shown = view(request, project);
        if asked(request, "include_limits") {
            let limits = limit::ops::of_project(tx, &project.id)?;
            shown["limits"] = limits.iter().map(|limit| limit::api::view(request, limit)).collect();
        }
        views.push(json!({"project": shown}));
    }
    Ok(Json::Array(views))
}

/// Nothing is null, as upstream.
fn tree_view(tree: &Tree) -> Json {
    if tree.0.is_empty() {
        return Json::Null;
    }
    Json::Object(tree.0.iter().map(|(id, below)| (id.clone(), tree_view(below))).collect())
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = request.param("project_id");
    let mut fields = request.fields("project")?;
    if fields.take("id").is_some_and(|other| other != id) {
        return Err(Error::Invalid("Cannot change ID".to_owned()));
    }
    let change = ProjectChange {
        domain_id: fields.nullable_text("domain_id")?,
        parent_id: fields.nullable_text("parent_id")?,
        is_domain: flag(&mut fields, "is_domain")?,
        name: name(&mut fields, "name", NAME_MAX)?,
        description: fields.nullable_text("description")?,
        enabled: flag(&mut fields, "enabled")?,
        tags: fields.texts("tags")?,
        immutable: immutable::option(&mut fields)?,
        extra: extra(fields),
    };
    let project = ops::update(request.caller(), tx, id, change)?;
    let mut shown = view(request, &project);
    // Upstream shows these fields a second time here, and only here.
    shown["extra"] = Json::Object(project.extra);
    Ok(Reply::ok(json!({"project": shown})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("project_id"))?;
    Ok(Reply::empty(204))
}

fn tags_view(request: &Request, tags: &[String]) -> Json {
    json!({"tags": tags, "links": links(request, &format!("projects/{}/tags", request.param("project_id")))})
}

fn list_tags(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let id = request.param("project_id");
    let tags = ops::show_tags(request.caller(), tx, "identity:list_project_tags", id)?;
    Ok(Reply::ok(tags_view(request, &tags)))
}

fn replace_tags(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = rest::Fields::new("", request.json()?)?;
    let tags = fields.texts("tags")?.ok_or_else(|| fields.error("tags", "is required"))?;
    let at = ("identity:update_project_tags", request.param("project_id"));
    let tags = ops::update_tags(request.caller(), tx, at, |_| Ok(tags))?;
    Ok(Reply::ok(tags_view(request, &tags)))
}

fn delete_tags(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let at = ("identity:delete_project_tags", request.param("project_id"));
    ops::update_tags(request.caller(), tx, at, |_| Ok(Vec::new()))?;
    Ok(Reply::empty(204))
}

fn check_tag(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let tag = request.param("value");
    let id = request.param("project_id");
    let tags = ops::show_tags(request.caller(), tx, "identity:get_project_tag", id)?;
    match tags.iter().any(|known| known == tag) {
        true => Ok(Reply::empty(204)),
        false => Err(Error::not_found("project tag", tag)),
    }
}

fn add_tag(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (id, tag) = (request.param("project_id"), request.param("value"));
    ops::update_tags(request.caller(), tx, ("identity:create_project_tag", id), |mut tags| {
        tags.push(tag.to_owned());
        Ok(tags)
    })?;
    let place = format!("{}/v3/projects/{id}/tags/{tag}", request.base_url);
    Ok(Reply::empty(201).header("location", place))
}

fn delete_tag(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let (id, tag) = (request.param("project_id"), request.param("value"));
    ops::update_tags(request.caller(), tx, ("identity:delete_project_tag", id), |mut tags| {
        let at = tags.iter().position(|known| known == tag);
        tags.remove(at.ok_or_else(|| Error::not_found("project tag", tag))?);
        Ok(tags)
    })?;
    Ok(Reply::empty(204))
}

fn views(request: &Request, projects: &[Project]) -> Vec<Json> {
    projects.iter().map(|project| view(request, project)).collect()
}

/// A project.
pub(crate) fn view(request: &Request, project: &Project) -> Json {
    with_extra(
        &project.extra,
        json!({
            "id": project.id.as_str(),
            "name": project.name,
            "domain_id": if project.is_domain { None } else { Some(project.domain_id.as_str()) },
            "parent_id": project.above(),
            "description": project.description,
            "enabled": project.enabled,
            "is_domain": project.is_domain,
            "tags": project.tags,
            "options": immutable::view(project.immutable),
            "links": links(request, &format!("projects/{}", project.id)),
        }),
    )
}
