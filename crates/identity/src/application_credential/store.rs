//! The table of application credentials.

use store::{Column, Direction, Error, Select, Stored, Table, Tx, Unique};
use types::UserId;

use super::model::ApplicationCredential;
use crate::ids::key_of;

pub(crate) static APPLICATION_CREDENTIALS: Table<ApplicationCredential> = Table {
    name: "identity_application_credentials",
    id: |a| a.id.as_str().into(),
    columns: &[
        Column { name: "user_id", value: |a| (&a.user_id).into() },
        Column { name: "project_id", value: |a| (&a.project_id).into() },
        Column { name: "name_hash", value: |a| key_of(&[&a.name]).into() },
    ],
    unique: &[Unique { name: "identity_application_credentials_name", columns: &["user_id", "name_hash"] }],
};

/// Those of a user.
pub(crate) fn of_user(tx: &mut Tx<'_>, user: &UserId) -> Result<Vec<Stored<ApplicationCredential>>, Error> {
    APPLICATION_CREDENTIALS.query(tx, &Select::all().eq("user_id", user).order("id", Direction::Asc))
}

/// The one of a user that has a name.
pub(crate) fn named(
    tx: &mut Tx<'_>,
    user: &UserId,
    name: &str,
) -> Result<Option<Stored<ApplicationCredential>>, Error> {
    let select = Select::all().eq("user_id", user).eq("name_hash", key_of(&[name]));
    APPLICATION_CREDENTIALS.first(tx, &select)
}
