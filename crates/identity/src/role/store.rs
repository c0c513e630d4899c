//! The tables of roles and of what they imply.

use store::{Column, Error, Select, Table, Tx, Unique};

use super::model::{Implication, Role};
use crate::ids::key_of;

/// The domain of a role of the whole cloud is the empty string, for a unique index does not see NULLs.
pub(crate) static ROLES: Table<Role> = Table {
    name: "identity_roles",
    id: |r| (&r.id).into(),
    columns: &[
        Column { name: "domain_id", value: |r| r.domain_id.as_ref().map_or("", |d| d.as_str()).into() },
        Column { name: "name_hash", value: |r| key_of(&[&r.name]).into() },
    ],
    unique: &[Unique { name: "identity_roles_name", columns: &["domain_id", "name_hash"] }],
};

pub(crate) static IMPLICATIONS: Table<Implication> = Table {
    name: "identity_implications",
    id: |i| key_of(&[i.prior.as_str(), i.implied.as_str()]).into(),
    columns: &[
        Column { name: "prior_role_id", value: |i| (&i.prior).into() },
        Column { name: "implied_role_id", value: |i| (&i.implied).into() },
    ],
    unique: &[],
};

/// All implications. There are as many as an operator made: a handful.
pub(crate) fn implications(tx: &mut Tx<'_>) -> Result<Vec<Implication>, Error> {
    let found = IMPLICATIONS.query(tx, &Select::all())?;
    Ok(found.into_iter().map(|i| i.into_inner()).collect())
}
