//! The table of keys.

use store::{Column, Table};

use super::keys::Key;

pub(crate) static KEYS: Table<Key> = Table {
    name: "identity_fernet_keys",
    id: |k| k.id.as_str().into(),
    columns: &[Column { name: "made_at", value: |k| k.made_at.into() }],
    unique: &[],
};
