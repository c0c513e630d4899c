//! What a server group is.

use std::collections::BTreeSet;

use placement::schedule::Request;
use serde::{Deserialize, Serialize};
use types::{HostId, ProjectId, ServerGroupId, Timestamp, UserId};

/// A server group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServerGroup {
    pub(crate) id: ServerGroupId,
    pub(crate) name: String,
    pub(crate) project_id: ProjectId,
    pub(crate) user_id: UserId,
    pub(crate) policy: GroupPolicy,
    pub(crate) created_at: Timestamp,
}

/// Where the members are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum GroupPolicy {
    /// On one host.
    Affinity,
    /// On different hosts.
    AntiAffinity,
    /// On one host if it has room.
    SoftAffinity,
    /// On different hosts as long as there are enough.
    SoftAntiAffinity,
}

impl GroupPolicy {
    /// All with Nova's names.
    pub(crate) const ALL: [(GroupPolicy, &'static str); 4] = [
        (GroupPolicy::Affinity, "affinity"),
        (GroupPolicy::AntiAffinity, "anti-affinity"),
        (GroupPolicy::SoftAffinity, "soft-affinity"),
        (GroupPolicy::SoftAntiAffinity, "soft-anti-affinity"),
    ];

    /// Nova's name.
    pub(crate) fn name(self) -> &'static str {
        GroupPolicy::ALL.iter().find(|(policy, _)| *policy == self).map_or("", |(_, name)| name)
    }

    /// Whether it is only a preference.
    pub(crate) fn is_soft(self) -> bool {
        matches!(self, GroupPolicy::SoftAffinity | GroupPolicy::SoftAntiAffinity)
    }

    /// What it means for a new member when the others are on these hosts.
    pub(crate) fn constrain(self, hosts: &BTreeSet<HostId>, request: &mut Request) {
        if hosts.is_empty() {
            return;
        }
        match self {
            GroupPolicy::Affinity => {
                let both = request.within.take().map(|within| within.intersection(hosts).cloned().collect());
                request.within = Some(both.unwrap_or_else(|| hosts.clone()));
            }
            GroupPolicy::AntiAffinity => request.avoid.extend(hosts.iter().cloned()),
            GroupPolicy::SoftAffinity => request.rather.extend(hosts.iter().cloned()),
            GroupPolicy::SoftAntiAffinity => request.rather_not.extend(hosts.iter().cloned()),
        }
    }
}
