//! What can be done with mappings.

use policy::{Caller, Target};
use store::{Direction, Select, Stored, Tx};

use super::model::Mapping;
use super::store::MAPPINGS;
use crate::Error;
use crate::policy::RULES;
use crate::token::ops::changed;

/// The mapping of this id, for whoever has checked that the caller may know.
pub(crate) fn find(tx: &mut Tx<'_>, id: &str) -> Result<Stored<Mapping>, Error> {
    MAPPINGS.load(tx, id)?.ok_or_else(|| Error::not_found("mapping", id))
}

pub(crate) fn create(caller: &Caller, tx: &mut Tx<'_>, mapping: Mapping) -> Result<Mapping, Error> {
    RULES.check("identity:create_mapping", caller, &Target::default())?;
    if MAPPINGS.load(tx, &mapping.id)?.is_some() {
        return Err(Error::Conflict { kind: "mapping", detail: "Duplicate entry".to_owned() });
    }
    Ok(MAPPINGS.insert(tx, mapping)?.into_inner())
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Mapping, Error> {
    RULES.check("identity:get_mapping", caller, &Target::default())?;
    Ok(find(tx, id)?.into_inner())
}

pub(crate) fn list(caller: &Caller, tx: &mut Tx<'_>) -> Result<Vec<Mapping>, Error> {
    RULES.check("identity:list_mappings", caller, &Target::default())?;
    let found = MAPPINGS.query(tx, &Select::all().order("id", Direction::Asc))?;
    Ok(found.into_iter().map(Stored::into_inner).collect())
}

pub(crate) fn update(caller: &Caller, tx: &mut Tx<'_>, new: Mapping) -> Result<Mapping, Error> {
    RULES.check("identity:update_mapping", caller, &Target::default())?;
    let mut mapping = find(tx, &new.id.0)?;
    *mapping = new;
    MAPPINGS.save(tx, &mut mapping)?;
    Ok(mapping.into_inner())
}

/// Deletes a mapping, though protocols may name it: then nobody logs in by them.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    RULES.check("identity:delete_mapping", caller, &Target::default())?;
    let mapping = find(tx, id)?;
    MAPPINGS.remove(tx, &mapping)?;
    changed(tx);
    Ok(())
}
