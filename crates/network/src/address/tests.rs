//! The allocator against a naive one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use proptest::prelude::*;
use types::IpRange;

use super::{draw, first_free};

fn v4(n: u32) -> IpAddr {
    IpAddr::V4(n.into())
}

/// Up to four pools that do not overlap, from small numbers, and some taken addresses in and around them.
fn world() -> impl Strategy<Value = (Vec<IpRange>, BTreeSet<u32>)> {
    let lengths = prop::collection::vec((1_u32..6, 1_u32..12), 1..5);
    let taken = prop::collection::btree_set(0_u32..80, 0..80);
    (lengths, taken).prop_map(|(lengths, taken)| {
        let mut start = 0;
        let pools = lengths.into_iter().map(|(gap, length)| {
            start += gap;
            let pool = IpRange { start: v4(start), end: v4(start + length - 1) };
            start += length;
            pool
        });
        (pools.collect(), taken)
    })
}

fn all(pools: &[IpRange]) -> Vec<IpAddr> {
    (0..200).map(v4).filter(|ip| pools.iter().any(|pool| pool.contains(*ip))).collect()
}

proptest! {
    #[test]
    fn the_first_free_address_is_the_naive_one((pools, taken) in world()) {
        let sorted: Vec<IpAddr> = taken.iter().copied().map(v4).collect();
        let naive = all(&pools).into_iter().find(|ip| !sorted.contains(ip));
        prop_assert_eq!(first_free(&pools, &sorted), naive);
    }

    #[test]
    fn filling_gives_every_address_once((pools, taken) in world()) {
        let mut sorted: Vec<IpAddr> = taken.iter().copied().map(v4).collect();
        let free: BTreeSet<IpAddr> = all(&pools).into_iter().filter(|ip| !sorted.contains(ip)).collect();
        let mut given = BTreeSet::new();
        while let Some(ip) = first_free(&pools, &sorted) {
            prop_assert!(given.insert(ip), "{} twice", ip);
            let at = sorted.partition_point(|known| *known < ip);
            sorted.insert(at, ip);
        }
        prop_assert_eq!(given, free);
    }

    #[test]
    fn each_address_can_be_drawn((pools, _) in world()) {
        let addresses = all(&pools);
        let drawn: Vec<IpAddr> = (0..addresses.len() as u128).filter_map(|chance| draw(&pools, chance)).collect();
        prop_assert_eq!(drawn, addresses);
    }
}

#[test]
fn nothing_is_drawn_from_no_pools() {
    assert_eq!(draw(&[], 7), None);
}

#[test]
fn draws_from_a_64_stay_short() {
    let whole = IpRange {
        start: "2001:db8::2".parse().unwrap(),
        end: "2001:db8::ffff:ffff:ffff:ffff".parse().unwrap(),
    };
    assert_eq!(draw(&[whole], (1 << 16) - 1), Some("2001:db8::1:1".parse().unwrap()));
    assert_eq!(draw(&[whole], u128::MAX), draw(&[whole], (1 << 16) - 1));
}
