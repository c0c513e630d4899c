//! The table of floating IPs.

use store::{Column, Direction, Error, Select, Stored, Table, Tx, Unique};
use types::{PortId, RouterId};

use super::FloatingIp;

pub(crate) static FLOATING_IPS: Table<FloatingIp> = Table {
    name: "network_floating_ips",
    id: |f| f.id.into(),
    columns: &[
        Column { name: "project_id", value: |f| f.standard.project_id.as_str().into() },
        Column { name: "network_id", value: |f| f.network_id.into() },
        Column { name: "address", value: |f| f.address.to_string().into() },
        Column { name: "port_id", value: |f| f.port_id().into() },
        Column { name: "fixed_ip", value: |f| f.fixed_ip().into() },
        Column { name: "router_id", value: |f| f.router_id().into() },
    ],
    unique: &[
        Unique { name: "network_floating_ips_address", columns: &["network_id", "address"] },
        Unique { name: "network_floating_ips_fixed", columns: &["port_id", "fixed_ip"] },
    ],
};

/// The floating IPs that lead to these ports.
pub(crate) fn of_ports(tx: &mut Tx<'_>, ports: &[PortId]) -> Result<Vec<Stored<FloatingIp>>, Error> {
    FLOATING_IPS.query(tx, &Select::all().is_in("port_id", ports).order("id", Direction::Asc))
}

/// The floating IPs that a router translates.
pub(crate) fn of_router(tx: &mut Tx<'_>, router: RouterId) -> Result<Vec<Stored<FloatingIp>>, Error> {
    FLOATING_IPS.query(tx, &Select::all().eq("router_id", router).order("id", Direction::Asc))
}
