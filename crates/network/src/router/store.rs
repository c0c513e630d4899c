//! The table of routers.

use store::{Column, Direction, Error, Select, Stored, Table, Tx};
use types::{HostId, NetworkId, RouterId};

use super::Router;
use crate::port::{Port, store::PORTS};

pub(crate) static ROUTERS: Table<Router> = Table {
    name: "network_routers",
    id: |r| r.id.into(),
    columns: &[
        Column { name: "project_id", value: |r| r.standard.project_id.as_str().into() },
        Column { name: "name", value: |r| r.standard.name.as_str().into() },
        Column { name: "external_network_id", value: |r| r.gateway.as_ref().map(|g| g.network_id).into() },
        Column { name: "host", value: |r| r.host.as_ref().into() },
        Column { name: "deleted", value: |r| r.deleted.into() },
    ],
    unique: &[],
};

/// Routers that are not deleted.
pub(crate) fn live() -> Select {
    Select::all().eq("deleted", false)
}

/// The ports that are a router's legs.
pub(crate) fn legs(tx: &mut Tx<'_>, router: RouterId) -> Result<Vec<Stored<Port>>, Error> {
    let select = Select::all().eq("device_id", router).eq("deleted", false).order("id", Direction::Asc);
    Ok(PORTS.query(tx, &select)?.into_iter().filter(|port| port.is_router_leg()).collect())
}

/// The routers with a gateway to a network, the oldest first.
pub(crate) fn outside_on(tx: &mut Tx<'_>, network: NetworkId) -> Result<Vec<Stored<Router>>, Error> {
    let mut routers = ROUTERS.query(tx, &live().eq("external_network_id", network))?;
    routers.sort_by_key(|router| (router.standard.created_at, router.id));
    Ok(routers)
}

/// How many routers a host has.
pub(crate) fn count_on(tx: &mut Tx<'_>, host: &HostId) -> Result<i64, Error> {
    ROUTERS.count(tx, &Select::all().eq("host", host))
}
