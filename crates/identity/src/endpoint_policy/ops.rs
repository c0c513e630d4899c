//! What can be done with the associations of policy documents.

use policy::{Caller, Target};
use store::{Direction, Select, Stored, Tx};

use super::model::{Association, Subject};
use super::store::ASSOCIATIONS;
use crate::Error;
use crate::endpoint::model::Endpoint;
use crate::endpoint::store::ENDPOINTS;
use crate::ids::{PolicyId, RegionId};
use crate::policy::RULES;
use crate::policy_document::model::PolicyDocument;
use crate::policy_document::store::POLICIES;
use crate::region::store::REGIONS;
use crate::service::store::SERVICES;

/// Lets a document be for something, in place of whichever was before.
pub(crate) fn create(caller: &Caller, tx: &mut Tx<'_>, association: Association) -> Result<(), Error> {
    check_rule(caller, "create", &association.subject)?;
    refuse_missing(tx, &association)?;
    match ASSOCIATIONS.load(tx, association.subject.key())? {
        Some(mut row) => {
            row.policy_id = association.policy_id;
            ASSOCIATIONS.save(tx, &mut row)?;
        }
        None => drop(ASSOCIATIONS.insert(tx, association)?),
    }
    Ok(())
}

/// Whether the document is for this; an error if not.
pub(crate) fn check(caller: &Caller, tx: &mut Tx<'_>, association: &Association) -> Result<(), Error> {
    check_rule(caller, "check", &association.subject)?;
    refuse_missing(tx, association)?;
    let absent = || Error::Absent("Could not find policy association.".to_owned());
    find(tx, association)?.map(|_| ()).ok_or_else(absent)
}

/// Lets a document be for something no more, or go on not being for it.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, association: &Association) -> Result<(), Error> {
    check_rule(caller, "delete", &association.subject)?;
    refuse_missing(tx, association)?;
    if let Some(row) = find(tx, association)? {
        ASSOCIATIONS.remove(tx, &row)?;
    }
    Ok(())
}

fn check_rule(caller: &Caller, verb: &str, subject: &Subject) -> Result<(), Error> {
    let kind = match subject {
        Subject::Endpoint(_) => "endpoint",
        Subject::Service(_) => "service",
        Subject::ServiceIn(..) => "region_and_service",
    };
    let rule = format!("identity:{verb}_policy_association_for_{kind}");
    Ok(RULES.check(&rule, caller, &Target::default())?)
}

fn find(tx: &mut Tx<'_>, association: &Association) -> Result<Option<Stored<Association>>, Error> {
    let row = ASSOCIATIONS.load(tx, association.subject.key())?;
    Ok(row.filter(|row| row.policy_id == association.policy_id))
}

fn refuse_missing(tx: &mut Tx<'_>, association: &Association) -> Result<(), Error> {
    let subject = &association.subject;
    find_policy(tx, &association.policy_id)?;
    if let Some(id) = subject.endpoint_id() {
        find_endpoint(tx, &id.0)?;
    }
    if let Some(id) = subject.service_id() {
        SERVICES.load(tx, id)?.ok_or_else(|| Error::not_found("service", id))?;
    }
    if let Some(id) = subject.region_id() {
        REGIONS.load(tx, id)?.ok_or_else(|| Error::not_found("region", id))?;
    }
    Ok(())
}

fn find_policy(tx: &mut Tx<'_>, id: &PolicyId) -> Result<PolicyDocument, Error> {
    Ok(POLICIES.load(tx, id)?.ok_or_else(|| Error::not_found("policy", id))?.into_inner())
}

fn find_endpoint(tx: &mut Tx<'_>, id: &str) -> Result<Endpoint, Error> {
    Ok(ENDPOINTS.load(tx, id)?.ok_or_else(|| Error::not_found("endpoint", id))?.into_inner())
}

/// The endpoints that a document is for, in whichever way.
pub(crate) fn endpoints_for(caller: &Caller, tx: &mut Tx<'_>, policy: &str) -> Result<Vec<Endpoint>, Error> {
    RULES.check("identity:list_endpoints_for_policy", caller, &Target::default())?;
    let policy = find_policy(tx, &policy.into())?.id;
    let associations = ASSOCIATIONS.query(tx, &Select::all().eq("policy_id", &policy))?;
    let mut found = Vec::new();
    for endpoint in ENDPOINTS.query(tx, &Select::all().order("id", Direction::Asc))? {
        let endpoint = endpoint.into_inner();
        let regions = around(tx, endpoint.region_id.as_ref())?;
        let is_for = |subject: &Subject| match subject {
            Subject::Endpoint(id) => *id == endpoint.id,
            Subject::Service(id) => *id == endpoint.service_id,
            Subject::ServiceIn(id, region) => *id == endpoint.service_id && regions.contains(region),
        };
        if associations.iter().any(|association| is_for(&association.subject)) {
            found.push(endpoint);
        }
    }
    Ok(found)
}

/// The document for an endpoint: its own, else that of its service in the nearest region around it, else its service's.
pub(crate) fn policy_for(caller: &Caller, tx: &mut Tx<'_>, endpoint: &str) -> Result<PolicyDocument, Error> {
    RULES.check("identity:get_policy_for_endpoint", caller, &Target::default())?;
    let endpoint = find_endpoint(tx, endpoint)?;
    let service = endpoint.service_id.clone();
    let regions = around(tx, endpoint.region_id.as_ref())?;
    let within = regions.into_iter().map(|region| Subject::ServiceIn(service.clone(), region));
    let subjects = std::iter::once(Subject::Endpoint(endpoint.id.clone())).chain(within);
    for subject in subjects.chain([Subject::Service(service.clone())]).collect::<Vec<_>>() {
        if let Some(association) = ASSOCIATIONS.load(tx, subject.key())? {
            return find_policy(tx, &association.policy_id);
        }
    }
    Err(Error::Absent(format!("No policy is associated with endpoint {}.", endpoint.id)))
}

/// A region and those around it, from the inside out.
fn around(tx: &mut Tx<'_>, region: Option<&RegionId>) -> Result<Vec<RegionId>, Error> {
    let mut found = Vec::new();
    let mut next = region.cloned();
    while let Some(id) = next {
        next = REGIONS.load(tx, &id)?.and_then(|region| region.into_inner().parent_id);
        found.push(id);
    }
    Ok(found)
}
