//! Keeps the nodes' documents about security groups as rules and members want them.

use agent_api::Kind;
use agent_api::network::UpSeen;
use nodes::documents::{self, Owner};
use reconcile::{Next, Reconciler, StepError};
use store::{Error, Select, Tx};
use types::{HostId, SecurityGroupId};

use super::store as rows;
use crate::node;

/// The kind of its work keys.
pub(crate) const KIND: &str = "network::security_group";

/// Gives every host that has a port in a group that group's document, and takes it from the others.
pub struct SecurityGroups;

impl Reconciler for SecurityGroups {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn step(&self, tx: &mut Tx<'_>, id: &str) -> Result<Next, StepError> {
        let Ok(group) = id.parse::<SecurityGroupId>() else { return Ok(Next::Done) };
        let wanted = rows::hosts_of_members(tx, group)?;
        if !wanted.is_empty() {
            let document = node::security_group(tx, group)?;
            for host in &wanted {
                documents::put(tx, host, Kind::SecurityGroup, id, &document, Owner { kind: KIND, id })?;
            }
        }
        for host in documents::hosts_of(tx, Kind::SecurityGroup, id)? {
            if !wanted.contains(&host) {
                documents::remove(tx, &host, Kind::SecurityGroup, id)?;
            }
        }
        Ok(Next::Done)
    }

    fn sweep(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        let mut missed = Vec::new();
        for group in rows::GROUPS.query(tx, &Select::all())? {
            let id = group.id.to_string();
            if documents::hosts_of(tx, Kind::SecurityGroup, &id)? != rows::hosts_of_members(tx, group.id)? {
                missed.push(id);
            }
        }
        Ok(missed)
    }
}

/// Puts a group's document on a host that does not have it. One that is there is brought up to date by its own steps,
/// many changes at a time.
pub(crate) fn ensure_on(tx: &mut Tx<'_>, host: &HostId, group: SecurityGroupId) -> Result<(), Error> {
    let id = group.to_string();
    let there =
        documents::seen::<UpSeen>(tx, host, Kind::SecurityGroup, &id)?.is_some_and(|seen| !seen.removing);
    if there {
        return Ok(());
    }
    let document = node::security_group(tx, group)?;
    documents::put(tx, host, Kind::SecurityGroup, &id, &document, Owner { kind: KIND, id: &id })
}
