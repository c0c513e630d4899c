//! The table of keypairs. Its id is made of user and name, so that a user has a name once.

use ::store::{Column, Error, Select, Stored, Table, Tx};
use types::UserId;

use super::Keypair;
use crate::key::joined;

/// The table.
pub(super) static KEYPAIRS: Table<Keypair> = Table {
    name: "compute_keypairs",
    id: |k| joined(&[k.user_id.as_str(), &k.name]).into(),
    columns: &[Column { name: "user_id", value: |k| (&k.user_id).into() }],
    unique: &[],
};

/// The keypair of this user and name.
pub(super) fn load(tx: &mut Tx<'_>, user_id: &UserId, name: &str) -> Result<Option<Stored<Keypair>>, Error> {
    KEYPAIRS.load(tx, joined(&[user_id.as_str(), name]))
}

/// A user's keypairs by name.
pub(super) fn of_user(tx: &mut Tx<'_>, user_id: &UserId) -> Result<Vec<Stored<Keypair>>, Error> {
    let mut found = KEYPAIRS.query(tx, &Select::all().eq("user_id", user_id))?;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}
