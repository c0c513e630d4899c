//! What can be done with service providers.

use policy::{Caller, Target};
use store::{Stored, Tx};

use super::model::{ServiceProvider, ServiceProviderChange};
use super::store::{SERVICE_PROVIDERS, query};
use crate::Error;
use crate::policy::RULES;
use crate::token::ops::changed;

fn find(tx: &mut Tx<'_>, id: &str) -> Result<Stored<ServiceProvider>, Error> {
    SERVICE_PROVIDERS.load(tx, id)?.ok_or_else(|| Error::not_found("Service Provider", id))
}

pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    provider: ServiceProvider,
) -> Result<ServiceProvider, Error> {
    RULES.check("identity:create_service_provider", caller, &Target::default())?;
    if SERVICE_PROVIDERS.load(tx, &provider.id)?.is_some() {
        let detail = format!("Duplicate entry found with ID {}", provider.id);
        return Err(Error::Conflict { kind: "service_provider", detail });
    }
    let provider = SERVICE_PROVIDERS.insert(tx, provider)?.into_inner();
    changed(tx);
    Ok(provider)
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<ServiceProvider, Error> {
    RULES.check("identity:get_service_provider", caller, &Target::default())?;
    Ok(find(tx, id)?.into_inner())
}

pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    enabled: Option<bool>,
) -> Result<Vec<ServiceProvider>, Error> {
    RULES.check("identity:list_service_providers", caller, &Target::default())?;
    Ok(query(tx, enabled)?)
}

pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    change: ServiceProviderChange,
) -> Result<ServiceProvider, Error> {
    RULES.check("identity:update_service_provider", caller, &Target::default())?;
    let mut provider = find(tx, id)?;
    if let Some(url) = change.auth_url {
        provider.auth_url = url;
    }
    if let Some(url) = change.sp_url {
        provider.sp_url = url;
    }
    if let Some(description) = change.description {
        provider.description = description;
    }
    if let Some(enabled) = change.enabled {
        provider.enabled = enabled;
    }
    if let Some(prefix) = change.relay_state_prefix {
        provider.relay_state_prefix = prefix;
    }
    SERVICE_PROVIDERS.save(tx, &mut provider)?;
    changed(tx);
    Ok(provider.into_inner())
}

pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    RULES.check("identity:delete_service_provider", caller, &Target::default())?;
    let provider = find(tx, id)?;
    SERVICE_PROVIDERS.remove(tx, &provider)?;
    changed(tx);
    Ok(())
}
