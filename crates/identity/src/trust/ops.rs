//! What can be done with trusts.

use std::collections::BTreeSet;

use policy::{Caller, Delegation, Named, Target, Value};
use store::{Direction, Select, Stored, Tx};
use types::{RoleId, UserId};

use super::model::{RoleSpec, Trust, TrustDraft};
use super::store::{CHAIN_MAX, TRUSTS, chain_of};
use crate::Error;
use crate::assignment::model::Target as AssignedIn;
use crate::assignment::reach::roles_of;
use crate::ids::{TrustId, fresh, key_of};
use crate::policy::RULES;
use crate::project::store::PROJECTS;
use crate::revocation;
use crate::role::model::{Role, implied};
use crate::role::ops::existing;
use crate::role::store::{ROLES, implications};
use crate::user::store::USERS;

/// Trustor and trustee may see a trust. One that is not there is 404 to everybody, as upstream.
fn find(caller: &Caller, tx: &mut Tx<'_>, rule: &str, id: &str) -> Result<Stored<Trust>, Error> {
    let trust = TRUSTS.load(tx, id)?.filter(|trust| trust.expires_at.is_none_or(|at| at > tx.now()));
    let trust = trust.ok_or_else(|| Error::not_found("trust", id))?;
    RULES.check(rule, caller, &Named(&[by_trustor(&trust.trustor_id), by_trustee(&trust.trustee_id)]))?;
    refuse_application_credential(caller)?;
    Ok(trust)
}

fn by_trustor(user: &UserId) -> (&'static str, Value<'_>) {
    ("target.trust.trustor_user_id", Value::Text(user.as_str()))
}

fn by_trustee(user: &UserId) -> (&'static str, Value<'_>) {
    ("target.trust.trustee_user_id", Value::Text(user.as_str()))
}

/// Makes a trust, or hands one on where the caller acts by one that allows it.
pub(crate) fn create(caller: &Caller, tx: &mut Tx<'_>, draft: TrustDraft) -> Result<Trust, Error> {
    RULES.check("identity:create_trust", caller, &Named(&[by_trustor(&draft.trustor_id)]))?;
    refuse_application_credential(caller)?;
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
    let chain = match &caller.delegation {
        Some(Delegation::Trust { id }) => chain_of(tx, &TrustId(id.clone()))?,
        Some(Delegation::AccessToken { .. }) => {
            return Err(Error::Denied("Redelegation allowed for delegated by trust only".to_owned()));
        }
        Some(Delegation::ApplicationCredential { .. } | Delegation::Ec2Key) | None => Vec::new(),
    };
    let holder = chain.last().map_or(&draft.trustor_id, |first| &first.trustor_id).clone();
    let roles = roles_held(tx, &draft, &holder)?;
    let mut trust = Trust {
        id: TrustId(fresh()),
        redelegation_count: depth(&draft)?,
        redelegated_from: None,
        trustor_id: draft.trustor_id,
        trustee_id: draft.trustee_id,
        project_id: draft.project_id,
        roles,
        impersonation: draft.impersonation,
        expires_at: draft.expires_at,
        remaining_uses: draft.remaining_uses,
    };
    if let Some(parent) = chain.first() {
        hand_on(parent, &mut trust, draft.allow_redelegation, draft.redelegation_count)?;
        chain.iter().try_for_each(|above| refuse_more(above, &trust))?;
    }
    Ok(TRUSTS.insert(tx, trust)?.into_inner())
}

/// An application credential is for one project; what its owner was entrusted with is none of its business.
fn refuse_application_credential(caller: &Caller) -> Result<(), Error> {
    match &caller.delegation {
        Some(Delegation::ApplicationCredential { .. }) => {
            Err(Error::Denied("Delegated tokens cannot manage trusts.".to_owned()))
        }
        Some(Delegation::Trust { .. } | Delegation::Ec2Key | Delegation::AccessToken { .. }) | None => Ok(()),
    }
}

/// The roles to be given, each of which the holder has in the project.
fn roles_held(tx: &mut Tx<'_>, draft: &TrustDraft, holder: &UserId) -> Result<Vec<RoleId>, Error> {
    let held = match &draft.project_id {
        None => BTreeSet::new(),
        Some(project) => {
            if PROJECTS.load(tx, project)?.is_none() {
                return Err(Error::not_found("project", project));
            }
            let held = roles_of(tx, holder, &AssignedIn::Project(project.clone()))?;
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
    Ok(roles)
}

/// How many times a new trust can be handed on.
fn depth(draft: &TrustDraft) -> Result<u32, Error> {
    if !draft.allow_redelegation || draft.redelegation_count == Some(0) {
        return Ok(0);
    }
    let asked = draft.redelegation_count.unwrap_or(CHAIN_MAX);
    if asked > CHAIN_MAX {
        return Err(Error::Forbidden(format!(
            "Requested redelegation depth of {asked} is greater than allowed {CHAIN_MAX}"
        )));
    }
    if draft.remaining_uses.is_some() {
        return Err(Error::Invalid("remaining_uses must not be set if redelegation is allowed".to_owned()));
    }
    Ok(asked)
}

/// Makes `trust` one that `parent` is handed on by: one step less deep, and not longer in force.
fn hand_on(parent: &Trust, trust: &mut Trust, allow: bool, asked: Option<u32>) -> Result<(), Error> {
    let left = parent.redelegation_count.saturating_sub(1);
    if allow && asked.is_some_and(|asked| asked != 0 && asked != left) {
        return Err(Error::Forbidden(
            "Modifying \"redelegation_count\" upon redelegation is forbidden. Omitting this parameter is advised."
                .to_owned(),
        ));
    }
    trust.redelegated_from = Some(parent.id.clone());
    trust.redelegation_count = if trust.redelegation_count == 0 { 0 } else { left };
    trust.expires_at = trust.expires_at.or(parent.expires_at);
    Ok(())
}

/// A trust that is handed on gives no more than any of those above it.
fn refuse_more(above: &Trust, trust: &Trust) -> Result<(), Error> {
    let outlives = match (above.expires_at, trust.expires_at) {
        (Some(above), Some(own)) => own > above,
        (Some(_), None) => true,
        (None, _) => false,
    };
    let elsewhere = above.project_id != trust.project_id;
    let refusals = [
        (
            !(1..=CHAIN_MAX).contains(&above.redelegation_count),
            format!(
                "Remaining redelegation depth of {} out of allowed range of [0..{CHAIN_MAX}]",
                above.redelegation_count
            ),
        ),
        (
            trust.remaining_uses.is_some(),
            "Field \"remaining_uses\" must not be set in order to redelegate a trust".to_owned(),
        ),
        (outlives, "Requested expiration time is more than redelegated trust can provide".to_owned()),
        (
            elsewhere || !trust.roles.iter().all(|role| above.roles.contains(role)),
            "Some of requested roles are not in redelegated trust".to_owned(),
        ),
        (
            trust.impersonation && !above.impersonation,
            format!(
                "Impersonation is not allowed because redelegated trust does not specify impersonation. Redelegated trust id: {}",
                above.id
            ),
        ),
    ];
    match refusals.into_iter().find(|(refused, _)| *refused) {
        Some((_, why)) => Err(Error::Forbidden(why)),
        None => Ok(()),
    }
}

/// The role that is meant.
pub(crate) fn role_named(tx: &mut Tx<'_>, spec: &RoleSpec) -> Result<Role, Error> {
    match spec {
        RoleSpec::Id(id) => existing(tx, id.as_str()),
        RoleSpec::Name(name) => {
            let select = Select::all().eq("domain_id", "").eq("name_hash", key_of(&[name]));
            let found = ROLES
                .first(tx, &select)?
                .ok_or_else(|| Error::Absent(format!("Role {name} is not defined")))?;
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
            RULES.check("identity:list_trusts_for_trustor", caller, &Named(&[by_trustor(user)]))?;
        }
        (None, Some(user)) => {
            RULES.check("identity:list_trusts_for_trustee", caller, &Named(&[by_trustee(user)]))?;
        }
        (None, None) => RULES.check("identity:list_trusts", caller, &Target::default())?,
    }
    refuse_application_credential(caller)?;
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
    remove(tx, &trust)
}

/// Removes a trust and those that it was handed on by.
pub(crate) fn remove(tx: &mut Tx<'_>, trust: &Stored<Trust>) -> Result<(), Error> {
    // What it was handed on by names the same trustor or, without impersonation, the trustee.
    let mut below = TRUSTS.query(tx, &Select::all().eq("trustor_id", &trust.trustor_id))?;
    below.extend(TRUSTS.query(tx, &Select::all().eq("trustor_id", &trust.trustee_id))?);
    let mut removed = BTreeSet::new();
    for other in below {
        if other.redelegated_from.as_ref() == Some(&trust.id) && removed.insert(other.id.to_string()) {
            remove(tx, &other)?;
        }
    }
    TRUSTS.remove(tx, trust)?;
    revocation::ops::create_for_trust(tx, &trust.id)
}
