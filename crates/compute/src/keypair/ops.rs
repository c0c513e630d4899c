//! Making, finding and removing keypairs.

use ::store::{Stored, Tx};
use policy::{Caller, Target};
use types::UserId;

use super::model::fingerprint;
use super::store::KEYPAIRS;
use super::{Keypair, KeypairDraft, generate, store};
use crate::policy::RULES;
use crate::{Error, quota};

fn check(rule: &str, caller: &Caller, user_id: &UserId) -> Result<(), Error> {
    Ok(RULES.check(&format!("os_compute_api:os-keypairs:{rule}"), caller, &Target::user(user_id))?)
}

/// Imports a public key, or makes a key and returns its private half too.
pub fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    draft: KeypairDraft,
) -> Result<(Stored<Keypair>, Option<String>), Error> {
    check("create", caller, &draft.user_id)?;
    let count = store::of_user(tx, &draft.user_id)?.len() as i64;
    let limits = quota::of_caller(caller, tx)?;
    if limits.key_pairs >= 0 && count >= limits.key_pairs {
        let text = format!("Quota exceeded, too many key pairs. (limit {}, used {count})", limits.key_pairs);
        return Err(Error::Forbidden(text));
    }
    if store::load(tx, &draft.user_id, &draft.name)?.is_some() {
        return Err(Error::Conflict(format!("Key pair '{}' already exists.", draft.name)));
    }
    let (public_key, private_key) = match draft.public_key {
        Some(public_key) => (public_key, None),
        None => {
            let (public, private) = generate::ed25519(&draft.name.replace(char::is_whitespace, "_"));
            (public, Some(private))
        }
    };
    let invalid = || Error::Invalid("Keypair data is invalid: failed to generate fingerprint".to_owned());
    let fingerprint = fingerprint(&public_key).ok_or_else(invalid)?;
    let (user_id, name, created_at) = (draft.user_id, draft.name, tx.now());
    let keypair = Keypair { user_id, name, public_key, fingerprint, created_at };
    Ok((KEYPAIRS.insert(tx, keypair)?, private_key))
}

/// The user's keypair of this name.
pub fn load(
    caller: &Caller,
    tx: &mut Tx<'_>,
    user_id: &UserId,
    name: &str,
) -> Result<Stored<Keypair>, Error> {
    check("show", caller, user_id)?;
    let missing = || Error::NotFound(format!("Keypair {name} not found for user {user_id}"));
    store::load(tx, user_id, name)?.ok_or_else(missing)
}

/// A user's keypairs by name.
pub(crate) fn list(
    caller: &Caller,
    tx: &mut Tx<'_>,
    user_id: &UserId,
) -> Result<Vec<Stored<Keypair>>, Error> {
    check("index", caller, user_id)?;
    Ok(store::of_user(tx, user_id)?)
}

/// Removes a keypair; servers keep their copies.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, user_id: &UserId, name: &str) -> Result<(), Error> {
    check("delete", caller, user_id)?;
    let missing = || Error::NotFound(format!("Keypair {name} not found for user {user_id}"));
    let keypair = store::load(tx, user_id, name)?.ok_or_else(missing)?;
    Ok(KEYPAIRS.remove(tx, &keypair)?)
}
