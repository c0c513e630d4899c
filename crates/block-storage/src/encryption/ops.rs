//! What administrators do with the encryption of a type.

use policy::Caller;
use store::{Stored, Tx};

use super::{Encryption, EncryptionChange};
use crate::error::Error;
use crate::volume_type::VolumeType;
use crate::volume_type::ops::{find_for, is_used};
use crate::volume_type::store::TYPES;

pub(crate) fn absent(type_id: &str) -> Error {
    Error::NoSuch(format!("Volume type encryption for type {type_id} does not exist."))
}

/// The type with its encryption, if it has one.
pub(crate) fn show(caller: &Caller, tx: &mut Tx<'_>, type_id: &str) -> Result<Stored<VolumeType>, Error> {
    find_for(caller, tx, type_id, "volume_extension:volume_type_encryption:get")
}

/// Says that the volumes of a type are encrypted.
pub(crate) fn create(
    caller: &Caller,
    tx: &mut Tx<'_>,
    type_id: &str,
    encryption: Encryption,
) -> Result<(), Error> {
    let mut found = free(caller, tx, type_id, "create")?;
    if found.encryption.is_some() {
        let text = format!("Volume type encryption for type {type_id} already exists.");
        return Err(Error::Invalid(text));
    }
    found.encryption = Some(encryption);
    Ok(TYPES.save(tx, &mut found)?)
}

/// Changes how the volumes of a type are encrypted.
pub(crate) fn update(
    caller: &Caller,
    tx: &mut Tx<'_>,
    type_id: &str,
    change: EncryptionChange,
) -> Result<(), Error> {
    let mut found = free(caller, tx, type_id, "update")?;
    let encryption = found.encryption.take().ok_or_else(|| absent(type_id))?;
    found.encryption = Some(Encryption { updated_at: Some(tx.now()), ..encryption.with(change) });
    Ok(TYPES.save(tx, &mut found)?)
}

/// Says that the volumes of a type are not encrypted.
pub(crate) fn delete(caller: &Caller, tx: &mut Tx<'_>, type_id: &str) -> Result<(), Error> {
    let mut found = free(caller, tx, type_id, "delete")?;
    found.encryption.take().ok_or_else(|| absent(type_id))?;
    Ok(TYPES.save(tx, &mut found)?)
}

/// A type that no volume is of, for whoever may do this to its encryption.
fn free(caller: &Caller, tx: &mut Tx<'_>, type_id: &str, verb: &str) -> Result<Stored<VolumeType>, Error> {
    let rule = format!("volume_extension:volume_type_encryption:{verb}");
    let found = find_for(caller, tx, type_id, &rule)?;
    if is_used(tx, found.id)? {
        return Err(Error::Invalid(format!("Cannot {verb} encryption specs. Volume type in use.")));
    }
    Ok(found)
}
