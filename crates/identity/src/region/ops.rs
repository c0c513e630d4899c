//! What can be done with regions.

use policy::{Caller, Target};
use store::{Direction, Select, Tx};

use super::model::{Region, RegionChange};
use super::store::REGIONS;
use crate::Error;
use crate::endpoint::store::ENDPOINTS;
use crate::ids::RegionId;
use crate::policy::RULES;
use crate::token::ops::changed;

/// Makes a region; the id is the client's or fresh.
pub(crate) fn create(caller: &Caller, tx: &mut Tx<'_>, region: Region) -> Result<Region, Error> {
    RULES.check("identity:create_region", caller, &Target::default())?;
    if REGIONS.load(tx, &region.id)?.is_some() {
        let detail = format!("Duplicate ID, {}", region.id);
        return Err(Error::Conflict { kind: "region", detail });
    }
    if let Some(parent) = &region.parent_id {
        refuse_parent(tx, &region.id, parent)?;
    }
    Ok(REGIONS.insert(tx, region)?.into_inner())
}

/// A parent must be there and must not be below its child.
fn refuse_parent(tx: &mut Tx<'_>, id: &RegionId, parent: &RegionId) -> Result<(), Error> {
    let mut next = Some(parent.clone());
    while let Some(above) = next {
        if above == *id {
            return Err(Error::Invalid(format!(
                "The specified parent region {parent} would create a circular region hierarchy."
            )));
        }
        let region = REGIONS.load(tx, &above)?.ok_or_else(|| Error::not_found("region", &above))?;
        next = region.into_inner().parent_id;
    }
    Ok(())
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Region, Error> {
    RULES.check("identity:get_region", caller, &Target::default())?;
    Ok(REGIONS.load(tx, id)?.ok_or_else(|| Error::not_found("region", id))?.into_inner())
}

pub(crate) fn list(caller: &Caller, tx: &mut Tx<'_>, parent: Option<&str>) -> Result<Vec<Region>, Error> {
    RULES.check("identity:list_regions", caller, &Target::default())?;
    let mut select = Select::all().order("id", Direction::Asc);
    if let Some(parent) = parent {
        select = select.eq("parent_id", parent);
    }
    Ok(REGIONS.query(tx, &select)?.into_iter().map(|region| region.into_inner()).collect())
}

pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    change: RegionChange,
) -> Result<Region, Error> {
    RULES.check("identity:update_region", caller, &Target::default())?;
    let mut region = REGIONS.load(tx, id)?.ok_or_else(|| Error::not_found("region", id))?;
    if let Some(description) = change.description {
        region.description = description;
    }
    if let Some(parent) = change.parent_id {
        if let Some(parent) = &parent {
            refuse_parent(tx, &region.id, parent)?;
        }
        region.parent_id = parent;
    }
    region.extra.extend(change.extra);
    REGIONS.save(tx, &mut region)?;
    Ok(region.into_inner())
}

/// Removes a region and those below it, unless any of them has endpoints.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    RULES.check("identity:delete_region", caller, &Target::default())?;
    let region = REGIONS.load(tx, id)?.ok_or_else(|| Error::not_found("region", id))?;
    let mut all = vec![region];
    let mut at = 0;
    while at < all.len() {
        let below = REGIONS.query(tx, &Select::all().eq("parent_id", &all[at].id))?;
        all.extend(below);
        at += 1;
    }
    let ids = all.iter().map(|region| &region.id);
    if ENDPOINTS.count(tx, &Select::all().is_in("region_id", ids))? > 0 {
        return Err(Error::Forbidden(format!(
            "Unable to delete region {id} because it or its child regions have associated endpoints."
        )));
    }
    for region in &all {
        REGIONS.remove(tx, region)?;
    }
    changed(tx);
    Ok(())
}
