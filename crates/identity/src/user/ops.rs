//! What can be done with users. Passwords arrive here as hashes.

use policy::{Caller, Target};
use store::{Direction, Select, Stored, Tx};
use types::{DomainId, UserId};

use super::model::{User, UserChange, UserDraft, UserFilter};
use super::store::USERS;
use crate::Error;
use crate::access_rule;
use crate::application_credential;
use crate::assignment::model::Actor;
use crate::assignment::store::remove_of_actor;
use crate::credential::store::CREDENTIALS;
use crate::domain::ops::{domain_for, refuse_missing, refuse_move, scoped_to};
use crate::group::store::MEMBERSHIPS;
use crate::ids::{fresh, key_of};
use crate::policy::RULES;
use crate::revocation;
use crate::token::ops::changed;
use crate::trust;
use crate::trust::store::TRUSTS;

pub(crate) fn find(caller: &Caller, tx: &mut Tx<'_>, rule: &str, id: &str) -> Result<Stored<User>, Error> {
    let found = USERS.load(tx, id)?;
    let target = found.as_ref().map_or(Target::default(), |user| Target {
        user_id: Some(&user.id),
        domain_id: Some(&user.domain_id),
        project_id: None,
    });
    RULES.check(rule, caller, &target)?;
    found.ok_or_else(|| Error::not_found("user", id))
}

/// Whether the caller may create a user there; asked before a password is hashed for it, and again after.
pub(crate) fn check_create(caller: &Caller, tx: &mut Tx<'_>, draft: &UserDraft) -> Result<DomainId, Error> {
    let domain_id = domain_for(caller, draft.domain_id.clone());
    RULES.check("identity:create_user", caller, &Target::domain(&domain_id))?;
    refuse_missing(tx, &domain_id)?;
    refuse_name(tx, &domain_id, &draft.name, None)?;
    Ok(domain_id)
}

pub(crate) fn create(caller: &Caller, tx: &mut Tx<'_>, draft: UserDraft) -> Result<User, Error> {
    let domain_id = check_create(caller, tx, &draft)?;
    let user = User {
        id: UserId(fresh()),
        domain_id,
        name: draft.name,
        enabled: draft.enabled,
        default_project_id: draft.default_project_id,
        password: draft.password,
        extra: draft.extra,
    };
    Ok(USERS.insert(tx, user)?.into_inner())
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<User, Error> {
    Ok(find(caller, tx, "identity:get_user", id)?.into_inner())
}

pub(crate) fn list(caller: &Caller, tx: &mut Tx<'_>, filter: &UserFilter) -> Result<Vec<User>, Error> {
    let own = scoped_to(caller);
    RULES.check("identity:list_users", caller, &Target { domain_id: own, ..Target::default() })?;
    let mut select = Select::all().order("id", Direction::Asc);
    for domain in own.into_iter().chain(&filter.domain_id) {
        select = select.eq("domain_id", domain);
    }
    if let Some(name) = &filter.name {
        select = select.eq("name_hash", key_of(&[name]));
    }
    if let Some(enabled) = filter.enabled {
        select = select.eq("enabled", enabled);
    }
    Ok(USERS.query(tx, &select)?.into_iter().map(|user| user.into_inner()).collect())
}

pub(crate) fn update(caller: &Caller, tx: &mut Tx<'_>, id: &str, change: UserChange) -> Result<User, Error> {
    let mut user = find(caller, tx, "identity:update_user", id)?;
    refuse_move(&user.domain_id, change.domain_id.as_ref())?;
    if let Some(name) = change.name {
        refuse_name(tx, &user.domain_id, &name, Some(&user.id))?;
        user.name = name;
    }
    if let Some(enabled) = change.enabled {
        // Enabled again, the user logs in again: the old tokens stay worthless.
        if user.enabled && !enabled {
            application_credential::ops::remove_of(tx, Some(&user.id), None)?;
            revocation::ops::create_for_user(tx, &user.id)?;
        }
        user.enabled = enabled;
    }
    if let Some(project) = change.default_project_id {
        user.default_project_id = project;
    }
    if let Some(password) = change.password {
        user.password = password;
        revocation::ops::create_for_user(tx, &user.id)?;
    }
    user.extra.extend(change.extra);
    USERS.save(tx, &mut user)?;
    changed(tx);
    Ok(user.into_inner())
}

/// Replaces the password, if it still is the one that was compared with the original that the user gave.
pub(crate) fn change_password(
    tx: &mut Tx<'_>,
    id: &UserId,
    compared: &str,
    password: String,
) -> Result<(), Error> {
    let mut user = USERS.load(tx, id)?.ok_or(Error::Unauthorized)?;
    if !user.enabled || user.password.as_deref() != Some(compared) {
        return Err(Error::Unauthorized);
    }
    user.password = Some(password);
    revocation::ops::create_for_user(tx, id)?;
    USERS.save(tx, &mut user)?;
    changed(tx);
    Ok(())
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    let user = find(caller, tx, "identity:delete_user", id)?;
    remove(tx, &user)
}

/// Removes a user and what cannot be without it.
pub(crate) fn remove(tx: &mut Tx<'_>, user: &Stored<User>) -> Result<(), Error> {
    remove_of_actor(tx, &Actor::User(user.id.clone()))?;
    for membership in MEMBERSHIPS.query(tx, &Select::all().eq("user_id", &user.id))? {
        MEMBERSHIPS.remove(tx, &membership)?;
    }
    for credential in CREDENTIALS.query(tx, &Select::all().eq("user_id", &user.id))? {
        CREDENTIALS.remove(tx, &credential)?;
    }
    for side in ["trustor_id", "trustee_id"] {
        // One at a time, for with it go those that it was handed on by.
        while let Some(trust) = TRUSTS.first(tx, &Select::all().eq(side, &user.id))? {
            trust::ops::remove(tx, &trust)?;
        }
    }
    application_credential::ops::remove_of(tx, Some(&user.id), None)?;
    access_rule::ops::remove_of_user(tx, &user.id)?;
    USERS.remove(tx, user)?;
    revocation::ops::create_for_user(tx, &user.id)?;
    changed(tx);
    Ok(())
}

fn refuse_name(tx: &mut Tx<'_>, domain_id: &DomainId, name: &str, own: Option<&UserId>) -> Result<(), Error> {
    let select = Select::all().eq("domain_id", domain_id).eq("name_hash", key_of(&[name]));
    match USERS.first(tx, &select)? {
        Some(known) if Some(&known.id) != own => {
            Err(Error::duplicate("user", name, Some(domain_id.as_str())))
        }
        _ => Ok(()),
    }
}
