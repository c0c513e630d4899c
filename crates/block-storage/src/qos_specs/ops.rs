//! What administrators do with QoS specs.

use policy::Caller;
use store::{Condition, Select, Stored, Tx};
use types::QosSpecsId;

use super::QosSpecs;
use super::model::QosChange;
use super::store::{QOS_SPECS, by_name};
use crate::error::Error;
use crate::list::Paging;
use crate::policy::{RULES, own};
use crate::volume;
use crate::volume_type::VolumeType;
use crate::volume_type::ops as types_ops;
use crate::volume_type::store::{TYPES, with_qos};

fn absent(id: impl std::fmt::Display) -> Error {
    Error::NoSuch(format!("No such QoS spec {id}."))
}

/// QoS specs that are there for sure, for a type has them.
pub(crate) fn load(tx: &mut Tx<'_>, id: QosSpecsId) -> Result<Stored<QosSpecs>, Error> {
    QOS_SPECS.load(tx, id)?.ok_or_else(|| absent(id))
}

fn find_for(caller: &Caller, tx: &mut Tx<'_>, id: &str, verb: &str) -> Result<Stored<QosSpecs>, Error> {
    let rule = format!("volume_extension:qos_specs_manage:{verb}");
    RULES.check(&rule, caller, &own(caller))?;
    load(tx, id.parse().map_err(|_| absent(id))?)
}

/// Creates QoS specs.
pub(crate) fn create(caller: &Caller, tx: &mut Tx<'_>, draft: QosSpecs) -> Result<Stored<QosSpecs>, Error> {
    RULES.check("volume_extension:qos_specs_manage:create", caller, &own(caller))?;
    if by_name(tx, &draft.name)?.is_some() {
        return Err(Error::Conflict(format!("QoS Specs {} already exists.", draft.name)));
    }
    Ok(QOS_SPECS.insert(tx, draft)?)
}

/// One of them.
pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Stored<QosSpecs>, Error> {
    find_for(caller, tx, id, "get")
}

/// Those that satisfy the conditions.
pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    conditions: Vec<Condition>,
    paging: &Paging,
) -> Result<Vec<QosSpecs>, Error> {
    RULES.check("volume_extension:qos_specs_manage:get_all", caller, &own(caller))?;
    let select = conditions.into_iter().fold(Select::all(), Select::with);
    let marker = match &paging.marker {
        None => None,
        Some(text) => Some(load(tx, text.parse().map_err(|_| absent(text))?)?),
    };
    Ok(paging.page(tx, &QOS_SPECS, select, marker.as_deref())?.rows)
}

/// Adds keys, gives others another value.
pub(crate) fn update(caller: &Caller, tx: &mut Tx<'_>, id: &str, change: QosChange) -> Result<(), Error> {
    let mut found = find_for(caller, tx, id, "update")?;
    found.consumer = change.consumer.unwrap_or(found.consumer);
    found.specs.extend(change.specs);
    QOS_SPECS.save(tx, &mut found)?;
    changed(tx, found.id)
}

/// Takes keys away, all or none.
pub(crate) fn delete_keys(caller: &Caller, tx: &mut Tx<'_>, id: &str, keys: &[String]) -> Result<(), Error> {
    let mut found = find_for(caller, tx, id, "delete")?;
    for key in keys {
        if found.specs.remove(key).is_none() {
            return Err(Error::NoSuch(format!("QoS spec {id} has no spec with key {key}.")));
        }
    }
    QOS_SPECS.save(tx, &mut found)?;
    changed(tx, found.id)
}

/// The volumes of the types that have these are held to what they say now, those in servers at once.
fn changed(tx: &mut Tx<'_>, id: QosSpecsId) -> Result<(), Error> {
    for user in with_qos(tx, id)? {
        volume::reconcile::look_at_type(tx, user.id)?;
    }
    Ok(())
}

/// Removes QoS specs; if they are forced out, types that have them are left without.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str, force: bool) -> Result<(), Error> {
    let found = find_for(caller, tx, id, "delete")?;
    let users = with_qos(tx, found.id)?;
    if !users.is_empty() && !force {
        return Err(Error::Invalid("Qos specs still in use.".to_owned()));
    }
    part_from(tx, users)?;
    Ok(QOS_SPECS.remove(tx, &found)?)
}

/// The types that have them.
pub(crate) fn associations(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
) -> Result<Vec<Stored<VolumeType>>, Error> {
    let found = find_for(caller, tx, id, "get_all")?;
    Ok(with_qos(tx, found.id)?)
}

/// Gives them to a type that has none.
pub(crate) fn associate(caller: &Caller, tx: &mut Tx<'_>, id: &str, type_id: &str) -> Result<(), Error> {
    let found = find_for(caller, tx, id, "update")?;
    let mut user = types_ops::find(caller, tx, type_id)?;
    match user.qos_specs_id {
        Some(other) if other != found.id => {
            let text = format!(
                "Invalid volume type: Type {type_id} is already associated with another qos specs: {other}"
            );
            Err(Error::Invalid(text))
        }
        Some(_) => Ok(()),
        None => {
            user.qos_specs_id = Some(found.id);
            TYPES.save(tx, &mut user)?;
            Ok(volume::reconcile::look_at_type(tx, user.id)?)
        }
    }
}

/// Takes them from a type, if it has them.
pub(crate) fn disassociate(caller: &Caller, tx: &mut Tx<'_>, id: &str, type_id: &str) -> Result<(), Error> {
    let found = find_for(caller, tx, id, "update")?;
    let user = types_ops::find(caller, tx, type_id)?;
    if user.qos_specs_id == Some(found.id) { part_from(tx, vec![user]) } else { Ok(()) }
}

/// Takes them from all types.
pub(crate) fn disassociate_all(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    let found = find_for(caller, tx, id, "update")?;
    let users = with_qos(tx, found.id)?;
    part_from(tx, users)
}

fn part_from(tx: &mut Tx<'_>, users: Vec<Stored<VolumeType>>) -> Result<(), Error> {
    for mut user in users {
        user.qos_specs_id = None;
        TYPES.save(tx, &mut user)?;
        volume::reconcile::look_at_type(tx, user.id)?;
    }
    Ok(())
}
