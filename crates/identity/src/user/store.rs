//! The table of users.

use store::{Column, Table, Unique};

use super::model::User;
use crate::ids::key_of;

/// Names may be 255 characters long, too long for an index; so the index is over their hash.
pub(crate) static USERS: Table<User> = Table {
    name: "identity_users",
    id: |u| (&u.id).into(),
    columns: &[
        Column { name: "domain_id", value: |u| (&u.domain_id).into() },
        Column { name: "name_hash", value: |u| name_key(u).into() },
        Column { name: "enabled", value: |u| u.enabled.into() },
    ],
    unique: &[Unique { name: "identity_users_name", columns: &["domain_id", "name_hash"] }],
};

/// By its name alone nobody who logs in elsewhere is found.
fn name_key(user: &User) -> String {
    if user.ephemeral { key_of(&["ephemeral", user.id.as_str()]) } else { key_of(&[&user.name]) }
}
