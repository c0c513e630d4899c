//! The addresses that ports have, one row each, beside the ports' own documents.

use std::net::IpAddr;

use store::{Error, Tx, Value};
use types::{PortId, SecurityGroupId, SubnetId};

/// Gives an address to a port. A lost race for it is run again and finds another.
pub(crate) fn insert(tx: &mut Tx<'_>, subnet: SubnetId, ip: IpAddr, port: PortId) -> Result<(), Error> {
    let sql = "INSERT INTO network_ip_allocations (subnet_id, ip, port_id) VALUES (?, ?, ?)";
    tx.execute(sql, &[subnet.into(), ip.into(), port.into()]).map(drop)
}

/// Takes an address back.
pub(crate) fn remove(tx: &mut Tx<'_>, subnet: SubnetId, ip: IpAddr) -> Result<(), Error> {
    let sql = "DELETE FROM network_ip_allocations WHERE subnet_id = ? AND ip = ?";
    tx.execute(sql, &[subnet.into(), ip.into()]).map(drop)
}

/// Takes back all that a port has.
pub(crate) fn remove_all(tx: &mut Tx<'_>, port: PortId) -> Result<(), Error> {
    tx.execute("DELETE FROM network_ip_allocations WHERE port_id = ?", &[port.into()]).map(drop)
}

/// Whether somebody has this address.
pub(crate) fn is_taken(tx: &mut Tx<'_>, subnet: SubnetId, ip: IpAddr) -> Result<bool, Error> {
    Ok(holder(tx, subnet, ip)?.is_some())
}

/// The port that has this address.
pub(crate) fn holder(tx: &mut Tx<'_>, subnet: SubnetId, ip: IpAddr) -> Result<Option<PortId>, Error> {
    let sql = "SELECT port_id FROM network_ip_allocations WHERE subnet_id = ? AND ip = ?";
    let rows = tx.rows(sql, &[subnet.into(), ip.into()])?;
    Ok(rows.first().and_then(|row| parsed(&row[0])))
}

/// All addresses that are taken in a subnet.
pub(crate) fn taken(tx: &mut Tx<'_>, subnet: SubnetId) -> Result<Vec<IpAddr>, Error> {
    let rows = tx.rows("SELECT ip FROM network_ip_allocations WHERE subnet_id = ?", &[subnet.into()])?;
    Ok(rows.iter().filter_map(|row| parsed(&row[0])).collect())
}

/// The ports that have an address in a subnet.
pub(crate) fn ports_in(tx: &mut Tx<'_>, subnet: SubnetId) -> Result<Vec<PortId>, Error> {
    let sql = "SELECT DISTINCT port_id FROM network_ip_allocations WHERE subnet_id = ?";
    let rows = tx.rows(sql, &[subnet.into()])?;
    Ok(rows.iter().filter_map(|row| parsed(&row[0])).collect())
}

/// The addresses of a security group's members.
pub(crate) fn of_group(tx: &mut Tx<'_>, group: SecurityGroupId) -> Result<Vec<IpAddr>, Error> {
    let sql = "SELECT DISTINCT a.ip FROM network_port_groups g \
               JOIN network_ip_allocations a ON a.port_id = g.port_id WHERE g.group_id = ?";
    let rows = tx.rows(sql, &[group.into()])?;
    let mut addresses: Vec<IpAddr> = rows.iter().filter_map(|row| parsed(&row[0])).collect();
    addresses.sort_unstable();
    Ok(addresses)
}

fn parsed<T: std::str::FromStr>(value: &Value) -> Option<T> {
    value.text()?.parse().ok()
}
