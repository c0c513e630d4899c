//! The table of subnet pools.

use store::{Column, Error, Select, Stored, Table, Tx, Unique};
use types::AddressFamily;

use super::SubnetPool;

pub(crate) static POOLS: Table<SubnetPool> = Table {
    name: "network_subnet_pools",
    id: |p| p.id.into(),
    columns: &[
        Column { name: "project_id", value: |p| p.standard.project_id.as_str().into() },
        Column { name: "name", value: |p| p.standard.name.as_str().into() },
        Column { name: "shared", value: |p| p.shared.into() },
        Column { name: "default_of", value: |p| p.is_default.then(|| version(p.family())).into() },
    ],
    unique: &[Unique { name: "network_subnet_pools_default", columns: &["default_of"] }],
};

fn version(family: AddressFamily) -> i64 {
    family.version().into()
}

/// The default pool of a family.
pub(crate) fn default_of(
    tx: &mut Tx<'_>,
    family: AddressFamily,
) -> Result<Option<Stored<SubnetPool>>, Error> {
    POOLS.first(tx, &Select::all().eq("default_of", version(family)))
}
