//! Who waits for a password thread, and whose turn it is: a bounded line that no address and no user can fill.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

/// How many wait or are served at a time.
pub(super) const ALL_MAX: usize = 512;
/// How many of them from one address. Behind a proxy it may be everybody's, so it is not small.
pub(super) const ORIGIN_MAX: usize = 128;
/// How many of them for one user: several programs of the same user log in at once, but not all at the same moment.
pub(super) const USER_MAX: usize = 16;

/// The bits of an IPv6 address that its network gave out; the rest a client chooses as it likes.
const IPV6_NETWORK: u128 = !0 << 64;

/// An address as far as somebody had to be given it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin(Option<IpAddr>);

impl Origin {
    pub(super) fn of(address: Option<IpAddr>) -> Origin {
        Origin(address.map(|address| match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & IPV6_NETWORK)),
            v4 => v4,
        }))
    }
}

/// Whose password it is, as far as the client said, and from where it asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asker {
    pub(super) origin: Origin,
    pub(super) user: String,
}

/// A line of jobs `J`. Addresses take turns; within one, first come is first served.
pub(super) struct Line<J> {
    /// Those with somebody waiting, in the order of their turns.
    turns: VecDeque<Origin>,
    waiting: BTreeMap<Origin, VecDeque<(Asker, J)>>,
    /// Waiting and served, by address and by user.
    origins: BTreeMap<Origin, usize>,
    users: BTreeMap<String, usize>,
    all: usize,
}

impl<J> Line<J> {
    pub(super) fn new() -> Line<J> {
        Line {
            turns: VecDeque::new(),
            waiting: BTreeMap::new(),
            origins: BTreeMap::new(),
            users: BTreeMap::new(),
            all: 0,
        }
    }

    /// Lets somebody wait; false if too many do already.
    pub(super) fn join(&mut self, asker: Asker, job: J) -> bool {
        let of_origin = self.origins.get(&asker.origin).copied().unwrap_or(0);
        let of_user = self.users.get(&asker.user).copied().unwrap_or(0);
        if self.all >= ALL_MAX || of_origin >= ORIGIN_MAX || of_user >= USER_MAX {
            return false;
        }
        self.all += 1;
        self.origins.insert(asker.origin.clone(), of_origin + 1);
        self.users.insert(asker.user.clone(), of_user + 1);
        let lane = self.waiting.entry(asker.origin.clone()).or_default();
        if lane.is_empty() {
            self.turns.push_back(asker.origin.clone());
        }
        lane.push_back((asker, job));
        true
    }

    /// Whose turn it is. They count until [`Line::leave`].
    pub(super) fn next(&mut self) -> Option<(Asker, J)> {
        let origin = self.turns.pop_front()?;
        let lane = self.waiting.get_mut(&origin)?;
        let next = lane.pop_front();
        if lane.is_empty() {
            self.waiting.remove(&origin);
        } else {
            self.turns.push_back(origin);
        }
        next
    }

    /// Somebody was served.
    pub(super) fn leave(&mut self, asker: &Asker) {
        self.all = self.all.saturating_sub(1);
        count_down(&mut self.origins, &asker.origin);
        count_down(&mut self.users, &asker.user);
    }
}

fn count_down<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    match counts.get_mut(key) {
        Some(count) if *count > 1 => *count -= 1,
        _ => {
            counts.remove(key);
        }
    }
}
