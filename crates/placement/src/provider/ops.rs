//! Making, finding and keeping providers.

use std::collections::BTreeMap;

use ::store::{Stored, Tx};
use nodes::Host;
use policy::{Caller, Target};
use types::ResourceProviderId;

use super::model::{HOST_TRAITS, inventories_of};
use super::{Inventory, Provider, ProviderDraft, store};
use crate::policy::RULES;
use crate::{Error, allocation};

/// All providers by name, for who may see them.
pub fn all(caller: &Caller, tx: &mut Tx<'_>) -> Result<Vec<Stored<Provider>>, Error> {
    RULES.check("placement:resource_providers:list", caller, &Target::default())?;
    Ok(store::all(tx)?)
}

/// The provider of this id, if the rule allows.
pub(crate) fn load(
    rule: &str,
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
) -> Result<Stored<Provider>, Error> {
    RULES.check(rule, caller, &Target::default())?;
    let parsed: Option<ResourceProviderId> = id.parse().ok();
    let found = match parsed {
        Some(id) => store::PROVIDERS.load(tx, id)?,
        None => None,
    };
    found.ok_or_else(|| Error::NotFound(format!("No resource provider with uuid {id} found ")))
}

/// Makes a provider that stands for no host of ours.
pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    draft: ProviderDraft,
) -> Result<Stored<Provider>, Error> {
    RULES.check("placement:resource_providers:create", caller, &Target::default())?;
    let taken = |what: &str, value: &str| {
        Error::Conflict(format!("Conflicting resource provider {what}: {value} already exists."))
    };
    if store::by_name(tx, &draft.name)?.is_some() {
        return Err(taken("name", &draft.name));
    }
    let id = draft.id.unwrap_or_else(|| runtime::new_uuid().into());
    if store::PROVIDERS.load(tx, id)?.is_some() {
        return Err(taken("uuid", &id.to_string()));
    }
    let provider = Provider { id, name: draft.name, generation: 0, traits: Vec::new(), is_host: false };
    Ok(store::PROVIDERS.insert(tx, provider)?)
}

/// Removes a provider that nobody uses.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    let provider = load("placement:resource_providers:delete", caller, tx, id)?;
    if !allocation::of_provider(tx, provider.id)?.is_empty() {
        return Err(Error::Conflict(format!(
            "Unable to delete resource provider {id}: Resource provider has allocations."
        )));
    }
    store::replace_inventories(tx, provider.id, &BTreeMap::new())?;
    Ok(store::PROVIDERS.remove(tx, &provider)?)
}

/// A provider's inventories.
pub(crate) fn inventories(
    tx: &mut Tx<'_>,
    id: ResourceProviderId,
) -> Result<BTreeMap<String, Inventory>, Error> {
    Ok(store::inventories(tx, Some(id))?.remove(&id).unwrap_or_default())
}

/// Makes a provider's inventories exactly these, if its generation is still the one the client saw.
pub(crate) fn replace_inventories(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    generation: i64,
    wanted: &BTreeMap<String, Inventory>,
) -> Result<Stored<Provider>, Error> {
    let mut provider = load("placement:resource_providers:inventories:update", caller, tx, id)?;
    if provider.generation != generation {
        return Err(Error::ConcurrentUpdate("resource provider generation conflict".to_owned()));
    }
    let used = store::usages(tx, Some(provider.id))?.remove(&provider.id).unwrap_or_default();
    if let Some(class) = used.iter().find(|(class, used)| **used > 0 && !wanted.contains_key(*class)) {
        return Err(Error::Conflict(format!(
            "Inventory for '{}' on resource provider '{}' in use.",
            class.0, provider.id
        )));
    }
    store::replace_inventories(tx, provider.id, wanted)?;
    provider.generation += 1;
    store::PROVIDERS.save(tx, &mut provider)?;
    Ok(provider)
}

/// Makes a host's provider and inventories as its agent reported.
pub fn sync(tx: &mut Tx<'_>, host: &Host) -> Result<(), Error> {
    let wanted = inventories_of(&host.facts);
    let mut provider = match store::by_name(tx, host.id.as_str())? {
        Some(provider) => provider,
        None => {
            let provider = Provider {
                id: runtime::new_uuid().into(),
                name: host.id.to_string(),
                generation: 0,
                traits: HOST_TRAITS.iter().map(|name| (*name).to_owned()).collect(),
                is_host: true,
            };
            store::PROVIDERS.insert(tx, provider)?
        }
    };
    if inventories(tx, provider.id)? == wanted {
        return Ok(());
    }
    store::replace_inventories(tx, provider.id, &wanted)?;
    provider.generation += 1;
    Ok(store::PROVIDERS.save(tx, &mut provider)?)
}

/// [`sync`] for each host that is not as its facts say; tells which those were.
pub fn sync_all(tx: &mut Tx<'_>) -> Result<Vec<Host>, Error> {
    let changed = changed(tx)?;
    changed.iter().try_for_each(|host| sync(tx, host))?;
    Ok(changed)
}

/// The hosts whose provider is not as their facts say.
pub(super) fn changed(tx: &mut Tx<'_>) -> Result<Vec<Host>, Error> {
    let providers: BTreeMap<String, ResourceProviderId> =
        store::all(tx)?.into_iter().map(|p| (p.name.clone(), p.id)).collect();
    let inventories = store::inventories(tx, None)?;
    let is_news = |host: &Host| {
        let known = providers.get(host.id.as_str()).and_then(|id| inventories.get(id));
        known.is_none_or(|known| *known != inventories_of(&host.facts))
    };
    let hosts = nodes::hosts::list(tx)?.into_iter().map(Stored::into_inner);
    Ok(hosts.filter(is_news).collect())
}
