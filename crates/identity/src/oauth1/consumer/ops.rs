//! What can be done with consumers.

use policy::{Caller, Target};
use store::{Direction, Select, Stored, Tx};

use super::model::{Consumer, ConsumerChange};
use super::store::CONSUMERS;
use crate::Error;
use crate::api::Extra;
use crate::credential::keys::CredentialKeys;
use crate::ids::{ConsumerId, fresh};
use crate::oauth1::forget;
use crate::policy::RULES;
use crate::revocation;

/// The consumer, whoever asks.
pub(crate) fn existing(tx: &mut Tx<'_>, id: &str) -> Result<Stored<Consumer>, Error> {
    CONSUMERS.load(tx, id)?.ok_or_else(|| Error::Absent("Consumer not found".to_owned()))
}

/// Makes a consumer and tells its secret.
pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    keys: &CredentialKeys,
    (description, extra): (Option<String>, Extra),
) -> Result<(Consumer, String), Error> {
    RULES.check("identity:create_consumer", caller, &Target::default())?;
    let secret = fresh();
    let consumer = Consumer { id: ConsumerId(fresh()), description, sealed: keys.seal(&secret)?, extra };
    Ok((CONSUMERS.insert(tx, consumer)?.into_inner(), secret))
}

pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<Consumer, Error> {
    RULES.check("identity:get_consumer", caller, &Target::default())?;
    Ok(existing(tx, id)?.into_inner())
}

pub(crate) fn list(caller: &Caller, tx: &mut Tx<'_>) -> Result<Vec<Consumer>, Error> {
    RULES.check("identity:list_consumers", caller, &Target::default())?;
    let all = CONSUMERS.query(tx, &Select::all().order("id", Direction::Asc))?;
    Ok(all.into_iter().map(Stored::into_inner).collect())
}

pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    id: &str,
    change: ConsumerChange,
) -> Result<Consumer, Error> {
    RULES.check("identity:update_consumer", caller, &Target::default())?;
    let mut consumer = existing(tx, id)?;
    if let Some(description) = change.description {
        consumer.description = description;
    }
    consumer.extra.extend(change.extra);
    CONSUMERS.save(tx, &mut consumer)?;
    Ok(consumer.into_inner())
}

/// With a consumer goes all that it was granted, and the tokens that it had by that.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    RULES.check("identity:delete_consumer", caller, &Target::default())?;
    let consumer = existing(tx, id)?;
    forget(tx, &Select::all().eq("consumer_id", &consumer.id))?;
    CONSUMERS.remove(tx, &consumer)?;
    revocation::ops::create_for_consumer(tx, &consumer.id)
}
