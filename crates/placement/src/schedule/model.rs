//! The choice itself, a pure function of what was asked and how the hosts are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use types::{HostId, ResourceProviderId};

use crate::provider::{Inventory, MEMORY_MB};

/// What a server needs of its host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Amounts by resource class.
    pub resources: BTreeMap<String, u64>,
    /// The only host that will do, where an operator or a local volume says so.
    pub host: Option<HostId>,
    /// The hosts that will do, where affinity says so.
    pub within: Option<BTreeSet<HostId>>,
    /// Hosts that will not do, where anti-affinity says so.
    pub avoid: BTreeSet<HostId>,
    /// Hosts that are chosen first, where soft affinity says so.
    pub rather: BTreeSet<HostId>,
    /// Hosts that are chosen last, where soft anti-affinity says so.
    pub rather_not: BTreeSet<HostId>,
}

/// A host as the choice sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct HostState {
    /// The host.
    pub host: HostId,
    /// Its provider.
    pub provider_id: ResourceProviderId,
    /// Whether its agent was heard of lately.
    pub up: bool,
    /// Whether new servers may be placed on it.
    pub enabled: bool,
    /// What it has.
    pub inventories: BTreeMap<String, Inventory>,
    /// What of that is given out.
    pub used: BTreeMap<String, u64>,
}

impl HostState {
    /// How much more of a class can be given out here.
    pub fn free(&self, class: &str) -> u64 {
        let used = self.used.get(class).copied().unwrap_or(0);
        self.inventories.get(class).map_or(0, |inventory| inventory.free(used))
    }

    fn fits(&self, class: &str, asked: u64) -> bool {
        let used = self.used.get(class).copied().unwrap_or(0);
        asked == 0 || self.inventories.get(class).is_some_and(|inventory| inventory.fits(asked, used))
    }
}

/// A host that will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The host.
    pub host: HostId,
    /// Its provider.
    pub provider_id: ResourceProviderId,
}

/// What one filter removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The filter's name: a resource class, or what else was asked for.
    pub filter: String,
    /// How many hosts it removed.
    pub count: usize,
    /// How near the nearest of them was, in words.
    pub nearest: String,
}

/// The hosts that will do, best first, and why the others will not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Best first.
    pub order: Vec<Candidate>,
    /// How many hosts there are.
    pub considered: usize,
    /// By filter, in the order that the filters were applied; only those that removed something.
    pub removed: Vec<Removed>,
}

impl fmt::Display for Choice {
    /// The sentence after "No valid host was found.".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.considered {
            0 => return f.write_str("No host has joined this cloud."),
            1 => write!(f, "1 host was considered")?,
            n => write!(f, "{n} hosts were considered")?,
        }
        for removed in &self.removed {
            write!(f, "; {} removed {} ({})", removed.filter, removed.count, removed.nearest)?;
        }
        f.write_str(".")
    }
}

/// Applies the filters one after the other and sorts what is left.
pub fn choose(request: &Request, hosts: Vec<HostState>) -> Choice {
    let mut choice = Choice { considered: hosts.len(), ..Choice::default() };
    let mut left = hosts;
    sieve(
        &mut left,
        &mut choice,
        "host up",
        |h| h.up,
        |gone| format!("the agent of {} was not heard of lately", gone[0].host),
    );
    sieve(
        &mut left,
        &mut choice,
        "host enabled",
        |h| h.enabled,
        |gone| format!("{} is disabled by the operator", gone[0].host),
    );
    if let Some(wanted) = &request.host {
        let nearest = |_: &[HostState]| format!("only {wanted} was asked for");
        sieve(&mut left, &mut choice, "requested host", |h| h.host == *wanted, nearest);
    }
    if let Some(within) = &request.within {
        let names: Vec<&str> = within.iter().map(HostId::as_str).collect();
        let nearest = |_: &[HostState]| format!("affinity allows only {}", names.join(", "));
        sieve(&mut left, &mut choice, "affinity", |h| within.contains(&h.host), nearest);
    }
    let nearest = |gone: &[HostState]| format!("{} has a member of the group already", gone[0].host);
    sieve(&mut left, &mut choice, "anti-affinity", |h| !request.avoid.contains(&h.host), nearest);
    for (class, asked) in &request.resources {
        let nearest = |gone: &[HostState]| nearest_miss(gone, class, *asked);
        sieve(&mut left, &mut choice, class, |h| h.fits(class, *asked), nearest);
    }
    left.sort_by_key(|h| {
        let rather_not = request.rather_not.contains(&h.host);
        (rather_not, !request.rather.contains(&h.host), std::cmp::Reverse(h.free(MEMORY_MB)), h.host.clone())
    });
    let candidate = |h: HostState| Candidate { host: h.host, provider_id: h.provider_id };
    choice.order = left.into_iter().map(candidate).collect();
    choice
}

fn sieve(
    left: &mut Vec<HostState>,
    choice: &mut Choice,
    filter: &str,
    keep: impl Fn(&HostState) -> bool,
    nearest: impl Fn(&[HostState]) -> String,
) {
    let (kept, gone): (Vec<HostState>, Vec<HostState>) = std::mem::take(left).into_iter().partition(keep);
    *left = kept;
    if !gone.is_empty() {
        let (filter, count, nearest) = (filter.to_owned(), gone.len(), nearest(&gone));
        choice.removed.push(Removed { filter, count, nearest });
    }
}

fn nearest_miss(gone: &[HostState], class: &str, asked: u64) -> String {
    let best = gone.iter().max_by_key(|h| (h.free(class), std::cmp::Reverse(h.host.clone())));
    let Some(best) = best else { return format!("asked {asked}") };
    let free = best.free(class);
    let max = best.inventories.get(class).map_or(0, |i| i.max_unit);
    if free >= asked && max < asked {
        format!("asked {asked}, one server may have {max} on {}", best.host)
    } else {
        format!("asked {asked}, nearest is {} with {free} free", best.host)
    }
}
