//! What can be done with choices, and what a catalog makes of them.

use policy::{Caller, Target};
use store::{Direction, Select, Stored, Tx};
use types::ProjectId;

use super::model::{Choice, Chosen};
use super::store::{CHOICES, query_of};
use crate::Error;
use crate::endpoint::model::Endpoint;
use crate::endpoint::store::ENDPOINTS;
use crate::endpoint_group::model::EndpointGroup;
use crate::endpoint_group::ops as endpoint_group;
use crate::endpoint_group::store::ENDPOINT_GROUPS;
use crate::policy::RULES;
use crate::project::model::Project;
use crate::project::store::PROJECTS;
use crate::token::ops::changed;

/// Chooses an endpoint or a group for a project.
pub(crate) fn create(caller: &Caller, tx: &mut Tx<'_>, choice: Choice) -> Result<(), Error> {
    let rule = match choice.chosen {
        Chosen::Endpoint(_) => "identity:add_endpoint_to_project",
        Chosen::Group(_) => "identity:add_endpoint_group_to_project",
    };
    RULES.check(rule, caller, &Target::default())?;
    refuse_missing(tx, &choice)?;
    if CHOICES.load(tx, choice.key())?.is_some() {
        let kind = match choice.chosen {
            Chosen::Endpoint(_) => "project_endpoint",
            Chosen::Group(_) => "project_endpoint_group",
        };
        return Err(Error::Conflict { kind, detail: "Duplicate entry".to_owned() });
    }
    CHOICES.insert(tx, choice)?;
    changed(tx);
    Ok(())
}

/// Whether the choice was made; an error if not.
pub(crate) fn check(caller: &Caller, tx: &mut Tx<'_>, choice: &Choice) -> Result<(), Error> {
    let rule = match choice.chosen {
        Chosen::Endpoint(_) => "identity:check_endpoint_in_project",
        Chosen::Group(_) => "identity:get_endpoint_group_in_project",
    };
    RULES.check(rule, caller, &Target::default())?;
    refuse_missing(tx, choice)?;
    find(tx, choice).map(|_| ())
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, choice: &Choice) -> Result<(), Error> {
    let rule = match choice.chosen {
        Chosen::Endpoint(_) => "identity:remove_endpoint_from_project",
        Chosen::Group(_) => "identity:remove_endpoint_group_from_project",
    };
    RULES.check(rule, caller, &Target::default())?;
    if let Chosen::Group(_) = choice.chosen {
        refuse_missing(tx, choice)?;
    }
    let choice = find(tx, choice)?;
    CHOICES.remove(tx, &choice)?;
    changed(tx);
    Ok(())
}

fn find(tx: &mut Tx<'_>, choice: &Choice) -> Result<Stored<Choice>, Error> {
    CHOICES.load(tx, choice.key())?.ok_or_else(|| {
        Error::Absent(match &choice.chosen {
            Chosen::Endpoint(id) => format!("Endpoint {id} not found in project {}", choice.project_id),
            Chosen::Group(_) => "Endpoint Group Project Association not found".to_owned(),
        })
    })
}

fn refuse_missing(tx: &mut Tx<'_>, choice: &Choice) -> Result<(), Error> {
    match &choice.chosen {
        Chosen::Endpoint(id) => {
            refuse_missing_endpoint(tx, &id.0)?;
            find_project(tx, choice.project_id.as_str()).map(|_| ())
        }
        Chosen::Group(id) => {
            find_project(tx, choice.project_id.as_str())?;
            endpoint_group::find(tx, &id.0).map(|_| ())
        }
    }
}

fn refuse_missing_endpoint(tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    ENDPOINTS.load(tx, id)?.map(|_| ()).ok_or_else(|| Error::not_found("endpoint", id))
}

fn find_project(tx: &mut Tx<'_>, id: &str) -> Result<Project, Error> {
    PROJECTS.load(tx, id)?.map(Stored::into_inner).ok_or_else(|| Error::not_found("project", id))
}

/// The projects that an endpoint or a group was chosen for. Of a group that is not there it is none, as upstream.
pub(crate) fn projects_with(
    caller: &Caller,
    tx: &mut Tx<'_>,
    chosen: &Chosen,
) -> Result<Vec<Project>, Error> {
    let rule = match chosen {
        Chosen::Endpoint(_) => "identity:list_projects_for_endpoint",
        Chosen::Group(_) => "identity:list_projects_associated_with_endpoint_group",
    };
    RULES.check(rule, caller, &Target::default())?;
    if let Chosen::Endpoint(id) = chosen {
        refuse_missing_endpoint(tx, &id.0)?;
    }
    let ids: Vec<ProjectId> = query_of(tx, chosen)?.into_iter().map(|c| c.into_inner().project_id).collect();
    let select = Select::all().is_in("id", &ids).order("id", Direction::Asc);
    Ok(PROJECTS.query(tx, &select)?.into_iter().map(Stored::into_inner).collect())
}

/// The endpoints that a project's catalog shows by choice.
pub(crate) fn endpoints_for(caller: &Caller, tx: &mut Tx<'_>, project: &str) -> Result<Vec<Endpoint>, Error> {
    RULES.check("identity:list_endpoints_for_project", caller, &Target::default())?;
    find_project(tx, project)?;
    chosen_for(tx, project)
}

pub(crate) fn groups_for(
    caller: &Caller,
    tx: &mut Tx<'_>,
    project: &str,
) -> Result<Vec<EndpointGroup>, Error> {
    RULES.check("identity:list_endpoint_groups_for_project", caller, &Target::default())?;
    find_project(tx, project)?;
    let choices = CHOICES.query(tx, &Select::all().eq("project_id", project).eq("kind", "group"))?;
    groups_in(tx, &choices)
}

/// The endpoints chosen for a project one by one and by the group; none if nothing was chosen.
pub(crate) fn chosen_for(tx: &mut Tx<'_>, project: &str) -> Result<Vec<Endpoint>, Error> {
    let choices = CHOICES.query(tx, &Select::all().eq("project_id", project))?;
    if choices.is_empty() {
        return Ok(Vec::new());
    }
    let groups = groups_in(tx, &choices)?;
    let all = ENDPOINTS.query(tx, &Select::all().order("id", Direction::Asc))?;
    let is_chosen = |endpoint: &Endpoint| {
        let by_itself = Chosen::Endpoint(endpoint.id.clone());
        choices.iter().any(|choice| choice.chosen == by_itself) || groups.iter().any(|g| g.has(endpoint))
    };
    Ok(all.into_iter().map(Stored::into_inner).filter(is_chosen).collect())
}

fn groups_in(tx: &mut Tx<'_>, choices: &[Stored<Choice>]) -> Result<Vec<EndpointGroup>, Error> {
    let ids =
        choices.iter().filter(|choice| choice.chosen.kind() == "group").map(|choice| choice.chosen.id());
    let select = Select::all().is_in("id", ids).order("id", Direction::Asc);
    Ok(ENDPOINT_GROUPS.query(tx, &select)?.into_iter().map(Stored::into_inner).collect())
}

/// Forgets an endpoint or a group that goes.
pub(crate) fn forget(tx: &mut Tx<'_>, chosen: &Chosen) -> Result<(), Error> {
    for choice in query_of(tx, chosen)? {
        CHOICES.remove(tx, &choice)?;
    }
    Ok(())
}

/// Forgets a project that goes.
pub(crate) fn forget_project(tx: &mut Tx<'_>, id: &ProjectId) -> Result<(), Error> {
    for choice in CHOICES.query(tx, &Select::all().eq("project_id", id))? {
        CHOICES.remove(tx, &choice)?;
    }
    Ok(())
}
