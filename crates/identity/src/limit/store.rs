//! The table of limits.

use store::{Column, Error, Select, Stored, Table, Tx, Unique};

use super::model::{Limit, LimitOwner};
use crate::registered_limit::model::Limited;

pub(crate) static LIMITS: Table<Limit> = Table {
    name: "identity_limits",
    id: |l| (&l.id).into(),
    columns: &[
        Column { name: "what", value: |l| l.what.key().into() },
        Column { name: "service_id", value: |l| (&l.what.service_id).into() },
        Column { name: "region_id", value: |l| l.what.region_id.as_ref().into() },
        Column { name: "resource_name", value: |l| l.what.resource_name.as_str().into() },
        Column { name: "owner_kind", value: |l| l.owner.kind().into() },
        Column { name: "owner_id", value: |l| l.owner.id().into() },
    ],
    unique: &[Unique { name: "identity_limits_owner", columns: &["owner_id", "owner_kind", "what"] }],
};

/// All limits of a project or domain.
pub(crate) fn select_of(owner: &LimitOwner) -> Select {
    Select::all().eq("owner_id", owner.id()).eq("owner_kind", owner.kind())
}

/// The limit of a project or domain for one resource.
pub(crate) fn load_of(
    tx: &mut Tx<'_>,
    owner: &LimitOwner,
    what: &Limited,
) -> Result<Option<Stored<Limit>>, Error> {
    LIMITS.first(tx, &select_of(owner).eq("what", what.key()))
}
