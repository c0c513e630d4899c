//! The table of limits, and counts of what is limited.

use store::{Error, Select, Table, Tx};
use types::ProjectId;

use super::{Limited, Limits};
use crate::{floating_ip, network, port, router, security_group, subnet, subnet_pool};

pub(super) static LIMITS: Table<Limits> =
    Table { name: "network_quotas", id: |l| l.project_id.as_str().into(), columns: &[], unique: &[] };

/// How many of a kind a project has.
pub(super) fn used(tx: &mut Tx<'_>, project: &ProjectId, what: Limited) -> Result<i64, Error> {
    let all = Select::all().eq("project_id", project.as_str());
    let live = all.clone().eq("deleted", false);
    match what {
        Limited::Network => network::store::NETWORKS.count(tx, &live),
        Limited::Subnet => subnet::store::SUBNETS.count(tx, &all),
        Limited::Subnetpool => subnet_pool::store::POOLS.count(tx, &all),
        Limited::Port => port::store::PORTS.count(tx, &live),
        Limited::Router => router::store::ROUTERS.count(tx, &live),
        Limited::Floatingip => floating_ip::store::FLOATING_IPS.count(tx, &all),
        Limited::SecurityGroup => security_group::store::GROUPS.count(tx, &all),
        Limited::SecurityGroupRule => security_group::store::RULES.count(tx, &all),
    }
}
