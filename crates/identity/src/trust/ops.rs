//! What can be done with trusts.

use std::collections::BTreeSet;

use policy::{Caller, Target};
use store::{Direction, Select, Stored, Tx};
use types::{RoleId, UserId};

use super::model::{RoleSpec, Trust, TrustDraft};
use super::store::TRUSTS;
use crate::Error;
use crate::assignment::model::Target as AssignedIn;
use crate::assignment::store::roles_of;
use crate::ids::{TrustId, fresh, key_of};
use crate::policy::RULES;
use crate::project::store::PROJECTS;
use crate::role::model::{Role, implied};
use crate::role::ops::existing;
use crate::role::store::{ROLES, implications};
use crate::token::ops::changed;
use crate::user::store::USERS;

/// Trustor and trustee may see a trust. One that is not there is 404 to everybody, as upstream.
fn find(caller: &Caller, tx: &mut Tx<'_>, rule: &str, id: &str) -> Result<Stored<Trust>, Error> {
    let trust = TRUSTS.load(tx, id)?.filter(|trust| trust.expires_at.is_none_or(|at| at > tx.now()));
    let trust = trust.ok_or_else(|| Error::not_found("trust", id))?;
    let mut target = Target::user(&trust.trustor_id);
    // Upstream lets the trustee see a trust but not end it.
    if rule != "identity:delete_trust" && caller.user_id == trust.trustee_id {
        target = Target::user(&trust.trustee_id);
    }
    RULES.check(rule, caller, &target)?;
    Ok(trust)
}

/// Makes a trust. Whoever acts by a trust cannot make another: it could give more than it was given.
pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    draft: TrustDraft,
    by_trust: bool,
) -> Result<Trust, Error> {
    RULES.check("identity:create_trust", caller, &Target::user(&draft.trustor_id))?;
    if by_trust {
        return Err(Error::Denied("Redelegation is not built".to_owned()));
    }
    if draft.project_id.is_some() && draft.roles.is_empty() {
        return Err(Error::Denied("At least one role should be specified".to_owned()));
    }
    if USERS.load(tx, &draft.trustee_id)?.is_none() {
        return Err(Error::not_found("user", &draft.trustee_id));
    }
    if draft.expires_at.is_some_and(|at| at <= tx.now()) {
        return Err(Error::Invalid(
            "The 'expires_at' must not be before now. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error."
                .to_owned(),
        ));
    }
    let held = match &draft.project_id {
        None => BTreeSet::new(),
        Some(project) => {
            if PROJECTS.load(tx, project)?.is_none() {
                return Err(Error::not_found("project", project));
            }
            let held = roles_of(tx, &draft.trustor_id, &AssignedIn::Project(project.clone()))?;
            implied(&held, &implications(tx)?)
        }
    };
    let mut roles = Vec::with_capacity(draft.roles.len());
    for spec in &draft.roles {
        let role = role_named(tx, spec)?;
        if !held.contains(&role.id) {
            return Err(Error::not_found("role", &role.id));
        }
        roles.push(role.id);
    }
    let trust = Trust {
        id: TrustId(fresh()),
        trustor_id: draft.trustor_id,
        trustee_id: draft.trustee_id,
        project_id: draft.project_id,
        roles,
        impersonation: draft.impersonation,
        expires_at: draft.expires_at,
        remaining_uses: draft.remaining_uses,
    };
    Ok(TRUSTS.insert(tx, trust)?.into_inner())
}

fn role_named(tx: &mut Tx<'_>, spec: &RoleSpec) -> Result<Role, Error> {
    match spec {
        RoleSpec::Id(id) => existing(tx, id.as_str()),
        RoleSpec::Name(name) => {
            let select = Select::all().eq("domain_id", "").eq("name_hash", key_of(&[name]));
            let found = ROLES.first(tx, &select)?.ok_or_else(|| Error::not_found("role", name))?;
            Ok(found.into_inner())
        }
    }
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Trust, Error> {
    Ok(find(caller, tx, "identity:get_trust", id)?.into_inner())
}

pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    trustor: Option<&UserId>,
    trustee: Option<&UserId>,
) -> Result<Vec<Trust>, Error> {
    let mut select = Select::all().order("id", Direction::Asc);
    match (trustor, trustee) {
        (Some(user), _) => {
            RULES.check("identity:list_trusts_for_trustor", caller, &Target::user(user))?;
        }
        (None, Some(user)) => {
            RULES.check("identity:list_trusts_for_trustee", caller, &Target::user(user))?;
        }
        (None, None) => RULES.check("identity:list_trusts", caller, &Target::default())?,
    }
    if let Some(user) = trustor {
        select = select.eq("trustor_id", user);
    }
    if let Some(user) = trustee {
        select = select.eq("trustee_id", user);
    }
    let now = tx.now();
    let found = TRUSTS.query(tx, &select)?.into_iter().map(|trust| trust.into_inner());
    Ok(found.filter(|trust| trust.expires_at.is_none_or(|at| at > now)).collect())
}

/// The roles that a trust gives, as far as they still exist.
pub(crate) fn roles(tx: &mut Tx<'_>, trust: &Trust) -> Result<Vec<Role>, Error> {
    let found = ROLES.query(tx, &Select::all().is_in("id", &trust.roles).order("id", Direction::Asc))?;
    Ok(found.into_iter().map(|role| role.into_inner()).collect())
}

pub(crate) fn list_roles(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Vec<Role>, Error> {
    let trust = find(caller, tx, "identity:list_roles_for_trust", id)?;
    roles(tx, &trust)
}

pub(crate) fn show_role(caller: &Caller, tx: &mut Tx<'_>, id: &str, role_id: &str) -> Result<Role, Error> {
    let trust = find(caller, tx, "identity:get_role_for_trust", id)?;
    if !trust.roles.contains(&RoleId::from(role_id)) {
        return Err(Error::not_found("role", role_id));
    }
    existing(tx, role_id)
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    let trust = find(caller, tx, "identity:delete_trust", id)?;
    TRUSTS.remove(tx, &trust)?;
    changed(tx);
    Ok(())
}
