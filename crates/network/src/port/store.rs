//! The table of ports.

use store::{Column, Direction, Error, Select, Stored, Table, Tx, Unique};
use types::{MacAddr, NetworkId, ProjectId};

use super::Port;

pub(crate) static PORTS: Table<Port> = Table {
    name: "network_ports",
    id: |p| p.id.into(),
    columns: &[
        Column { name: "project_id", value: |p| p.standard.project_id.as_str().into() },
        Column { name: "name", value: |p| p.standard.name.as_str().into() },
        Column { name: "network_id", value: |p| p.network_id.into() },
        Column { name: "mac", value: |p| p.mac.into() },
        Column { name: "device_id", value: |p| p.device.id.as_str().into() },
        Column { name: "device_owner", value: |p| p.device.owner.as_str().into() },
        Column { name: "host", value: |p| p.host().into() },
        Column { name: "deleted", value: |p| p.deleted.into() },
    ],
    unique: &[Unique { name: "network_ports_mac", columns: &["network_id", "mac"] }],
};

/// Ports that are not deleted.
pub(crate) fn live() -> Select {
    Select::all().eq("deleted", false)
}

/// Whether a port of the network has this MAC address, a deleted one that a host still has included.
pub(crate) fn has_mac(tx: &mut Tx<'_>, network: NetworkId, mac: MacAddr) -> Result<bool, Error> {
    Ok(PORTS.count(tx, &Select::all().eq("network_id", network).eq("mac", mac))? > 0)
}

/// Live ports of a network.
pub(crate) fn of_network(tx: &mut Tx<'_>, network: NetworkId) -> Result<Vec<Stored<Port>>, Error> {
    PORTS.query(tx, &live().eq("network_id", network).order("id", Direction::Asc))
}

/// Live ports with one of these things plugged in.
pub(crate) fn of_devices(tx: &mut Tx<'_>, devices: &[String]) -> Result<Vec<Stored<Port>>, Error> {
    PORTS.query(tx, &live().is_in("device_id", devices).order("id", Direction::Asc))
}

/// Whether the network has any port that is not deleted.
pub(crate) fn any_live_in(tx: &mut Tx<'_>, network: NetworkId) -> Result<bool, Error> {
    Ok(PORTS.count(tx, &live().eq("network_id", network))? > 0)
}

/// Whether the network has any port at all.
pub(crate) fn any_in(tx: &mut Tx<'_>, network: NetworkId) -> Result<bool, Error> {
    Ok(PORTS.count(tx, &Select::all().eq("network_id", network))? > 0)
}

/// Whether projects other than this one have ports in the network; routers' gateways and floating IPs do not count.
pub(crate) fn other_projects_in(
    tx: &mut Tx<'_>,
    network: NetworkId,
    project: &ProjectId,
) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM network_ports WHERE network_id = ? AND deleted = 0 AND project_id <> ? \
               AND project_id <> '' LIMIT 1";
    Ok(!tx.rows(sql, &[network.into(), project.as_str().into()])?.is_empty())
}

/// The device owners of a network's ports.
pub(crate) fn owners_in(tx: &mut Tx<'_>, network: NetworkId) -> Result<Vec<String>, Error> {
    let sql = "SELECT DISTINCT device_owner FROM network_ports WHERE network_id = ? AND deleted = 0";
    let rows = tx.rows(sql, &[network.into()])?;
    Ok(rows.iter().filter_map(|row| row[0].text().map(str::to_owned)).collect())
}
