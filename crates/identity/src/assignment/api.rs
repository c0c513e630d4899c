//! `…/users/{user_id}/roles/{role_id}` and its kind below projects, domains and the system, and `/v3/role_assignments`.

use rest::{Method, Reply, Request, Routes};
use serde_json::{Map, Value as Json, json};
use store::Tx;
use types::{DomainId, ProjectId, RoleId, UserId};

use super::model::{Actor, Assignment, AssignmentFilter, Grant, Target};
use super::ops::{self, Name, Names};
use crate::Error;
use crate::api::{asked, filter_of, listed};
use crate::ids::GroupId;
use crate::role::api::view as role_view;

pub(crate) fn routes() -> Routes {
    let mut routes = Routes::new().get("/v3/role_assignments", list);
    for target in ["projects/{project_id}", "domains/{domain_id}", "system"] {
        for actor in ["users/{user_id}", "groups/{group_id}"] {
            let roles = format!("/v3/{target}/{actor}/roles");
            let one = format!("{roles}/{{role_id}}");
            routes = routes.get(&roles, list_roles).get(&one, check).put(&one, create).write(
                Method::DELETE,
                &one,
                delete,
            );
        }
    }
    routes
}

fn actor(request: &Request) -> Actor {
    match request.param("user_id") {
        "" => Actor::Group(GroupId::from(request.param("group_id"))),
        id => Actor::User(UserId::from(id)),
    }
}

fn target(request: &Request) -> Target {
    match (request.param("project_id"), request.param("domain_id")) {
        ("", "") => Target::System,
        ("", id) => Target::Domain(DomainId::from(id)),
        (id, _) => Target::Project(ProjectId::from(id)),
    }
}

fn assignment(request: &Request) -> Assignment {
    let role_id = RoleId::from(request.param("role_id"));
    Assignment { actor: actor(request), target: target(request), role_id }
}

fn list_roles(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let roles = ops::list_roles(request.caller(), tx, &actor(request), &target(request))?;
    Ok(listed(request, "roles", roles.iter().map(|role| role_view(request, role)).collect()))
}

fn create(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::create(request.caller(), tx, assignment(request))?;
    Ok(Reply::empty(204))
}

fn check(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::show(request.caller(), tx, &assignment(request))?;
    Ok(Reply::empty(204))
}

fn delete(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    ops::delete(request.caller(), tx, &assignment(request))?;
    Ok(Reply::empty(204))
}

fn list(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let filter = filter(request)?;
    let mut grants = ops::list(request.caller(), tx, &filter)?;
    // Inherited assignments are not built, so none of them is listed.
    if filter_of(request, "scope.OS-INHERIT:inherited_to").is_some() {
        grants.clear();
    }
    let names = if asked(request, "include_names") { Some(ops::names(tx, &grants)?) } else { None };
    let views = grants.iter().map(|grant| view(request, grant, names.as_ref()));
    Ok(listed(request, "role_assignments", views.collect()))
}

fn filter(request: &Request) -> Result<AssignmentFilter, Error> {
    let filter = AssignmentFilter {
        role_id: filter_of(request, "role.id").map(RoleId),
        user_id: filter_of(request, "user.id").map(UserId),
        group_id: filter_of(request, "group.id").map(GroupId),
        project_id: filter_of(request, "scope.project.id").map(ProjectId),
        domain_id: filter_of(request, "scope.domain.id").map(DomainId),
        system: filter_of(request, "scope.system").is_some(),
        effective: asked(request, "effective"),
        subtree: asked(request, "include_subtree"),
    };
    let (project, domain) = (filter.project_id.is_some(), filter.domain_id.is_some());
    let refused = [
        (project && domain, "Specify a domain or project, not both"),
        (domain && filter.system, "Specify system or domain, not both"),
        (project && filter.system, "Specify system or project, not both"),
        (filter.user_id.is_some() && filter.group_id.is_some(), "Specify a user or group, not both"),
        (
            filter.effective && filter.group_id.is_some(),
            "Combining effective and group filter will always result in an empty list.",
        ),
        (
            filter.subtree && !project,
            "scope.project.id must be specified if include_subtree is also specified",
        ),
    ];
    match refused.iter().find(|(refused, _)| *refused) {
        Some((_, why)) => Err(Error::Invalid((*why).to_owned())),
        None => Ok(filter),
    }
}

fn view(request: &Request, grant: &Grant, names: Option<&Names>) -> Json {
    let Assignment { actor, target, role_id } = &grant.assignment;
    let base = format!("{}/v3", request.base_url);
    let named = |kind: &'static str, id: &str| object(id, names.and_then(|names| names.name_of(kind, id)));
    let (scope, place) = match target {
        Target::System => (json!({"system": {"all": true}}), "system".to_owned()),
        Target::Project(_) | Target::Domain(_) => {
            let scope = Map::from_iter([(target.kind().to_owned(), named(target.kind(), target.id()))]);
            (Json::Object(scope), format!("{}s/{}", target.kind(), target.id()))
        }
    };
    let who = match &grant.group_id {
        Some(group) => format!("groups/{group}"),
        None => format!("{}s/{}", actor.kind(), actor.id()),
    };
    let given = grant.prior_role_id.as_ref().unwrap_or(role_id);
    let mut links = json!({"assignment": format!("{base}/{place}/{who}/roles/{given}")});
    if let Some(group) = &grant.group_id {
        links["membership"] = json!(format!("{base}/groups/{group}/users/{}", actor.id()));
    }
    if let Some(prior) = &grant.prior_role_id {
        links["prior_role"] = json!(format!("{base}/prior_role/{prior}/implies/{role_id}"));
    }
    let mut view = json!({"role": named("role", role_id.as_str()), "scope": scope, "links": links});
    view[actor.kind()] = named(actor.kind(), actor.id());
    view
}

fn object(id: &str, name: Option<&Name>) -> Json {
    let mut object = json!({"id": id});
    if let Some(name) = name {
        object["name"] = json!(name.name);
        if let Some((domain_id, domain)) = &name.domain {
            object["domain"] = json!({"id": domain_id.as_str(), "name": domain});
        }
    }
    object
}
