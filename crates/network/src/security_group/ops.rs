//! What can be done with security groups and rules.

use policy::Caller;
use store::{Select, Stored, Tx};
use types::{ProjectId, SecurityGroupId, SecurityGroupRuleId};

use super::model::{Pass, between_members, egress};
use super::{KIND, Remote, Rule, RuleDraft, SecurityGroup, SecurityGroupDraft, store as rows};
use crate::resource::{self, Label, Standard, allows, check};
use crate::{Error, quota};

/// The name of every project's default group.
const DEFAULT: &str = "default";

/// Creates a group that lets everything out.
pub fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    draft: SecurityGroupDraft,
) -> Result<Stored<SecurityGroup>, Error> {
    let project = resource::owner(caller, draft.project_id)?;
    check(caller, "create_security_group", &project)?;
    if draft.label.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(DEFAULT)) {
        return Err(Error::SecurityGroupDefaultAlreadyExists {});
    }
    ensure_default(tx, &project)?;
    quota::check(tx, &project, quota::Limited::SecurityGroup, 1)?;
    let standard = Standard::new(tx, project, draft.label);
    let group = SecurityGroup { id: runtime::new_uuid().into(), standard, is_default: false };
    let group = rows::GROUPS.insert(tx, group)?;
    egress().into_iter().try_for_each(|pass| insert_rule(tx, &group, pass))?;
    Ok(group)
}

/// The default group of a project, made if it is not there.
pub fn ensure_default(tx: &mut Tx<'_>, project: &ProjectId) -> Result<Stored<SecurityGroup>, Error> {
    if let Some(group) = rows::default_of(tx, project)? {
        return Ok(group);
    }
    let label =
        Label { name: Some(DEFAULT.to_owned()), description: Some("Default security group".to_owned()) };
    let standard = Standard::new(tx, project.clone(), label);
    let group = SecurityGroup { id: runtime::new_uuid().into(), standard, is_default: true };
    let group = rows::GROUPS.insert(tx, group)?;
    let passes = egress().into_iter().chain(between_members(group.id));
    passes.into_iter().try_for_each(|pass| insert_rule(tx, &group, pass))?;
    Ok(group)
}

fn insert_rule(tx: &mut Tx<'_>, group: &SecurityGroup, allows: Pass) -> Result<(), Error> {
    let standard = Standard::new(tx, group.standard.project_id.clone(), Label::default());
    let rule = Rule { id: runtime::new_uuid().into(), standard, group_id: group.id, allows };
    rows::RULES.insert(tx, rule)?;
    Ok(())
}

/// The group of this id, if the caller may see it.
pub fn show(caller: &Caller, tx: &mut Tx<'_>, id: SecurityGroupId) -> Result<Stored<SecurityGroup>, Error> {
    let group = resource::load::<SecurityGroup>(tx, id)?;
    if allows(caller, "get_security_group", &group.standard.project_id) {
        Ok(group)
    } else {
        Err(Error::SecurityGroupNotFound { id: id.to_string() })
    }
}

/// The groups of the caller's project that have this id or this name; a caller who means one wants exactly one.
pub fn find(caller: &Caller, tx: &mut Tx<'_>, name_or_id: &str) -> Result<Vec<Stored<SecurityGroup>>, Error> {
    if let Ok(id) = name_or_id.parse()
        && let Ok(group) = show(caller, tx, id)
    {
        return Ok(vec![group]);
    }
    let Some(project) = caller.project_id() else { return Ok(Vec::new()) };
    if name_or_id == DEFAULT {
        return Ok(vec![ensure_default(tx, project)?]);
    }
    let select = Select::all().eq("project_id", project.as_str()).eq("name", name_or_id);
    Ok(rows::GROUPS.query(tx, &select)?)
}

/// Names of groups by id, for those that are there.
pub fn names(tx: &mut Tx<'_>, ids: &[SecurityGroupId]) -> Result<Vec<(SecurityGroupId, String)>, Error> {
    let groups = rows::GROUPS.query(tx, &Select::all().is_in("id", ids.iter()))?;
    let name =
        |id: &SecurityGroupId| groups.iter().find(|group| group.id == *id).map(|g| g.standard.name.clone());
    Ok(ids.iter().filter_map(|id| Some((*id, name(id)?))).collect())
}

/// The groups of the caller's project.
pub fn list(caller: &Caller, tx: &mut Tx<'_>) -> Result<Vec<Stored<SecurityGroup>>, Error> {
    let Some(project) = caller.project_id() else { return Ok(Vec::new()) };
    ensure_default(tx, project)?;
    Ok(rows::GROUPS.query(tx, &Select::all().eq("project_id", project.as_str()))?)
}

/// The rules of a group that the caller may see.
pub fn rules(caller: &Caller, tx: &mut Tx<'_>, group: SecurityGroupId) -> Result<Vec<Stored<Rule>>, Error> {
    show(caller, tx, group)?;
    Ok(rows::rules_of(tx, group)?)
}

/// Which groups and rules the caller may see.
pub(crate) fn scope(caller: &Caller) -> Select {
    match caller.project_id() {
        _ if caller.is_admin() => Select::all(),
        Some(project) => Select::all().eq("project_id", project.as_str()),
        None => Select::all().is_in("project_id", Vec::<String>::new()),
    }
}

/// Changes name or description.
pub fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    mut group: Stored<SecurityGroup>,
    label: Label,
) -> Result<Stored<SecurityGroup>, Error> {
    check(caller, "update_security_group", &group.standard.project_id)?;
    if group.is_default && label.name.as_deref().is_some_and(|name| name != DEFAULT) {
        return Err(Error::SecurityGroupCannotUpdateDefault {});
    }
    group.standard.relabel(tx, label);
    rows::GROUPS.save(tx, &mut group)?;
    Ok(group)
}

/// Deletes a group that no port is in, with its rules and those that other groups have about it.
pub fn delete(caller: &Caller, tx: &mut Tx<'_>, group: &Stored<SecurityGroup>) -> Result<(), Error> {
    check(caller, "delete_security_group", &group.standard.project_id)?;
    if rows::has_members(tx, group.id)? {
        return Err(Error::SecurityGroupInUse { id: group.id.to_string() });
    }
    if group.is_default && !caller.is_admin() {
        return Err(Error::SecurityGroupCannotRemoveDefault {});
    }
    let about = rows::RULES.query(tx, &Select::all().eq("remote_group_id", group.id))?;
    for rule in about.into_iter().filter(|rule| rule.group_id != group.id) {
        rows::RULES.remove(tx, &rule)?;
        tx.kick(KIND, rule.group_id)?;
    }
    for rule in rows::rules_of(tx, group.id)? {
        rows::RULES.remove(tx, &rule)?;
    }
    rows::GROUPS.remove(tx, group)?;
    // Its documents may still be on nodes that are letting go of its last port.
    Ok(tx.kick(KIND, group.id)?)
}

/// Adds a rule to a group.
pub fn create_rule(caller: &Caller, tx: &mut Tx<'_>, draft: &RuleDraft) -> Result<Stored<Rule>, Error> {
    let group = show(caller, tx, draft.group_id)?;
    let project = draft.project_id.clone().unwrap_or_else(|| group.standard.project_id.clone());
    let project =
        if project == group.standard.project_id { project } else { resource::owner(caller, Some(project))? };
    check(caller, "create_security_group_rule", &group.standard.project_id)?;
    if let Some(Remote::Group(remote)) = draft.remote {
        show(caller, tx, remote)?;
    }
    let pass = draft.pass()?;
    let twin = rows::rules_of(tx, group.id)?.into_iter().find(|known| same(&known.allows, &pass));
    if let Some(twin) = twin {
        return Err(Error::SecurityGroupRuleExists { id: twin.id.to_string() });
    }
    quota::check(tx, &project, quota::Limited::SecurityGroupRule, 1)?;
    let standard = Standard::new(tx, project, draft.label.clone());
    let rule = Rule { id: runtime::new_uuid().into(), standard, group_id: group.id, allows: pass };
    let rule = rows::RULES.insert(tx, rule)?;
    tx.kick(KIND, group.id)?;
    Ok(rule)
}

/// Whether two rules let the same pass, however their protocols are spelled.
fn same(a: &Pass, b: &Pass) -> bool {
    let bare = |pass: &Pass| {
        let protocol = pass.protocol.as_ref().map(|protocol| protocol.number_in(pass.ethertype.family()));
        (protocol, Pass { protocol: None, ..pass.clone() })
    };
    bare(a) == bare(b)
}

/// The rule of this id, if the caller may see it.
pub fn show_rule(caller: &Caller, tx: &mut Tx<'_>, id: SecurityGroupRuleId) -> Result<Stored<Rule>, Error> {
    let rule = resource::load::<Rule>(tx, id)?;
    if allows(caller, "get_security_group_rule", &rule.standard.project_id) {
        Ok(rule)
    } else {
        Err(Error::SecurityGroupRuleNotFound { id: id.to_string() })
    }
}

/// Removes a rule.
pub fn delete_rule(caller: &Caller, tx: &mut Tx<'_>, rule: &Stored<Rule>) -> Result<(), Error> {
    check(caller, "delete_security_group_rule", &rule.standard.project_id)?;
    rows::RULES.remove(tx, rule)?;
    Ok(tx.kick(KIND, rule.group_id)?)
}

/// Says that the members of a group, or their addresses, are others now.
pub(crate) fn members_changed(tx: &mut Tx<'_>, group: SecurityGroupId) -> Result<(), Error> {
    for referring in rows::referring_to(tx, group)? {
        tx.kick(KIND, referring)?;
    }
    Ok(())
}
