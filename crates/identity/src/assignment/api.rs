//! `…/users/{user_id}/roles/{role_id}` and its kind below projects, domains and the system, the same for what is
//! inherited, and `/v3/role_assignments`.

use rest::{Reply, Request, Routes};
use serde_json::{Map, Value as Json, json};
use store::Tx;
use types::{DomainId, ProjectId, RoleId, UserId};

use super::listing::{self, Name, Names};
use super::model::{Actor, Assignment, AssignmentFilter, Grant, Target};
use super::ops;
use crate::Error;
use crate::api::{Filters, Kind, asked, filter_of, listed, refuse_values};
use crate::ids::GroupId;
use crate::role::api::view as role_view;

/// What a view says of an assignment for the projects below; there is no other value.
const INHERITED_TO: &str = "OS-INHERIT:inherited_to";
const FILTERS: Filters = &[
    ("group.id", Kind::Id),
    ("role.id", Kind::Id),
    ("scope.domain.id", Kind::Id),
    ("scope.project.id", Kind::Id),
];

pub(crate) fn routes() -> Routes {
    let mut routes = Routes::new().get("/v3/role_assignments", list);
    for actor in ["users/{user_id}", "groups/{group_id}"] {
        for target in ["projects/{project_id}", "domains/{domain_id}", "system"] {
            let roles = format!("/v3/{target}/{actor}/roles");
            routes = routes.get(&roles, list_roles).and(of_one(&format!("{roles}/{{role_id}}")));
        }
        for target in ["projects/{project_id}", "domains/{domain_id}"] {
            let one = format!("/v3/OS-INHERIT/{target}/{actor}/roles/{{role_id}}/inherited_to_projects");
            routes = routes.and(of_one(&one));
        }
        // Upstream has this list for domains alone.
        let roles = format!("/v3/OS-INHERIT/domains/{{domain_id}}/{actor}/roles/inherited_to_projects");
        routes = routes.get(&roles, list_roles);
    }
    routes
}

fn of_one(path: &str) -> Routes {
    Routes::new().get(path, check).put(path, create).delete(path, delete)
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

fn is_inherited(request: &Request) -> bool {
    request.path.starts_with("/v3/OS-INHERIT/")
}

fn assignment(request: &Request) -> Assignment {
    let role_id = RoleId::from(request.param("role_id"));
    let inherited = is_inherited(request);
    Assignment { actor: actor(request), target: target(request), role_id, inherited }
}

fn list_roles(request: &Request, tx: &mut Tx<'_>) -> Result<Reply, Error> {
    let at = (&actor(request), &target(request));
    let roles = ops::list_roles(request.caller(), tx, at, is_inherited(request))?;
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
    let grants = listing::list(request.caller(), tx, &filter)?;
    let names = if asked(request, "include_names") { Some(listing::names(tx, &grants)?) } else { None };
    let views = grants.iter().map(|grant| view(request, grant, names.as_ref()));
    Ok(listed(request, "role_assignments", views.collect()))
}

fn filter(request: &Request) -> Result<AssignmentFilter, Error> {
    refuse_values(request, FILTERS)?;
    let filter = AssignmentFilter {
        role_id: filter_of(request, "role.id").map(RoleId),
        user_id: filter_of(request, "user.id").map(UserId),
        group_id: filter_of(request, "group.id").map(GroupId),
        project_id: filter_of(request, "scope.project.id").map(ProjectId),
        domain_id: filter_of(request, "scope.domain.id").map(DomainId),
        system: request.query("scope.system") == Some("all"),
        inherited: request.query("scope.OS-INHERIT:inherited_to").map(|word| word == "projects"),
        effective: asked(request, "effective"),
        subtree: asked(request, "include_subtree"),
    };
    let system = filter_of(request, "scope.system").is_some();
    let (project, domain) = (filter.project_id.is_some(), filter.domain_id.is_some());
    let refused = [
        (
            request.query("include_subtree").is_some() && !project,
            "'scope.project.id' is a dependency of 'include_subtree'",
        ),
        (project && domain, "Specify a domain or project, not both"),
        (domain && system, "Specify system or domain, not both"),
        (project && system, "Specify system or project, not both"),
        (filter.user_id.is_some() && filter.group_id.is_some(), "Specify a user or group, not both"),
        (
            filter.effective && filter.group_id.is_some(),
            "Combining effective and group filter will always result in an empty list.",
        ),
        (
            filter.effective && domain && filter.inherited == Some(true),
            "Combining effective, domain and inherited filters will always result in an empty list.",
        ),
    ];
    match refused.iter().find(|(refused, _)| *refused) {
        Some((_, why)) => Err(Error::Invalid((*why).to_owned())),
        None => Ok(filter),
    }
}

fn view(request: &Request, grant: &Grant, names: Option<&Names>) -> Json {
    let Assignment { actor, target, role_id, inherited } = &grant.assignment;
    let named = |kind: &'static str, id: &str| object(id, names.and_then(|names| names.name_of(kind, id)));
    let scope_of = match target {
        Target::System => json!({"all": true}),
        Target::Project(_) | Target::Domain(_) => named(target.kind(), target.id()),
    };
    let mut scope = Map::from_iter([(target.kind().to_owned(), scope_of)]);
    if *inherited || grant.source.is_some() {
        scope.insert(INHERITED_TO.to_owned(), json!("projects"));
    }
    let mut view = json!({
        "role": named("role", role_id.as_str()),
        "scope": scope,
        "links": links(&format!("{}/v3", request.base_url), grant),
    });
    view[actor.kind()] = named(actor.kind(), actor.id());
    view
}

/// Where the assignment stands by which something is in force, and through which group and role.
fn links(base: &str, grant: &Grant) -> Json {
    let Assignment { actor, target, role_id, inherited } = &grant.assignment;
    let place = match grant.source.as_ref().unwrap_or(target) {
        Target::System => "system".to_owned(),
        made => format!("{}s/{}", made.kind(), made.id()),
    };
    let who = match &grant.group_id {
        Some(group) => format!("groups/{group}"),
        None => format!("{}s/{}", actor.kind(), actor.id()),
    };
    let given = grant.prior_role_id.as_ref().unwrap_or(role_id);
    let path = format!("{place}/{who}/roles/{given}");
    let mut links = match *inherited || grant.source.is_some() {
        true => json!({"assignment": format!("{base}/OS-INHERIT/{path}/inherited_to_projects")}),
        false => json!({"assignment": format!("{base}/{path}")}),
    };
    if let Some(group) = &grant.group_id {
        links["membership"] = json!(format!("{base}/groups/{group}/users/{}", actor.id()));
    }
    if let Some(prior) = &grant.prior_role_id {
        // Upstream has the two roles this way round.
        links["prior_role"] = json!(format!("{base}/prior_role/{role_id}/implies/{prior}"));
    }
    links
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
