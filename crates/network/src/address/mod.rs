//! Picking addresses: no address twice in a subnet, and no more work than a look or two while there is room.
//!
//! An address is drawn by chance from the subnet's pools and looked up; only when several draws in a row were taken is
//! the subnet nearly full, and its free addresses are sought in order. So nothing is counted or locked that a thousand
//! ports of one network would queue for, and an address that was given back is not handed out again at once. The
//! primary key of the allocations is the guard: whoever loses a race begins anew.

pub(crate) mod store;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use ::store::Tx;
use types::IpRange;

use crate::Error;
use crate::subnet::Subnet;

/// Draws fall on a subnet's first addresses, as many as a /16 has, so that IPv6 addresses stay short to read.
const SPAN: u128 = 1 << 16;
/// How many draws may fail before the free addresses are sought in order.
const DRAWS_MAX: usize = 8;

/// A free address of the subnet's pools, or none if they are used up.
pub(crate) fn free(tx: &mut Tx<'_>, subnet: &Subnet) -> Result<Option<IpAddr>, Error> {
    for _ in 0..DRAWS_MAX {
        let chance = (u128::from(runtime::random_u64()) << 64) | u128::from(runtime::random_u64());
        let Some(address) = draw(&subnet.allocation_pools, chance) else { return Ok(None) };
        if !store::is_taken(tx, subnet.id, address)? {
            return Ok(Some(address));
        }
    }
    let mut taken = store::taken(tx, subnet.id)?;
    taken.sort_unstable();
    Ok(first_free(&subnet.allocation_pools, &taken))
}

/// The address that `chance` falls on; each that it can fall on is as likely as any other.
fn draw(pools: &[IpRange], chance: u128) -> Option<IpAddr> {
    let total = pools.iter().fold(0_u128, |sum, pool| sum.saturating_add(pool.count()));
    let mut left = chance.checked_rem(total.min(SPAN))?;
    for pool in pools {
        if left < pool.count() {
            return pool.nth(left);
        }
        left -= pool.count();
    }
    None
}

/// The lowest address of the first pool that has one which is not among `taken`, which is sorted.
fn first_free(pools: &[IpRange], taken: &[IpAddr]) -> Option<IpAddr> {
    pools.iter().find_map(|pool| {
        let from = taken.partition_point(|address| *address < pool.start);
        let gap = (0_u128..).zip(&taken[from..]).find(|(n, address)| pool.nth(*n) != Some(**address));
        let next = gap.map_or_else(|| (taken.len() - from) as u128, |(n, _)| n);
        pool.nth(next)
    })
}
