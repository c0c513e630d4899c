//! Taking and giving back.

use std::collections::BTreeMap;

use ::store::{Select, Stored, Tx};
use policy::{Caller, Target};
use types::{ProjectId, ResourceProviderId, UserId};

use super::model::Wanted;
use super::store::{ALLOCATIONS, CONSUMERS};
use super::{Allocation, Consumer, store};
use crate::policy::RULES;
use crate::{Error, provider};

/// Gives a consumer these amounts of a provider, in place of what it had there. Fails where they do not fit.
pub fn allocate(
    tx: &mut Tx<'_>,
    consumer: (&str, &ProjectId, &UserId),
    provider_id: ResourceProviderId,
    amounts: &BTreeMap<String, u64>,
) -> Result<(), Error> {
    let wanted = BTreeMap::from([(provider_id, amounts.clone())]);
    write(tx, consumer, &wanted)
}

/// Takes everything back that a consumer has. Without any, nothing happens.
pub fn release(tx: &mut Tx<'_>, consumer_id: &str) -> Result<(), Error> {
    for allocation in store::of_consumer(tx, consumer_id)? {
        ALLOCATIONS.remove(tx, &allocation)?;
    }
    if let Some(consumer) = CONSUMERS.load(tx, consumer_id)? {
        CONSUMERS.remove(tx, &consumer)?;
    }
    Ok(())
}

/// What a consumer has.
pub fn of_consumer(tx: &mut Tx<'_>, consumer_id: &str) -> Result<Vec<Allocation>, Error> {
    Ok(store::of_consumer(tx, consumer_id)?.into_iter().map(Stored::into_inner).collect())
}

/// What a provider gave out.
pub(crate) fn of_provider(tx: &mut Tx<'_>, id: ResourceProviderId) -> Result<Vec<Allocation>, Error> {
    let rows = ALLOCATIONS.query(tx, &Select::all().eq("provider_id", id))?;
    Ok(rows.into_iter().map(Stored::into_inner).collect())
}

/// A consumer's generation; 0 without one.
pub(crate) fn generation(tx: &mut Tx<'_>, consumer_id: &str) -> Result<i64, Error> {
    Ok(CONSUMERS.load(tx, consumer_id)?.map_or(0, |consumer| consumer.generation))
}

/// A consumer and what it has, for who may see it.
pub(crate) fn show(
    caller: &Caller,
    tx: &mut Tx<'_>,
    consumer_id: &str,
) -> Result<(Option<Consumer>, Vec<Allocation>), Error> {
    RULES.check("placement:allocations:list", caller, &Target::default())?;
    let consumer = CONSUMERS.load(tx, consumer_id)?.map(Stored::into_inner);
    Ok((consumer, of_consumer(tx, consumer_id)?))
}

/// Makes a consumer's allocations exactly these, as an operator asks; none remove it.
pub(crate) fn replace(
    caller: &Caller,
    tx: &mut Tx<'_>,
    consumer: (&str, &ProjectId, &UserId),
    seen_generation: Option<Option<i64>>,
    wanted: &Wanted,
) -> Result<(), Error> {
    RULES.check("placement:allocations:update", caller, &Target::default())?;
    let before = CONSUMERS.load(tx, consumer.0)?;
    if seen_generation.is_some_and(|seen| seen != before.as_ref().map(|c| c.generation)) {
        let expected = seen_generation.flatten().map_or("null".to_owned(), |n| n.to_string());
        let actual = before.map_or("null".to_owned(), |c| c.generation.to_string());
        let text = format!("consumer generation conflict - expected {actual} but got {expected}");
        return Err(Error::ConcurrentUpdate(text));
    }
    if wanted.is_empty() { release(tx, consumer.0) } else { write(tx, consumer, wanted) }
}

fn write(
    tx: &mut Tx<'_>,
    (id, project_id, user_id): (&str, &ProjectId, &UserId),
    wanted: &Wanted,
) -> Result<(), Error> {
    for old in store::of_consumer(tx, id)? {
        ALLOCATIONS.remove(tx, &old)?;
    }
    match CONSUMERS.load(tx, id)? {
        Some(mut consumer) => {
            consumer.generation += 1;
            consumer.project_id = project_id.clone();
            consumer.user_id = user_id.clone();
            CONSUMERS.save(tx, &mut consumer)?;
        }
        None => {
            let (project_id, user_id) = (project_id.clone(), user_id.clone());
            CONSUMERS.insert(tx, Consumer { id: id.to_owned(), project_id, user_id, generation: 1 })?;
        }
    }
    for (provider_id, amounts) in wanted {
        take(tx, id, *provider_id, amounts)?;
    }
    Ok(())
}

fn take(
    tx: &mut Tx<'_>,
    consumer_id: &str,
    provider_id: ResourceProviderId,
    amounts: &BTreeMap<String, u64>,
) -> Result<(), Error> {
    let inventories = provider::inventories(tx, provider_id)?;
    let used = provider::store::usages(tx, Some(provider_id))?.remove(&provider_id).unwrap_or_default();
    for (class, amount) in amounts {
        let refused = |why: String| {
            Error::Conflict(format!(
                "Unable to allocate inventory: {why} of {class} on resource provider {provider_id}"
            ))
        };
        let inventory = inventories.get(class).ok_or_else(|| refused("there is no inventory".to_owned()))?;
        let used = used.get(class).copied().unwrap_or(0);
        if !inventory.fits(*amount, used) {
            return Err(refused(format!("{amount} asked, {} left", inventory.free(used))));
        }
        let allocation = Allocation {
            id: runtime::new_uuid().to_string(),
            consumer_id: consumer_id.to_owned(),
            provider_id,
            class: class.clone(),
            used: *amount,
        };
        ALLOCATIONS.insert(tx, allocation)?;
    }
    Ok(())
}

/// What a project's, or one user's, consumers have together.
pub(crate) fn usages(
    caller: &Caller,
    tx: &mut Tx<'_>,
    project_id: &ProjectId,
    user_id: Option<&str>,
) -> Result<BTreeMap<String, u64>, Error> {
    RULES.check("placement:usages", caller, &Target::project(project_id))?;
    Ok(store::of_project(tx, project_id, user_id)?)
}
