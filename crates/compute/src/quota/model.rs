//! What is limited, and by how much unless an operator says otherwise.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use types::ProjectId;

/// The limits of a project. -1 is no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Servers.
    pub(crate) instances: i64,
    /// Virtual CPUs of servers.
    pub(crate) cores: i64,
    /// Memory of servers.
    pub(crate) ram_mib: i64,
    /// Keypairs of one user.
    pub(crate) key_pairs: i64,
    /// Metadata items of one server.
    pub(crate) metadata_items: i64,
    /// Server groups.
    pub(crate) server_groups: i64,
    /// Servers of one group.
    pub(crate) server_group_members: i64,
    /// Shown to old clients; files are not injected.
    pub(crate) injected_files: i64,
    pub(crate) injected_file_content_bytes: i64,
    pub(crate) injected_file_path_bytes: i64,
    /// Shown to old clients; the network service has its own.
    pub(crate) fixed_ips: i64,
    pub(crate) floating_ips: i64,
    pub(crate) security_groups: i64,
    pub(crate) security_group_rules: i64,
}

/// Nova's names, its defaults and where the value is.
type Named = (&'static str, i64, fn(&mut Limits) -> &mut i64);

/// All limits.
pub(crate) const ALL: &[Named] = &[
    ("instances", 10, |l| &mut l.instances),
    ("cores", 20, |l| &mut l.cores),
    ("ram", 50 * 1024, |l| &mut l.ram_mib),
    ("key_pairs", 100, |l| &mut l.key_pairs),
    ("metadata_items", 128, |l| &mut l.metadata_items),
    ("server_groups", 10, |l| &mut l.server_groups),
    ("server_group_members", 10, |l| &mut l.server_group_members),
    ("injected_files", 5, |l| &mut l.injected_files),
    ("injected_file_content_bytes", 10 * 1024, |l| &mut l.injected_file_content_bytes),
    ("injected_file_path_bytes", 255, |l| &mut l.injected_file_path_bytes),
    ("fixed_ips", -1, |l| &mut l.fixed_ips),
    ("floating_ips", -1, |l| &mut l.floating_ips),
    ("security_groups", -1, |l| &mut l.security_groups),
    ("security_group_rules", -1, |l| &mut l.security_group_rules),
];

impl Limits {
    /// The defaults with a project's own values in their place.
    pub(crate) fn with(overrides: &BTreeMap<String, i64>) -> Limits {
        let mut limits = Limits {
            instances: 0,
            cores: 0,
            ram_mib: 0,
            key_pairs: 0,
            metadata_items: 0,
            server_groups: 0,
            server_group_members: 0,
            injected_files: 0,
            injected_file_content_bytes: 0,
            injected_file_path_bytes: 0,
            fixed_ips: 0,
            floating_ips: 0,
            security_groups: 0,
            security_group_rules: 0,
        };
        for (name, default, place) in ALL {
            *place(&mut limits) = overrides.get(*name).copied().unwrap_or(*default);
        }
        limits
    }

    /// The limits by Nova's names.
    pub(crate) fn by_name(&self) -> BTreeMap<&'static str, i64> {
        let mut copy = self.clone();
        ALL.iter().map(|(name, _, place)| (*name, *place(&mut copy))).collect()
    }
}

/// A project's own limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Overrides {
    pub(crate) project_id: ProjectId,
    /// By Nova's names; what is not there is the default.
    pub(crate) limits: BTreeMap<String, i64>,
}

/// What a project's servers take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) instances: i64,
    pub(crate) cores: i64,
    pub(crate) ram_mib: i64,
}

/// The refusal, if `asked` more do not fit: each exceeded limit with what is asked, used and allowed.
pub(crate) fn exceeded(limits: &Limits, used: Used, asked: Used) -> Option<String> {
    let all = [
        ("cores", limits.cores, used.cores, asked.cores),
        ("instances", limits.instances, used.instances, asked.instances),
        ("ram", limits.ram_mib, used.ram_mib, asked.ram_mib),
    ];
    let over: Vec<_> =
        all.iter().filter(|(_, limit, used, asked)| *limit >= 0 && used + asked > *limit).collect();
    if over.is_empty() {
        return None;
    }
    let joined = |pick: fn(&(&str, i64, i64, i64)) -> String| {
        over.iter().map(|one| pick(one)).collect::<Vec<_>>().join(", ")
    };
    let names = joined(|(name, ..)| (*name).to_owned());
    Some(format!(
        "Quota exceeded for {names}: Requested {}, but already used {} of {} {names}",
        joined(|(_, _, _, asked)| asked.to_string()),
        joined(|(_, _, used, _)| used.to_string()),
        joined(|(_, limit, _, _)| limit.to_string()),
    ))
}
