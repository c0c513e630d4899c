//! What can be done with projects, and with domains as the projects that they are too.

use policy::{Caller, Target};
use store::{Condition, Direction, Select, Stored, Tx, Value};
use types::ProjectId;

use super::model::{Project, ProjectChange, ProjectDraft, ProjectFilter};
use super::store::PROJECTS;
use super::tree;
use crate::Error;
use crate::application_credential;
use crate::assignment::model::Target as AssignedIn;
use crate::assignment::reach::targets_of;
use crate::assignment::store::remove_in;
use crate::credential::store::CREDENTIALS;
use crate::domain;
use crate::domain::model::Domain;
use crate::domain::ops::{domain_for, refuse_missing, refuse_move, scoped_to};
use crate::domain::store::DOMAINS;
use crate::ids::fresh;
use crate::immutable;
use crate::policy::RULES;
use crate::revocation;
use crate::token::ops::changed;
use crate::trust;
use crate::trust::store::TRUSTS;
use crate::user::store::USERS;

/// How many tags a project has at most.
const TAGS_MAX: usize = 80;
/// How long a tag is at most.
const TAG_LENGTH_MAX: usize = 255;

/// The project of this id, for another service that was named one. It asks for no right: whoever calls has checked.
pub fn known(tx: &mut Tx<'_>, id: &ProjectId) -> Result<Option<Project>, store::Error> {
    Ok(PROJECTS.load(tx, id)?.map(|project| project.into_inner()))
}

/// What a project's id stands for.
enum Row {
    Project(Stored<Project>),
    Domain(Stored<Domain>),
}

impl Row {
    fn into_project(self) -> Project {
        match self {
            Row::Project(project) => project.into_inner(),
            Row::Domain(domain) => Project::from(domain.into_inner()),
        }
    }
}

/// The project of this id, or the domain that acts as one.
pub(crate) fn load(tx: &mut Tx<'_>, id: &str) -> Result<Option<Project>, store::Error> {
    Ok(row(tx, id)?.map(Row::into_project))
}

fn row(tx: &mut Tx<'_>, id: &str) -> Result<Option<Row>, store::Error> {
    match PROJECTS.load(tx, id)? {
        Some(project) => Ok(Some(Row::Project(project))),
        None => Ok(DOMAINS.load(tx, id)?.map(Row::Domain)),
    }
}

/// A domain has no domain around it, so that as a project it is for administrators, and for whoever works in it.
fn find(caller: &Caller, tx: &mut Tx<'_>, rule: &str, id: &str) -> Result<Row, Error> {
    let found = row(tx, id)?;
    let of_domain = matches!(&found, Some(Row::Domain(_))).then(|| ProjectId::from(id));
    let target = match &found {
        Some(Row::Project(project)) => {
            Target { project_id: Some(&project.id), domain_id: Some(&project.domain_id), ..Target::default() }
        }
        Some(Row::Domain(_)) | None => Target { project_id: of_domain.as_ref(), ..Target::default() },
    };
    RULES.check(rule, caller, &target)?;
    found.ok_or_else(|| Error::not_found("project", id))
}

pub(crate) fn create(caller: &Caller, tx: &mut Tx<'_>, draft: ProjectDraft) -> Result<Project, Error> {
    if draft.is_domain {
        return create_domain(caller, tx, draft);
    }
    let domain_id = domain_for(caller, draft.domain_id);
    RULES.check("identity:create_project", caller, &Target::domain(&domain_id))?;
    refuse_missing(tx, &domain_id).map_err(unfit)?;
    let above = draft.parent_id.as_deref().unwrap_or(domain_id.as_str()).to_owned();
    let parent = load(tx, &above)?.ok_or_else(|| unfit(Error::not_found("project", &above)))?;
    tree::refuse_parent(tx, &parent, &domain_id)?;
    let project = Project {
        id: ProjectId(fresh()),
        domain_id,
        parent_id: if parent.is_domain { None } else { Some(parent.id) },
        name: draft.name.trim().to_owned(),
        description: draft.description,
        enabled: draft.enabled,
        is_domain: false,
        tags: tidy_tags(draft.tags)?,
        immutable: draft.immutable,
        extra: draft.extra,
    };
    refuse_name(tx, &project)?;
    Ok(PROJECTS.insert(tx, project)?.into_inner())
}

/// Keystone answers 400 where what surrounds the new project is not there.
fn unfit(error: Error) -> Error {
    match error {
        Error::NotFound { .. } => Error::Invalid(error.to_string()),
        other => other,
    }
}

fn create_domain(caller: &Caller, tx: &mut Tx<'_>, draft: ProjectDraft) -> Result<Project, Error> {
    RULES.check("identity:create_project", caller, &Target::default())?;
    if draft.parent_id.is_some() || draft.domain_id.is_some() {
        return Err(Error::Invalid("only root projects are allowed to act as domains.".to_owned()));
    }
    domain::ops::insert(tx, draft.into()).map(Project::from)
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Project, Error> {
    find(caller, tx, "identity:get_project", id).map(Row::into_project)
}

/// A project, for what its tags are asked about.
pub(crate) fn show_tags(
    caller: &Caller,
    tx: &mut Tx<'_>,
    rule: &str,
    id: &str,
) -> Result<Vec<String>, Error> {
    find(caller, tx, rule, id).map(|row| row.into_project().tags)
}

pub(crate) fn list(caller: &Caller, tx: &mut Tx<'_>, filter: &ProjectFilter) -> Result<Vec<Project>, Error> {
    let own = scoped_to(caller);
    RULES.check("identity:list_projects", caller, &Target { domain_id: own, ..Target::default() })?;
    if filter.is_domain {
        return domains(tx, filter, own.is_some());
    }
    let mut select = select(filter);
    for domain in own.into_iter().chain(&filter.domain_id) {
        select = select.eq("domain_id", domain);
    }
    if let Some(parent) = &filter.parent_id {
        // What is directly below a domain names no parent.
        let below_domain =
            [Condition::Eq("parent_id", Value::Null), Condition::Eq("domain_id", parent.as_str().into())];
        let below = Condition::Eq("parent_id", parent.as_str().into());
        select = select.with(Condition::Any(vec![below, Condition::All(below_domain.to_vec())]));
    }
    let found = PROJECTS.query(tx, &select)?.into_iter().map(|project| project.into_inner());
    Ok(found.filter(|project| filter.tags.allows(&project.tags)).collect())
}

fn select(filter: &ProjectFilter) -> Select {
    let mut select = Select::all().order("id", Direction::Asc);
    if let Some(name) = &filter.name {
        select = select.eq("name", name);
    }
    if let Some(enabled) = filter.enabled {
        select = select.eq("enabled", enabled);
    }
    select
}

/// The domains as projects. They are in no domain, so that no domain's own administrator sees any.
fn domains(tx: &mut Tx<'_>, filter: &ProjectFilter, of_domain: bool) -> Result<Vec<Project>, Error> {
    if of_domain {
        return Ok(Vec::new());
    }
    let found = DOMAINS.query(tx, &select(filter))?.into_iter();
    let projects = found.map(|domain| Project::from(domain.into_inner()));
    Ok(projects.filter(|project| filter.tags.allows(&project.tags)).collect())
}

/// The projects in which a user has a role, enabled or not.
pub(crate) fn list_of_user(caller: &Caller, tx: &mut Tx<'_>, user_id: &str) -> Result<Vec<Project>, Error> {
    let user = USERS.load(tx, user_id)?;
    let target = user.as_ref().map_or(Target::default(), |user| Target {
        user_id: Some(&user.id),
        domain_id: Some(&user.domain_id),
        ..Target::default()
    });
    RULES.check("identity:list_user_projects", caller, &target)?;
    let user = user.ok_or_else(|| Error::not_found("user", user_id))?;
    let targets = targets_of(tx, &user.id)?;
    let ids = targets.iter().filter(|target| matches!(target, AssignedIn::Project(_))).map(AssignedIn::id);
    let select = Select::all().is_in("id", ids).order("id", Direction::Asc);
    let found = PROJECTS.query(tx, &select)?.into_iter().map(|project| project.into_inner());
    let acting = DOMAINS.query(tx, &select)?.into_iter().map(|domain| Project::from(domain.into_inner()));
    Ok(found.chain(acting).collect())
}

pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    change: ProjectChange,
) -> Result<Project, Error> {
    match find(caller, tx, "identity:update_project", id)? {
        Row::Project(project) => apply(tx, project, change),
        Row::Domain(domain) => {
            if change.domain_id.as_ref().is_some_and(|asked| asked.is_some()) {
                return Err(Error::Invalid("Cannot change Domain ID".to_owned()));
            }
            refuse_places(&Project::from((*domain).clone()), &change)?;
            domain::ops::apply(tx, domain, change.into()).map(Project::from)
        }
    }
}

fn apply(tx: &mut Tx<'_>, mut project: Stored<Project>, change: ProjectChange) -> Result<Project, Error> {
    let unlocks = change.only_unlocks();
    refuse_move(&project.domain_id, change.domain_id.as_ref().and_then(|asked| asked.as_ref()))?;
    immutable::refuse_update("project", project.id.as_str(), project.immutable, unlocks)?;
    refuse_places(&project, &change)?;
    if let Some(name) = change.name {
        project.name = name.trim().to_owned();
        refuse_name(tx, &project)?;
    }
    if let Some(description) = change.description {
        project.description = description;
    }
    if let Some(enabled) = change.enabled {
        tree::refuse_switch(tx, &project, enabled)?;
        project.enabled = enabled;
    }
    if let Some(tags) = change.tags {
        project.tags = tidy_tags(tags)?;
    }
    if let Some(immutable) = change.immutable {
        project.immutable = immutable;
    }
    project.extra.extend(change.extra);
    PROJECTS.save(tx, &mut project)?;
    changed(tx);
    Ok(project.into_inner())
}

/// What a project is, and where, stays.
fn refuse_places(project: &Project, change: &ProjectChange) -> Result<(), Error> {
    if change.parent_id.as_ref().is_some_and(|asked| asked.as_deref() != project.above()) {
        return Err(Error::Forbidden("Update of `parent_id` is not allowed.".to_owned()));
    }
    if change.is_domain.is_some_and(|asked| asked != project.is_domain) {
        return Err(Error::Invalid("Update of `is_domain` is not allowed.".to_owned()));
    }
    Ok(())
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    let project = match find(caller, tx, "identity:delete_project", id)? {
        Row::Project(project) => project,
        Row::Domain(domain) => return domain::ops::remove(tx, &domain),
    };
    immutable::refuse_delete("project", id, project.immutable)?;
    if PROJECTS.count(tx, &Select::all().eq("parent_id", &project.id))? > 0 {
        let message = format!(
            "Cannot delete the project {id} since it is not a leaf in the hierarchy. Use the cascade option if you want to delete a whole subtree."
        );
        return Err(Error::Forbidden(message));
    }
    remove(tx, &project)
}

/// Removes a project and what cannot be without it.
pub(crate) fn remove(tx: &mut Tx<'_>, project: &Stored<Project>) -> Result<(), Error> {
    remove_in(tx, &AssignedIn::Project(project.id.clone()))?;
    crate::endpoint_filter::ops::forget_project(tx, &project.id)?;
    crate::limit::ops::forget_project(tx, &project.id)?;
    crate::oauth1::forget_project(tx, &project.id)?;
    let inside = Select::all().eq("project_id", &project.id);
    for credential in CREDENTIALS.query(tx, &inside)? {
        CREDENTIALS.remove(tx, &credential)?;
    }
    while let Some(trust) = TRUSTS.first(tx, &inside)? {
        trust::ops::remove(tx, &trust)?;
    }
    application_credential::ops::remove_of(tx, None, Some(&project.id))?;
    PROJECTS.remove(tx, project)?;
    revocation::ops::create_for_project(tx, &project.id)?;
    changed(tx);
    Ok(())
}

/// Replaces the tags of a project by what `change` makes of them.
pub(crate) fn update_tags(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (rule, id): (&str, &str),
    change: impl FnOnce(Vec<String>) -> Result<Vec<String>, Error>,
) -> Result<Vec<String>, Error> {
    match find(caller, tx, rule, id)? {
        Row::Project(mut project) => {
            project.tags = tidy_tags(change(std::mem::take(&mut project.tags))?)?;
            PROJECTS.save(tx, &mut project)?;
            Ok(project.into_inner().tags)
        }
        Row::Domain(mut domain) => {
            domain.tags = tidy_tags(change(std::mem::take(&mut domain.tags))?)?;
            DOMAINS.save(tx, &mut domain)?;
            Ok(domain.into_inner().tags)
        }
    }
}

/// Sorted; each one that can stand in a URL and in a comma-separated list, and there once.
pub(crate) fn tidy_tags(mut tags: Vec<String>) -> Result<Vec<String>, Error> {
    let bad = |tag: &&String| {
        tag.is_empty() || tag.chars().count() > TAG_LENGTH_MAX || tag.contains('/') || tag.contains(',')
    };
    if let Some(tag) = tags.iter().find(bad) {
        return Err(Error::Invalid(format!("Invalid input for field/attribute tags. Value: {tag}.")));
    }
    if tags.len() > TAGS_MAX {
        return Err(Error::Invalid(format!("A project has at most {TAGS_MAX} tags.")));
    }
    tags.sort();
    match tags.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(tags),
        Some(twice) => Err(Error::Invalid(format!("The tags are not unique: {} is there twice.", twice[0]))),
    }
}

fn refuse_name(tx: &mut Tx<'_>, project: &Project) -> Result<(), Error> {
    let same = Select::all().eq("domain_id", &project.domain_id).eq("name", project.name.as_str());
    match PROJECTS.first(tx, &same)? {
        Some(known) if known.id != project.id => {
            let detail = format!(
                "it is not permitted to have two projects with either the same name or same id in the same domain: name is {}, project id {}",
                project.name, project.id
            );
            Err(Error::Conflict { kind: "project", detail })
        }
        _ => Ok(()),
    }
}
