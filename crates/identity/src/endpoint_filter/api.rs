//! `/v3/OS-EP-FILTER`: projects of endpoints and of their groups, and the other way round.

use rest::{Reply, Request, Routes};
use serde_json::json;
use store::Tx;
use types::ProjectId;

use super::model::{Choice, Chosen};
use super::ops;
use crate::Error;
use crate::api::listed;
use crate::endpoint::api::view as endpoint_view;
use crate::endpoint_group::api::view as group_view;
use crate::ids::{EndpointGroupId, EndpointId};
use crate::project::api::view as project_view;

pub(crate) fn routes() -> Routes {
    let endpoint = "/v3/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}";
    let group = "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}";
    Routes::new()
        .get("/v3/OS-EP-FILTER/projects/{project_id}/endpoints", list_endpoints)
        .get(endpoint, check_endpoint)
        .put(endpoint, choose)
        .delete(endpoint, delete)
        .get("/v3/OS-EP-FILTER/endpoints/{endpoint_id}/projects", list_projects)
        .get("/v3/OS-EP-FILTER/projects/{project_id}/endpoint_groups", list_groups)
        .get("/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects", list_projects)
        .get(group, show_group)
        .put(group, choose)
        .delete(group, delete)
}

/// The endpoint or the group that the path names.
fn chosen(request: &Request) -> Chosen {
    match request.param("endpoint_id") {
        "" => Chosen::Group(EndpointGroupId::from(request.param("endpoint_group_id"))),
        id => Chosen::Endpoint(EndpointId::from(id)),
    }
}

fn choice(request: &Request) -> Choice {
    Choice { project_id: ProjectId::from(request.param("project_id")), chosen: chosen(request) }
}

fn choose(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::create(request.caller(), tx, choice(request))?;
    Ok(Reply::empty(204))
}

fn check_endpoint(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::check(request.caller(), tx, &choice(request))?;
    Ok(Reply::empty(204))
}

/// Upstream shows this one association, with a link that lacks the server.
fn show_group(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let choice = choice(request);
    ops::check(request.caller(), tx, &choice)?;
    let (group, project) = (choice.chosen.id(), choice.project_id.as_str());
    Ok(Reply::ok(json!({"project_endpoint_group": {
        "endpoint_group_id": group,
        "project_id": project,
        "links": {"self": format!("/OS-EP-FILTER/endpoint_groups/{group}/projects/{project}")},
    }})))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, &choice(request))?;
    Ok(Reply::empty(204))
}

fn list_projects(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let projects = ops::projects_with(request.caller(), tx, &chosen(request))?;
    Ok(listed(request, "projects", projects.iter().map(|p| project_view(request, p)).collect()))
}

fn list_endpoints(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let endpoints = ops::endpoints_for(request.caller(), tx, request.param("project_id"))?;
    Ok(listed(request, "endpoints", endpoints.iter().map(|e| endpoint_view(request, e)).collect()))
}

fn list_groups(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let groups = ops::groups_for(request.caller(), tx, request.param("project_id"))?;
    Ok(listed(request, "endpoint_groups", groups.iter().map(|g| group_view(request, g)).collect()))
}
