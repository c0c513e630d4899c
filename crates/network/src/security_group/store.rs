//! The tables of groups and rules, and who is in which group.

use store::{Column, Direction, Error, Select, Stored, Table, Tx, Unique};
use types::{HostId, PortId, ProjectId, SecurityGroupId};

use super::{Remote, Rule, SecurityGroup};

pub(crate) static GROUPS: Table<SecurityGroup> = Table {
    name: "network_security_groups",
    id: |g| g.id.into(),
    columns: &[
        Column { name: "project_id", value: |g| g.standard.project_id.as_str().into() },
        Column { name: "name", value: |g| g.standard.name.as_str().into() },
        Column { name: "default_of", value: |g| g.is_default.then(|| g.standard.project_id.as_str()).into() },
    ],
    unique: &[Unique { name: "network_security_groups_default", columns: &["default_of"] }],
};

pub(crate) static RULES: Table<Rule> = Table {
    name: "network_security_group_rules",
    id: |r| r.id.into(),
    columns: &[
        Column { name: "project_id", value: |r| r.standard.project_id.as_str().into() },
        Column { name: "group_id", value: |r| r.group_id.into() },
        Column {
            name: "remote_group_id",
            value: |r| match &r.allows.remote {
                Some(Remote::Group(group)) => group.into(),
                Some(Remote::Prefix(_)) | None => store::Value::Null,
            },
        },
    ],
    unique: &[],
};

/// The default group of a project.
pub(crate) fn default_of(
    tx: &mut Tx<'_>,
    project: &ProjectId,
) -> Result<Option<Stored<SecurityGroup>>, Error> {
    GROUPS.first(tx, &Select::all().eq("default_of", project.as_str()))
}

/// The rules of a group, in the order of their ids.
pub(crate) fn rules_of(tx: &mut Tx<'_>, group: SecurityGroupId) -> Result<Vec<Stored<Rule>>, Error> {
    RULES.query(tx, &Select::all().eq("group_id", group).order("id", Direction::Asc))
}

/// The groups that have a rule about the members of this one.
pub(crate) fn referring_to(tx: &mut Tx<'_>, group: SecurityGroupId) -> Result<Vec<String>, Error> {
    let sql = "SELECT DISTINCT group_id FROM network_security_group_rules WHERE remote_group_id = ?";
    let rows = tx.rows(sql, &[group.into()])?;
    Ok(rows.iter().filter_map(|row| row[0].text().map(str::to_owned)).collect())
}

/// Puts a port into a group.
pub(crate) fn insert_member(tx: &mut Tx<'_>, group: SecurityGroupId, port: PortId) -> Result<(), Error> {
    let sql = "INSERT INTO network_port_groups (port_id, group_id) VALUES (?, ?)";
    tx.execute(sql, &[port.into(), group.into()]).map(drop)
}

/// Takes a port out of a group.
pub(crate) fn remove_member(tx: &mut Tx<'_>, group: SecurityGroupId, port: PortId) -> Result<(), Error> {
    let sql = "DELETE FROM network_port_groups WHERE port_id = ? AND group_id = ?";
    tx.execute(sql, &[port.into(), group.into()]).map(drop)
}

/// Whether some port is in a group, apart from those that are only waiting to be gone.
pub(crate) fn has_members(tx: &mut Tx<'_>, group: SecurityGroupId) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM network_port_groups g JOIN network_ports p ON p.id = g.port_id \
               WHERE g.group_id = ? AND p.deleted = 0 LIMIT 1";
    Ok(!tx.rows(sql, &[group.into()])?.is_empty())
}

/// The hosts that have a bound port in a group.
pub(crate) fn hosts_of_members(tx: &mut Tx<'_>, group: SecurityGroupId) -> Result<Vec<HostId>, Error> {
    let sql = "SELECT DISTINCT p.host FROM network_port_groups g JOIN network_ports p ON p.id = g.port_id \
               WHERE g.group_id = ? AND p.host IS NOT NULL ORDER BY p.host";
    let rows = tx.rows(sql, &[group.into()])?;
    Ok(rows.iter().filter_map(|row| row[0].text().map(HostId::from)).collect())
}
