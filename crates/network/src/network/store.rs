//! The table of networks.

use store::{Column, Condition, Direction, Error, Select, Stored, Table, Tx, Unique};
use types::{HostId, NetworkId, ProjectId};

use super::Network;

pub(crate) static NETWORKS: Table<Network> = Table {
    name: "network_networks",
    id: |n| n.id.into(),
    columns: &[
        Column { name: "project_id", value: |n| n.standard.project_id.as_str().into() },
        Column { name: "name", value: |n| n.standard.name.as_str().into() },
        Column { name: "shared", value: |n| n.shared.into() },
        Column { name: "external", value: |n| n.external.into() },
        Column { name: "deleted", value: |n| n.deleted.into() },
        Column { name: "vni", value: |n| n.vni().into() },
    ],
    unique: &[Unique { name: "network_networks_vni", columns: &["vni"] }],
};

/// Networks that are not deleted.
pub(crate) fn live() -> Select {
    Select::all().eq("deleted", false)
}

/// Networks of a project, and those that everybody may see.
pub(crate) fn visible_to(project: Option<&ProjectId>) -> Select {
    let mut ways = vec![Condition::Eq("shared", true.into()), Condition::Eq("external", true.into())];
    ways.extend(project.map(|id| Condition::Eq("project_id", id.as_str().into())));
    live().with(Condition::Any(ways))
}

/// Networks that a project owns or shares in.
pub(crate) fn usable_by(project: Option<&ProjectId>) -> Select {
    let mut ways = vec![Condition::Eq("shared", true.into())];
    ways.extend(project.map(|id| Condition::Eq("project_id", id.as_str().into())));
    live().with(Condition::Any(ways))
}

/// External networks.
pub(crate) fn external(tx: &mut Tx<'_>) -> Result<Vec<Stored<Network>>, Error> {
    NETWORKS.query(tx, &live().eq("external", true).order("id", Direction::Asc))
}

/// Whether some network, deleted or not, has this VNI.
pub(crate) fn has_vni(tx: &mut Tx<'_>, vni: u32) -> Result<bool, Error> {
    Ok(NETWORKS.count(tx, &Select::all().eq("vni", vni))? > 0)
}

/// The hosts that have something bound in a network.
pub(crate) fn hosts_with_ports(tx: &mut Tx<'_>, network: NetworkId) -> Result<Vec<HostId>, Error> {
    let sql =
        "SELECT DISTINCT host FROM network_ports WHERE network_id = ? AND host IS NOT NULL ORDER BY host";
    let rows = tx.rows(sql, &[network.into()])?;
    Ok(rows.iter().filter_map(|row| row[0].text().map(HostId::from)).collect())
}

/// Networks that a project owns.
pub(crate) fn owned_by(project: &ProjectId) -> Select {
    live().eq("project_id", project.as_str())
}

/// The networks of these ids.
pub(crate) fn of_ids(
    tx: &mut Tx<'_>,
    ids: impl Iterator<Item = NetworkId>,
) -> Result<Vec<Stored<Network>>, Error> {
    let ids: std::collections::BTreeSet<NetworkId> = ids.collect();
    NETWORKS.query(tx, &Select::all().is_in("id", ids))
}
