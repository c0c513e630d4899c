//! The table of servers.

use ::store::{Column, Error, Select, Stored, Table, Tx};
use types::{HostId, ProjectId};

use super::Server;
use crate::quota::Used;

/// The table.
pub(crate) static SERVERS: Table<Server> = Table {
    name: "compute_servers",
    id: |s| s.id.into(),
    columns: &[
        Column { name: "project_id", value: |s| (&s.project_id).into() },
        Column { name: "host", value: |s| s.host.as_ref().into() },
        Column { name: "group_id", value: |s| s.placement.group_id.into() },
        Column { name: "created_at", value: |s| s.created_at.into() },
        Column { name: "vcpus", value: |s| s.flavor.vcpus.into() },
        Column { name: "ram_mib", value: |s| i64::try_from(s.flavor.ram_mib).unwrap_or(i64::MAX).into() },
        Column { name: "busy", value: |s| s.is_moving().into() },
    ],
    unique: &[],
};

/// What a project's servers take.
pub(crate) fn used(tx: &mut Tx<'_>, project_id: &ProjectId) -> Result<Used, Error> {
    let sql = "SELECT COUNT(*), SUM(vcpus), SUM(ram_mib) FROM compute_servers WHERE project_id = ?";
    let rows = tx.rows(sql, &[project_id.into()])?;
    let number =
        |n: usize| rows.first().and_then(|row| row.get(n)).and_then(::store::Value::int).unwrap_or(0);
    Ok(Used { instances: number(0), cores: number(1), ram_mib: number(2) })
}

/// The servers on a host.
pub(crate) fn on_host(tx: &mut Tx<'_>, host: &HostId) -> Result<Vec<Stored<Server>>, Error> {
    SERVERS.query(tx, &Select::all().eq("host", host))
}

/// Servers that are being made or changed: what a sweep looks at.
pub(crate) fn busy(tx: &mut Tx<'_>) -> Result<Vec<Stored<Server>>, Error> {
    SERVERS.query(tx, &Select::all().eq("busy", true))
}
