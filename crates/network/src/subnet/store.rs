//! The table of subnets.

use store::{Column, Direction, Error, Select, Stored, Table, Tx, Unique};
use types::{NetworkId, SubnetPoolId};

use super::Subnet;

pub(crate) static SUBNETS: Table<Subnet> = Table {
    name: "network_subnets",
    id: |s| s.id.into(),
    columns: &[
        Column { name: "project_id", value: |s| s.standard.project_id.as_str().into() },
        Column { name: "name", value: |s| s.standard.name.as_str().into() },
        Column { name: "network_id", value: |s| s.network_id.into() },
        Column { name: "subnet_pool_id", value: |s| s.subnet_pool_id.into() },
        Column { name: "cidr", value: |s| s.cidr.to_string().into() },
    ],
    unique: &[Unique { name: "network_subnets_cidr", columns: &["network_id", "cidr"] }],
};

/// The subnets of a network, in the order of their ids.
pub(crate) fn of_network(tx: &mut Tx<'_>, network: NetworkId) -> Result<Vec<Stored<Subnet>>, Error> {
    SUBNETS.query(tx, &Select::all().eq("network_id", network).order("id", Direction::Asc))
}

/// The subnets whose prefixes come from a pool.
pub(crate) fn of_pool(tx: &mut Tx<'_>, pool: SubnetPoolId) -> Result<Vec<Stored<Subnet>>, Error> {
    SUBNETS.query(tx, &Select::all().eq("subnet_pool_id", pool).order("id", Direction::Asc))
}
