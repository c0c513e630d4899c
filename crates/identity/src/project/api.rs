//! `/v3/projects`.

use rest::{InvalidBody, Method, Reply, Request, Routes};
use serde_json::{Value as Json, json};
use store::Tx;
use types::DomainId;

use super::model::{Project, ProjectChange, ProjectDraft, ProjectFilter, TagFilter};
use super::ops;
use crate::Error;
use crate::api::{
    Filters, Kind, extra, filter_of, filtered, flag, flag_of, links, name, required_name, with_extra,
};
use crate::domain;

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
        tags: TagFilter {
            all: tags("tags"),
            any: tags("tags-any"),
            not_all: tags("not-tags"),
            not_any: tags("not-tags-any"),
        },
    }
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    // Upstream a domain is a project too, listed only if asked for.
    let views = if flag_of(request, "is_domain") == Some(true) {
        let name = filter_of(request, "name");
        let enabled = flag_of(request, "enabled");
        let domains = domain::ops::list(request.caller(), tx, name.as_deref(), enabled)?;
        domains.iter().map(|domain| as_project(domain::api::view(request, domain))).collect()
    } else {
        let projects = ops::list(request.caller(), tx, &filter(request))?;
        projects.iter().map(|project| view(request, project)).collect()
    };
    filtered(request, "projects", FILTERS, views)
}

fn as_project(mut domain: Json) -> Json {
    domain["is_domain"] = json!(true);
    domain["domain_id"] = Json::Null;
    domain["parent_id"] = Json::Null;
    domain
}

fn list_of_user(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let projects = ops::list_of_user(request.caller(), tx, request.param("user_id"), &filter(request))?;
    let views = projects.iter().map(|project| view(request, project)).collect();
    filtered(request, "projects", FILTERS_OF_USER, views)
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("project")?;
    if flag(&mut fields, "is_domain")?.unwrap_or(false) {
        return Err(InvalidBody::at("project.is_domain", "is not supported: create a domain").into());
    }
    let draft = ProjectDraft {
        domain_id: fields.text("domain_id")?.map(DomainId),
        parent_id: fields.text("parent_id")?,
        name: required_name(&mut fields, "name", NAME_MAX)?,
        description: fields.text("description")?.unwrap_or_default(),
        enabled: flag(&mut fields, "enabled")?.unwrap_or(true),
        tags: fields.texts("tags")?.unwrap_or_default(),
        extra: without_options(extra(fields)),
    };
    let project = ops::create(request.caller(), tx, draft)?;
    Ok(Reply::created(json!({"project": view(request, &project)})))
}

/// Options are shown as an object that is always there; the ones upstream has are not built.
fn without_options(mut extra: crate::api::Extra) -> crate::api::Extra {
    extra.remove("options");
    extra
}

fn show(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let project = ops::show(request.caller(), tx, request.param("project_id"))?;
    Ok(Reply::ok(json!({"project": view(request, &project)})))
}

fn update(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let mut fields = request.fields("project")?;
    if flag(&mut fields, "is_domain")?.unwrap_or(false) {
        return Err(Error::Invalid("Update of `is_domain` is not allowed.".to_owned()));
    }
    let change = ProjectChange {
        domain_id: fields.text("domain_id")?,
        parent_id: fields.text("parent_id")?,
        name: name(&mut fields, "name", NAME_MAX)?,
        description: fields.text("description")?,
        enabled: flag(&mut fields, "enabled")?,
        tags: fields.texts("tags")?,
        extra: without_options(extra(fields)),
    };
    let project = ops::update(request.caller(), tx, request.param("project_id"), change)?;
    Ok(Reply::ok(json!({"project": view(request, &project)})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, request.param("project_id"))?;
    Ok(Reply::empty(204))
}

fn tags_view(request: &Request, tags: &[String]) -> Json {
    json!({"tags": tags, "links": links(request, &format!("projects/{}/tags", request.param("project_id")))})
}

fn list_tags(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let project = ops::find(request.caller(), tx, "identity:list_project_tags", request.param("project_id"))?;
    Ok(Reply::ok(tags_view(request, &project.tags)))
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
    let project = ops::find(request.caller(), tx, "identity:get_project_tag", request.param("project_id"))?;
    match project.tags.iter().any(|known| known == tag) {
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

/// A project.
pub(crate) fn view(request: &Request, project: &Project) -> Json {
    let parent = project.parent_id.as_ref().map_or(project.domain_id.as_str(), |id| id.as_str());
    with_extra(
        &project.extra,
        json!({
            "id": project.id.as_str(),
            "name": project.name,
            "domain_id": project.domain_id.as_str(),
            "parent_id": parent,
            "description": project.description,
            "enabled": project.enabled,
            "is_domain": false,
            "tags": project.tags,
            "options": {},
            "links": links(request, &format!("projects/{}", project.id)),
        }),
    )
}
