//! What can be done with regions.

use policy::{Caller, Target};
use store::{Direction, Select, Stored, Tx};

use super::model::{Region, RegionChange};
use super::store::REGIONS;
use crate::Error;
use crate::endpoint::store::ENDPOINTS;
use crate::endpoint_policy::store::forget;
use crate::ids::RegionId;
use crate::policy::RULES;
use crate::registered_limit::ops::is_about;

/// Makes a region whose id is free and whose parent is there.
pub(crate) fn create(caller: &Caller, tx: &mut Tx<'_>, region: Region) -> Result<Region, Error> {
    RULES.check("identity:create_region", caller, &Target::default())?;
    if REGIONS.load(tx, &region.id)?.is_some() {
        let detail = format!("Duplicate ID, {}.", region.id);
        return Err(Error::Conflict { kind: "region", detail });
    }
    if let Some(parent) = &region.parent_id {
        find(tx, parent)?;
    }
    Ok(REGIONS.insert(tx, region)?.into_inner())
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Region, Error> {
    RULES.check("identity:get_region", caller, &Target::default())?;
    Ok(find(tx, &id.into())?.into_inner())
}

/// All regions, or those right below `parent`.
pub(crate) fn list(caller: &Caller, tx: &mut Tx<'_>, parent: Option<&str>) -> Result<Vec<Region>, Error> {
    RULES.check("identity:list_regions", caller, &Target::default())?;
    let mut select = Select::all().order("id", Direction::Asc);
    if let Some(parent) = parent {
        select = select.eq("parent_id", parent);
    }
    Ok(REGIONS.query(tx, &select)?.into_iter().map(Stored::into_inner).collect())
}

pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    change: RegionChange,
) -> Result<Region, Error> {
    RULES.check("identity:update_region", caller, &Target::default())?;
    let mut region = find(tx, &id.into())?;
    if let Some(description) = change.description {
        region.description = description;
    }
    if let Some(parent) = change.parent_id {
        refuse_circle(tx, &region.id, parent.as_ref())?;
        region.parent_id = parent;
    }
    region.extra.extend(change.extra);
    REGIONS.save(tx, &mut region)?;
    Ok(region.into_inner())
}

/// Removes a region and those below it, unless one of them is still in use.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    RULES.check("identity:delete_region", caller, &Target::default())?;
    let region = find(tx, &id.into())?;
    let regions = with_those_below(tx, region)?;
    let ids: Vec<&str> = regions.iter().map(|region| region.id.0.as_str()).collect();
    if ENDPOINTS.count(tx, &Select::all().is_in("region_id", ids.iter().copied()))? > 0 {
        return Err(Error::Forbidden(format!(
            "Unable to delete region {id} because it or its child regions have associated endpoints."
        )));
    }
    if is_about(tx, "region_id", &ids)? {
        return Err(Error::Forbidden(format!(
            "Unable to delete region {id} because it or its child regions have registered limits."
        )));
    }
    for region in &regions {
        forget(tx, "region_id", &region.id)?;
        REGIONS.remove(tx, region)?;
    }
    Ok(())
}

fn find(tx: &mut Tx<'_>, id: &RegionId) -> Result<Stored<Region>, Error> {
    REGIONS.load(tx, id)?.ok_or_else(|| Error::not_found("region", id))
}

/// A region must not be around itself, by however many steps.
fn refuse_circle(tx: &mut Tx<'_>, id: &RegionId, parent: Option<&RegionId>) -> Result<(), Error> {
    let mut next = parent.cloned();
    while let Some(around) = next {
        if around == *id {
            return Err(Error::Invalid(format!(
                "The specified parent region {id} would create a circular region hierarchy."
            )));
        }
        next = find(tx, &around)?.into_inner().parent_id;
    }
    Ok(())
}

fn with_those_below(tx: &mut Tx<'_>, region: Stored<Region>) -> Result<Vec<Stored<Region>>, Error> {
    let mut found = vec![region];
    let mut at = 0;
    while at < found.len() {
        let below = REGIONS.query(tx, &Select::all().eq("parent_id", &found[at].id))?;
        found.extend(below);
        at += 1;
    }
    Ok(found)
}
