//! What can be done with groups and who is in them.

use std::collections::{BTreeMap, BTreeSet};

use policy::{Caller, Named, Target, Value};
use store::{Direction, Select, Stored, Tx};
use types::{DomainId, Timestamp, UserId};

use super::model::{Group, GroupChange, GroupDraft, Membership};
use super::store::{GROUPS, MEMBERSHIPS, groups_of, membership_key};
use crate::Error;
use crate::assignment::model::Actor;
use crate::assignment::store::remove_of_actor;
use crate::domain::ops::{domain_for, refuse_missing, refuse_move, scoped_to};
use crate::federation::user::store::groups_now;
use crate::ids::{GroupId, fresh};
use crate::policy::RULES;
use crate::token::ops::changed;
use crate::user;
use crate::user::model::User;
use crate::user::store::USERS;

fn find(caller: &Caller, tx: &mut Tx<'_>, rule: &str, id: &str) -> Result<Stored<Group>, Error> {
    let found = GROUPS.load(tx, id)?;
    let domain_id = found.as_ref().map(|group| &group.domain_id);
    RULES.check(rule, caller, &Target { domain_id, ..Target::default() })?;
    found.ok_or_else(|| Error::not_found("group", id))
}

pub(crate) fn create(caller: &Caller, tx: &mut Tx<'_>, draft: GroupDraft) -> Result<Group, Error> {
    let domain_id = domain_for(caller, draft.domain_id);
    RULES.check("identity:create_group", caller, &Target::domain(&domain_id))?;
    refuse_missing(tx, &domain_id)?;
    refuse_name(tx, &domain_id, &draft.name, None)?;
    let GroupDraft { name, description, extra, .. } = draft;
    let group = Group { id: GroupId(fresh()), domain_id, name, description, extra };
    Ok(GROUPS.insert(tx, group)?.into_inner())
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Group, Error> {
    Ok(find(caller, tx, "identity:get_group", id)?.into_inner())
}

pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    domain_id: Option<&DomainId>,
    name: Option<&str>,
) -> Result<Vec<Group>, Error> {
    let own = scoped_to(caller);
    RULES.check("identity:list_groups", caller, &Target { domain_id: own, ..Target::default() })?;
    let mut select = Select::all().order("id", Direction::Asc);
    for domain in own.into_iter().chain(domain_id) {
        select = select.eq("domain_id", domain);
    }
    if let Some(name) = name {
        select = select.eq("name", name);
    }
    Ok(GROUPS.query(tx, &select)?.into_iter().map(|group| group.into_inner()).collect())
}

/// What a domain's own people see of it: what is in their domain.
fn within(caller: &Caller, select: Select) -> Select {
    match scoped_to(caller) {
        Some(own) => select.eq("domain_id", own),
        None => select,
    }
}

/// The user's groups, and until when the user is in those that a login at an identity provider gave.
pub(crate) fn list_of_user(
    caller: &Caller,
    tx: &mut Tx<'_>,
    user_id: &str,
) -> Result<Vec<(Group, Option<Timestamp>)>, Error> {
    let user = user::ops::find(caller, tx, "identity:list_groups_for_user", user_id)?;
    let lasting = MEMBERSHIPS.query(tx, &Select::all().eq("user_id", &user.id))?;
    let lasting: BTreeSet<GroupId> = lasting.into_iter().map(|found| found.into_inner().group_id).collect();
    let expiring: BTreeMap<GroupId, Timestamp> = groups_now(tx, &user.id)?.into_iter().collect();
    let select = Select::all().is_in("id", lasting.iter().chain(expiring.keys())).order("id", Direction::Asc);
    let found = GROUPS.query(tx, &within(caller, select))?.into_iter().map(|group| {
        let until = expiring.get(&group.id).filter(|_| !lasting.contains(&group.id));
        (group.into_inner(), until.copied())
    });
    Ok(found.collect())
}

pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    change: GroupChange,
) -> Result<Group, Error> {
    let mut group = find(caller, tx, "identity:update_group", id)?;
    refuse_move(&group.domain_id, change.domain_id.as_ref())?;
    if let Some(name) = change.name {
        refuse_name(tx, &group.domain_id, &name, Some(&group.id))?;
        group.name = name;
    }
    if let Some(description) = change.description {
        group.description = description;
    }
    group.extra.extend(change.extra);
    GROUPS.save(tx, &mut group)?;
    Ok(group.into_inner())
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    let group = find(caller, tx, "identity:delete_group", id)?;
    remove(tx, &group)
}

/// Removes a group and what cannot be without it.
pub(crate) fn remove(tx: &mut Tx<'_>, group: &Stored<Group>) -> Result<(), Error> {
    remove_of_actor(tx, &Actor::Group(group.id.clone()))?;
    for membership in MEMBERSHIPS.query(tx, &Select::all().eq("group_id", &group.id))? {
        MEMBERSHIPS.remove(tx, &membership)?;
    }
    crate::federation::user::ops::forget_group(tx, &group.id)?;
    GROUPS.remove(tx, group)?;
    changed(tx);
    Ok(())
}

pub(crate) fn list_users(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Vec<User>, Error> {
    let group = find(caller, tx, "identity:list_users_in_group", id)?;
    let members = MEMBERSHIPS.query(tx, &Select::all().eq("group_id", &group.id))?;
    let ids = members.iter().map(|membership| &membership.user_id);
    let select = Select::all().is_in("id", ids).order("id", Direction::Asc);
    let found = USERS.query(tx, &within(caller, select))?;
    Ok(found.into_iter().map(|user| user.into_inner()).collect())
}

/// The group and the user, about both of which the rule is asked.
fn find_both(
    caller: &Caller,
    tx: &mut Tx<'_>,
    rule: &str,
    (group, user): (&str, &str),
) -> Result<(GroupId, UserId), Error> {
    let (found, member) = (GROUPS.load(tx, group)?, USERS.load(tx, user)?);
    let of_group = found.as_ref().map(|g| ("target.group.domain_id", Value::Text(g.domain_id.as_str())));
    let of_user = member.as_ref().map(|u| ("target.user.domain_id", Value::Text(u.domain_id.as_str())));
    let named: Vec<_> = of_group.into_iter().chain(of_user).collect();
    RULES.check(rule, caller, &Named(&named))?;
    let group = found.ok_or_else(|| Error::not_found("group", group))?;
    let user = member.ok_or_else(|| Error::not_found("user", user))?;
    Ok((group.into_inner().id, user.into_inner().id))
}

pub(crate) fn add_user(caller: &Caller, tx: &mut Tx<'_>, both: (&str, &str)) -> Result<(), Error> {
    let (group_id, user_id) = find_both(caller, tx, "identity:add_user_to_group", both)?;
    if MEMBERSHIPS.load(tx, membership_key(&group_id, &user_id))?.is_none() {
        MEMBERSHIPS.insert(tx, Membership { group_id, user_id })?;
        changed(tx);
    }
    Ok(())
}

pub(crate) fn check_user(caller: &Caller, tx: &mut Tx<'_>, both: (&str, &str)) -> Result<(), Error> {
    let (group_id, user_id) = find_both(caller, tx, "identity:check_user_in_group", both)?;
    match groups_of(tx, &user_id)?.contains(&group_id) {
        true => Ok(()),
        false => Err(absent(both)),
    }
}

pub(crate) fn remove_user(caller: &Caller, tx: &mut Tx<'_>, both: (&str, &str)) -> Result<(), Error> {
    let (group_id, user_id) = find_both(caller, tx, "identity:remove_user_from_group", both)?;
    let membership = MEMBERSHIPS.load(tx, membership_key(&group_id, &user_id))?;
    MEMBERSHIPS.remove(tx, &membership.ok_or_else(|| absent(both))?)?;
    changed(tx);
    Ok(())
}

fn absent((group, user): (&str, &str)) -> Error {
    Error::Absent(format!("User '{user}' not found in group '{group}'"))
}

fn refuse_name(
    tx: &mut Tx<'_>,
    domain_id: &DomainId,
    name: &str,
    own: Option<&GroupId>,
) -> Result<(), Error> {
    match GROUPS.first(tx, &Select::all().eq("domain_id", domain_id).eq("name", name))? {
        Some(known) if Some(&known.id) != own => {
            Err(Error::duplicate("group", name, Some(domain_id.as_str())))
        }
        _ => Ok(()),
    }
}
