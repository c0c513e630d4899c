//! What can be done with roles and with what they imply.

use policy::{Caller, Named, Target};
use store::{Direction, Select, Stored, Tx};
use types::RoleId;

use super::model::{Implication, Role, RoleChange, RoleDraft};
use super::store::{IMPLICATIONS, ROLES};
use crate::Error;
use crate::assignment::store::remove_of_role;
use crate::domain::ops::refuse_missing;
use crate::ids::{fresh, key_of};
use crate::immutable;
use crate::policy::RULES;
use crate::token::ops::changed;

/// Roles of domains have rules of their own: `get_role` becomes `get_domain_role`.
fn rule(verb: &str, noun: &str, of_domain: bool) -> String {
    if of_domain { format!("identity:{verb}_domain_{noun}") } else { format!("identity:{verb}_{noun}") }
}

fn find(caller: &Caller, tx: &mut Tx<'_>, verb: &str, id: &str) -> Result<Stored<Role>, Error> {
    let found = ROLES.load(tx, id)?;
    let of_domain = found.as_ref().is_some_and(|role| role.domain_id.is_some());
    let named: Vec<_> = found.iter().flat_map(|role| role.attributes()).collect();
    RULES.check(&rule(verb, "role", of_domain), caller, &Named(&named))?;
    found.ok_or_else(|| Error::not_found("role", id))
}

/// A role that is named by an assignment, an implication or a trust.
pub(crate) fn existing(tx: &mut Tx<'_>, id: &str) -> Result<Role, Error> {
    Ok(ROLES.load(tx, id)?.ok_or_else(|| Error::not_found("role", id))?.into_inner())
}

pub(crate) fn create(caller: &Caller, tx: &mut Tx<'_>, draft: RoleDraft) -> Result<Role, Error> {
    RULES.check(&rule("create", "role", draft.domain_id.is_some()), caller, &Target::default())?;
    if let Some(domain) = &draft.domain_id {
        refuse_missing(tx, domain)?;
    }
    let RoleDraft { domain_id, name, description, immutable, extra } = draft;
    let role = Role { id: RoleId(fresh()), domain_id, name, description, immutable, extra };
    refuse_name(tx, &role)?;
    Ok(ROLES.insert(tx, role)?.into_inner())
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Role, Error> {
    Ok(find(caller, tx, "get", id)?.into_inner())
}

/// The roles of a domain, or those of the whole cloud.
pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    domain_id: Option<&str>,
    name: Option<&str>,
) -> Result<Vec<Role>, Error> {
    RULES.check(&rule("list", "roles", domain_id.is_some()), caller, &Target::default())?;
    let mut select = Select::all().eq("domain_id", domain_id.unwrap_or("")).order("id", Direction::Asc);
    if let Some(name) = name {
        select = select.eq("name_hash", key_of(&[name]));
    }
    Ok(ROLES.query(tx, &select)?.into_iter().map(|role| role.into_inner()).collect())
}

pub(crate) fn update(caller: &Caller, tx: &mut Tx<'_>, id: &str, change: RoleChange) -> Result<Role, Error> {
    let mut role = find(caller, tx, "update", id)?;
    immutable::refuse_update("role", id, role.immutable, change.only_unlocks())?;
    if change.domain_id.is_some_and(|asked| asked != role.domain_id) {
        return Err(Error::Invalid("Update of `domain_id` is not allowed.".to_owned()));
    }
    if let Some(immutable) = change.immutable {
        role.immutable = immutable;
    }
    if let Some(name) = change.name {
        role.name = name;
        refuse_name(tx, &role)?;
    }
    if let Some(description) = change.description {
        role.description = description;
    }
    role.extra.extend(change.extra);
    ROLES.save(tx, &mut role)?;
    changed(tx);
    Ok(role.into_inner())
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    let role = find(caller, tx, "delete", id)?;
    immutable::refuse_delete("role", id, role.immutable)?;
    remove(tx, &role)
}

/// Removes a role and what cannot be without it.
pub(crate) fn remove(tx: &mut Tx<'_>, role: &Stored<Role>) -> Result<(), Error> {
    remove_of_role(tx, &role.id)?;
    for side in ["prior_role_id", "implied_role_id"] {
        for implication in IMPLICATIONS.query(tx, &Select::all().eq(side, &role.id))? {
            IMPLICATIONS.remove(tx, &implication)?;
        }
    }
    ROLES.remove(tx, role)?;
    changed(tx);
    Ok(())
}

fn refuse_name(tx: &mut Tx<'_>, role: &Role) -> Result<(), Error> {
    let domain = role.domain_id.as_ref().map_or("", |id| id.as_str());
    let select = Select::all().eq("domain_id", domain).eq("name_hash", key_of(&[&role.name]));
    match ROLES.first(tx, &select)? {
        Some(known) if known.id != role.id => Err(Error::duplicate("role", &role.name, None)),
        _ => Ok(()),
    }
}

/// A role and the roles that follow from it directly.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Inference {
    pub(crate) prior: Role,
    pub(crate) implies: Vec<Role>,
}

/// Every role that implies another.
pub(crate) fn list_inferences(caller: &Caller, tx: &mut Tx<'_>) -> Result<Vec<Inference>, Error> {
    RULES.check("identity:list_role_inference_rules", caller, &Target::default())?;
    let mut inferences: Vec<Inference> = Vec::new();
    for found in IMPLICATIONS.query(tx, &Select::all().order("prior_role_id", Direction::Asc))? {
        let implied = existing(tx, found.implied.as_str())?;
        match inferences.last_mut().filter(|last| last.prior.id == found.prior) {
            Some(last) => last.implies.push(implied),
            None => {
                let prior = existing(tx, found.prior.as_str())?;
                inferences.push(Inference { prior, implies: vec![implied] });
            }
        }
    }
    // The same order whatever the database.
    for inference in &mut inferences {
        inference.implies.sort_by(|a, b| b.name.cmp(&a.name));
    }
    Ok(inferences)
}

pub(crate) fn list_implied(caller: &Caller, tx: &mut Tx<'_>, prior: &str) -> Result<Inference, Error> {
    RULES.check("identity:list_implied_roles", caller, &Target::default())?;
    let prior = existing(tx, prior)?;
    let found = IMPLICATIONS.query(tx, &Select::all().eq("prior_role_id", &prior.id))?;
    let implies = found.iter().map(|found| existing(tx, found.implied.as_str()));
    Ok(Inference { implies: implies.collect::<Result<_, _>>()?, prior })
}

/// One implication, under the rule that the request asks for.
pub(crate) fn show_implied(
    caller: &Caller,
    tx: &mut Tx<'_>,
    rule: &str,
    (prior, implied): (&str, &str),
) -> Result<(Role, Role), Error> {
    RULES.check(rule, caller, &Target::default())?;
    let both = (existing(tx, prior)?, existing(tx, implied)?);
    match IMPLICATIONS.load(tx, key_of(&[prior, implied]))? {
        Some(_) => Ok(both),
        None => Err(not_implied(prior, implied)),
    }
}

pub(crate) fn create_implied(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (prior, implied): (&str, &str),
) -> Result<(Role, Role), Error> {
    RULES.check("identity:create_implied_role", caller, &Target::default())?;
    let both = (existing(tx, prior)?, existing(tx, implied)?);
    // Keystone's prohibited_implied_role: nobody becomes an administrator by implication. Nor does a role of the whole
    // cloud bring one of a domain.
    let leaves_domain = both.0.domain_id.is_none() && both.1.domain_id.is_some();
    if both.1.name == "admin" || leaves_domain {
        return Err(Error::Forbidden(format!("{implied} cannot be an implied roles.")));
    }
    if IMPLICATIONS.load(tx, key_of(&[prior, implied]))?.is_some() {
        return Err(Error::Conflict { kind: "implied_role", detail: "Duplicate entry".to_owned() });
    }
    let implication = Implication { prior: both.0.id.clone(), implied: both.1.id.clone() };
    IMPLICATIONS.insert(tx, implication)?;
    changed(tx);
    Ok(both)
}

pub(crate) fn delete_implied(
    caller: &Caller,
    tx: &mut Tx<'_>,
    (prior, implied): (&str, &str),
) -> Result<(), Error> {
    RULES.check("identity:delete_implied_role", caller, &Target::default())?;
    let (prior, implied) = (existing(tx, prior)?.id, existing(tx, implied)?.id);
    let found = IMPLICATIONS.load(tx, key_of(&[prior.as_str(), implied.as_str()]))?;
    IMPLICATIONS.remove(tx, &found.ok_or_else(|| not_implied(prior.as_str(), implied.as_str()))?)?;
    changed(tx);
    Ok(())
}

fn not_implied(prior: &str, implied: &str) -> Error {
    Error::Absent(format!("{prior} does not imply {implied}."))
}
