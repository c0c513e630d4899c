//! What can be done with policy documents.

use policy::{Caller, Target};
use store::{Direction, Select, Stored, Tx};

use super::model::{PolicyChange, PolicyDocument};
use super::store::POLICIES;
use crate::Error;
use crate::endpoint_policy::store::forget;
use crate::policy::RULES;

fn find(caller: &Caller, tx: &mut Tx<'_>, rule: &str, id: &str) -> Result<Stored<PolicyDocument>, Error> {
    RULES.check(rule, caller, &Target::default())?;
    POLICIES.load(tx, id)?.ok_or_else(|| Error::not_found("policy", id))
}

pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    document: PolicyDocument,
) -> Result<PolicyDocument, Error> {
    RULES.check("identity:create_policy", caller, &Target::default())?;
    Ok(POLICIES.insert(tx, document)?.into_inner())
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<PolicyDocument, Error> {
    Ok(find(caller, tx, "identity:get_policy", id)?.into_inner())
}

pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    kind: Option<&str>,
) -> Result<Vec<PolicyDocument>, Error> {
    RULES.check("identity:list_policies", caller, &Target::default())?;
    let mut select = Select::all().order("id", Direction::Asc);
    if let Some(kind) = kind {
        select = select.eq("type", kind);
    }
    Ok(POLICIES.query(tx, &select)?.into_iter().map(|document| document.into_inner()).collect())
}

pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    change: PolicyChange,
) -> Result<PolicyDocument, Error> {
    let mut document = find(caller, tx, "identity:update_policy", id)?;
    if let Some(kind) = change.kind {
        document.kind = kind;
    }
    if let Some(blob) = change.blob {
        document.blob = blob;
    }
    document.extra.extend(change.extra);
    POLICIES.save(tx, &mut document)?;
    Ok(document.into_inner())
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    let document = find(caller, tx, "identity:delete_policy", id)?;
    forget(tx, "policy_id", &document.id)?;
    Ok(POLICIES.remove(tx, &document)?)
}
