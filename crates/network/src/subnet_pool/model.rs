//! What a subnet pool is, and where in it there is room.

use serde::{Deserialize, Serialize};
use types::{AddressFamily, IpNet, ProjectId, SubnetPoolId};

use crate::Error;
use crate::resource::{Label, Resource, Standard};
use crate::subnet::{host_number, overlap};

/// A subnet pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubnetPool {
    /// Its id.
    pub id: SubnetPoolId,
    /// Owner, name, times and the like.
    pub standard: Standard,
    /// Its prefixes, of one family, none within another.
    pub prefixes: Vec<IpNet>,
    /// How long subnets' prefixes may be.
    pub lengths: Lengths,
    /// How much of it a project may have: IPv4 addresses, or IPv6 /64s.
    #[serde(default)]
    pub default_quota: Option<i64>,
    /// Whether every project may use it.
    pub shared: bool,
    /// Whether it is the default pool of its family.
    pub is_default: bool,
    /// How many subnets were ever cut from it; two that are cut at the same time cannot both count.
    #[serde(default)]
    pub cut: i64,
}

/// Lengths of prefixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lengths {
    /// The shortest.
    pub min: u8,
    /// The longest.
    pub max: u8,
    /// The usual one.
    pub default: u8,
}

/// Lengths as far as a client gave them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LengthsWish {
    /// The shortest.
    pub min: Option<u8>,
    /// The longest.
    pub max: Option<u8>,
    /// The usual one.
    pub default: Option<u8>,
}

impl LengthsWish {
    /// These lengths with the wishes, if they fit together.
    pub fn over(self, base: Lengths, family: AddressFamily) -> Result<Lengths, Error> {
        let lengths = Lengths {
            min: self.min.unwrap_or(base.min),
            max: self.max.unwrap_or(base.max),
            // Neutron's default length is the shortest unless the client says otherwise.
            default: self.default.or(self.min).unwrap_or(base.default),
        };
        let (shortest, longest) = (SubnetPool::shortest(family), SubnetPool::longest(family));
        let bounds = |what, length, base, base_length| Error::IllegalSubnetPoolPrefixBounds {
            what,
            length,
            base,
            base_length,
        };
        let Lengths { min, max, default } = lengths;
        if min < shortest {
            return Err(bounds("min_prefixlen", min, "minimum", shortest));
        }
        if max > longest {
            return Err(bounds("max_prefixlen", max, "maximum", longest));
        }
        if min > max {
            return Err(bounds("min_prefixlen", min, "max_prefixlen", max));
        }
        if default < min {
            return Err(bounds("default_prefixlen", default, "min_prefixlen", min));
        }
        if default > max {
            return Err(bounds("default_prefixlen", default, "max_prefixlen", max));
        }
        Ok(lengths)
    }
}

impl SubnetPool {
    /// IPv4 or IPv6.
    pub fn family(&self) -> AddressFamily {
        self.prefixes.first().map_or(AddressFamily::V4, |prefix| AddressFamily::of(prefix.addr()))
    }

    /// The shortest prefix that a pool of this family can hand out.
    pub fn shortest(family: AddressFamily) -> u8 {
        match family {
            AddressFamily::V4 => 8,
            AddressFamily::V6 => 64,
        }
    }

    /// The longest prefix that there is in this family.
    pub fn longest(family: AddressFamily) -> u8 {
        match family {
            AddressFamily::V4 => 32,
            AddressFamily::V6 => 128,
        }
    }

    /// The lengths of a pool about which nobody said anything.
    pub fn usual_lengths(family: AddressFamily) -> Lengths {
        let min = SubnetPool::shortest(family);
        Lengths { min, max: SubnetPool::longest(family), default: min }
    }

    /// How much of a project's quota a prefix takes.
    pub fn weight(prefix: &IpNet) -> i64 {
        let unit = match prefix {
            IpNet::V4(_) => 32,
            IpNet::V6(_) => 64,
        };
        1_i64.checked_shl(u32::from(unit_bits(unit, prefix.prefix_len()))).unwrap_or(i64::MAX)
    }
}

fn unit_bits(unit: u8, length: u8) -> u8 {
    unit.saturating_sub(length).min(62)
}

/// The prefixes of a pool, in order and without those that lie within others; refused if they are of two families.
pub(crate) fn checked_prefixes(mut prefixes: Vec<IpNet>) -> Result<Vec<IpNet>, Error> {
    let Some(first) = prefixes.first() else { return Err(Error::EmptySubnetPoolPrefixList {}) };
    let family = AddressFamily::of(first.addr());
    if prefixes.iter().any(|prefix| AddressFamily::of(prefix.addr()) != family) {
        return Err(Error::PrefixVersionMismatch {});
    }
    prefixes.iter_mut().for_each(|prefix| *prefix = prefix.trunc());
    Ok(IpNet::aggregate(&prefixes))
}

/// The first prefix of this length in the pool's prefixes that shares no address with those taken.
pub(crate) fn free_prefix(prefixes: &[IpNet], taken: &[IpNet], length: u8) -> Option<IpNet> {
    let mut taken: Vec<&IpNet> = taken.iter().collect();
    taken.sort_unstable_by_key(|prefix| prefix.network());
    prefixes.iter().filter(|prefix| prefix.prefix_len() <= length).find_map(|prefix| {
        let mut candidate = IpNet::new(prefix.network(), length).ok()?;
        let mut others = taken.iter().filter(|other| overlap(other, prefix)).peekable();
        while prefix.contains(&candidate.network()) {
            while others.next_if(|other| other.broadcast() < candidate.network()).is_some() {}
            match others.peek() {
                Some(other) if overlap(other, &candidate) => {
                    let beyond = host_number(other.broadcast()).max(host_number(candidate.broadcast()));
                    candidate = aligned_after(beyond, &candidate)?;
                }
                _ => return Some(candidate),
            }
        }
        None
    })
}

/// The first prefix like `shape` that begins after the address with this number.
fn aligned_after(number: u128, shape: &IpNet) -> Option<IpNet> {
    let next = number.checked_add(1)?;
    let (address, bits): (std::net::IpAddr, u8) = match shape {
        IpNet::V4(_) => (std::net::Ipv4Addr::from(u32::try_from(next).ok()?).into(), 32),
        IpNet::V6(_) => (std::net::Ipv6Addr::from(next).into(), 128),
    };
    let net = IpNet::new(address, shape.prefix_len()).ok()?.trunc();
    if net.network() == address {
        return Some(net);
    }
    // The address lies within a prefix of this length; the one after that is free of it.
    let size = 1_u128.checked_shl(u32::from(bits - shape.prefix_len()))?;
    aligned_after(host_number(net.network()).checked_add(size)?.checked_sub(1)?, shape)
}

impl Resource for SubnetPool {
    const SINGULAR: &'static str = "subnetpool";
    const PLURAL: &'static str = "subnetpools";

    fn table() -> &'static store::Table<SubnetPool> {
        &super::store::POOLS
    }

    fn standard(&self) -> &Standard {
        &self.standard
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.standard
    }

    fn not_found(id: String) -> Error {
        Error::SubnetPoolNotFound { id }
    }
}

/// A pool that somebody wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubnetPoolDraft {
    /// The owner, if it is not the caller's project.
    pub project_id: Option<ProjectId>,
    /// Whether every project may use it.
    pub shared: bool,
    /// All else.
    pub wish: SubnetPoolChange,
}

/// What somebody wants a pool to have; what is absent stays, or is as usual.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubnetPoolChange {
    /// Name and description.
    pub label: Label,
    /// Its prefixes; they only grow.
    pub prefixes: Option<Vec<IpNet>>,
    /// Lengths of subnets' prefixes.
    pub lengths: LengthsWish,
    /// How much a project may have; `Some(None)` is no limit.
    pub default_quota: Option<Option<i64>>,
    /// Whether it is the default of its family.
    pub is_default: Option<bool>,
}
