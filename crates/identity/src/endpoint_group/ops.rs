//! What can be done with endpoint groups.

use policy::{Caller, Target};
use store::{Direction, Select, Stored, Tx};

use super::model::{EndpointGroup, EndpointGroupChange};
use super::store::ENDPOINT_GROUPS;
use crate::Error;
use crate::endpoint::model::Endpoint;
use crate::endpoint::store::ENDPOINTS;
use crate::endpoint_filter::model::Chosen;
use crate::endpoint_filter::ops::forget;
use crate::policy::RULES;
use crate::token::ops::changed;

pub(crate) fn create(caller: &Caller, tx: &mut Tx<'_>, group: EndpointGroup) -> Result<EndpointGroup, Error> {
    RULES.check("identity:create_endpoint_group", caller, &Target::default())?;
    Ok(ENDPOINT_GROUPS.insert(tx, group)?.into_inner())
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<EndpointGroup, Error> {
    RULES.check("identity:get_endpoint_group", caller, &Target::default())?;
    Ok(find(tx, id)?.into_inner())
}

pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    name: Option<&str>,
) -> Result<Vec<EndpointGroup>, Error> {
    RULES.check("identity:list_endpoint_groups", caller, &Target::default())?;
    let mut select = Select::all().order("id", Direction::Asc);
    if let Some(name) = name {
        select = select.eq("name", name);
    }
    Ok(ENDPOINT_GROUPS.query(tx, &select)?.into_iter().map(Stored::into_inner).collect())
}

/// The endpoints that are in the group now.
pub(crate) fn endpoints(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Vec<Endpoint>, Error> {
    RULES.check("identity:list_endpoints_associated_with_endpoint_group", caller, &Target::default())?;
    let group = find(tx, id)?;
    let all = ENDPOINTS.query(tx, &Select::all().order("id", Direction::Asc))?;
    Ok(all.into_iter().map(Stored::into_inner).filter(|endpoint| group.has(endpoint)).collect())
}

pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    change: EndpointGroupChange,
) -> Result<EndpointGroup, Error> {
    RULES.check("identity:update_endpoint_group", caller, &Target::default())?;
    let mut group = find(tx, id)?;
    if let Some(name) = change.name {
        group.name = name;
    }
    if let Some(description) = change.description {
        group.description = description;
    }
    if let Some(criteria) = change.criteria {
        group.criteria = criteria;
    }
    ENDPOINT_GROUPS.save(tx, &mut group)?;
    changed(tx);
    Ok(group.into_inner())
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    RULES.check("identity:delete_endpoint_group", caller, &Target::default())?;
    let group = find(tx, id)?;
    forget(tx, &Chosen::Group(group.id.clone()))?;
    ENDPOINT_GROUPS.remove(tx, &group)?;
    changed(tx);
    Ok(())
}

/// The group of this id, for whoever has checked that the caller may know.
pub(crate) fn find(tx: &mut Tx<'_>, id: &str) -> Result<Stored<EndpointGroup>, Error> {
    ENDPOINT_GROUPS.load(tx, id)?.ok_or_else(|| Error::not_found("Endpoint Group", id))
}
