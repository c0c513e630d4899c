//! What can be done with identity providers.

use policy::{Caller, Target};
use store::{Direction, Select, Stored, Tx};
use types::DomainId;

use super::model::{IdentityProvider, IdentityProviderChange, IdentityProviderDraft, RemoteId};
use super::store::{IDENTITY_PROVIDERS, REMOTE_IDS};
use crate::Error;
use crate::domain::model::Domain;
use crate::domain::ops::refuse_missing;
use crate::domain::store::DOMAINS;
use crate::federation::{protocol, user};
use crate::ids::{IdentityProviderId, fresh, key_of};
use crate::policy::RULES;
use crate::token::ops::changed;

/// The provider of this id, for whoever has checked that the caller may know.
pub(crate) fn find(tx: &mut Tx<'_>, id: &str) -> Result<Stored<IdentityProvider>, Error> {
    IDENTITY_PROVIDERS.load(tx, id)?.ok_or_else(|| Error::not_found("Identity Provider", id))
}

pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    draft: IdentityProviderDraft,
) -> Result<IdentityProvider, Error> {
    RULES.check("identity:create_identity_provider", caller, &Target::default())?;
    if let Some(domain_id) = &draft.domain_id {
        refuse_missing(tx, domain_id)?;
    }
    if IDENTITY_PROVIDERS.load(tx, &draft.id)?.is_some() {
        return Err(conflict("Duplicate entry", draft.id.0));
    }
    let domain_id = match draft.domain_id {
        Some(domain_id) => domain_id,
        None => create_domain(tx, &draft.id)?,
    };
    let mut provider = IdentityProvider {
        id: draft.id,
        domain_id,
        enabled: false,
        description: None,
        remote_ids: Vec::new(),
        authorization_ttl: None,
    };
    provider.apply(draft.change);
    claim(tx, &provider)?;
    Ok(IDENTITY_PROVIDERS.insert(tx, provider)?.into_inner())
}

/// A domain for the users of a provider that came without one.
fn create_domain(tx: &mut Tx<'_>, id: &IdentityProviderId) -> Result<DomainId, Error> {
    let domain_id = DomainId(fresh());
    let description = format!("Auto generated federated domain for Identity Provider: {id}");
    let domain = Domain::new(domain_id.clone(), domain_id.as_str(), description);
    Ok(DOMAINS.insert(tx, domain)?.into_inner().id)
}

/// Makes the remote ids this provider's.
fn claim(tx: &mut Tx<'_>, provider: &IdentityProvider) -> Result<(), Error> {
    for remote_id in &provider.remote_ids {
        if REMOTE_IDS.load(tx, key_of(&[remote_id]))?.is_some() {
            return Err(conflict("Duplicate remote ID", remote_id.clone()));
        }
        let idp_id = provider.id.clone();
        REMOTE_IDS.insert(tx, RemoteId { remote_id: remote_id.clone(), idp_id })?;
    }
    Ok(())
}

fn release(tx: &mut Tx<'_>, id: &IdentityProviderId) -> Result<(), Error> {
    for remote_id in REMOTE_IDS.query(tx, &Select::all().eq("idp_id", id))? {
        REMOTE_IDS.remove(tx, &remote_id)?;
    }
    Ok(())
}

fn conflict(what: &str, value: String) -> Error {
    Error::Conflict { kind: "identity_provider", detail: format!("{what}: {value}") }
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<IdentityProvider, Error> {
    RULES.check("identity:get_identity_provider", caller, &Target::default())?;
    Ok(find(tx, id)?.into_inner())
}

pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    enabled: Option<bool>,
) -> Result<Vec<IdentityProvider>, Error> {
    RULES.check("identity:list_identity_providers", caller, &Target::default())?;
    let mut select = Select::all().order("id", Direction::Asc);
    if let Some(enabled) = enabled {
        select = select.eq("enabled", enabled);
    }
    Ok(IDENTITY_PROVIDERS.query(tx, &select)?.into_iter().map(Stored::into_inner).collect())
}

pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    change: IdentityProviderChange,
) -> Result<IdentityProvider, Error> {
    RULES.check("identity:update_identity_provider", caller, &Target::default())?;
    let mut provider = find(tx, id)?;
    let renamed = change.remote_ids.is_some();
    provider.apply(change);
    if renamed {
        release(tx, &provider.id)?;
        claim(tx, &provider)?;
    }
    IDENTITY_PROVIDERS.save(tx, &mut provider)?;
    changed(tx);
    Ok(provider.into_inner())
}

/// Deletes a provider with its protocols and the users who are known by it alone. Its domain stays.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    RULES.check("identity:delete_identity_provider", caller, &Target::default())?;
    let provider = find(tx, id)?;
    remove(tx, &provider)
}

fn remove(tx: &mut Tx<'_>, provider: &Stored<IdentityProvider>) -> Result<(), Error> {
    for protocol in protocol::store::of_provider(tx, &provider.id.0)? {
        protocol::ops::remove(tx, &protocol)?;
    }
    user::ops::remove_of_provider(tx, &provider.id)?;
    release(tx, &provider.id)?;
    IDENTITY_PROVIDERS.remove(tx, provider)?;
    changed(tx);
    Ok(())
}

/// Removes the providers whose users were to be in a domain that goes.
pub(crate) fn remove_of_domain(tx: &mut Tx<'_>, domain: &DomainId) -> Result<(), Error> {
    for provider in IDENTITY_PROVIDERS.query(tx, &Select::all().eq("domain_id", domain))? {
        remove(tx, &provider)?;
    }
    Ok(())
}
