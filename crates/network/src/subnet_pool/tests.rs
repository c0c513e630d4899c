//! Cutting prefixes from pools, against a naive knife, and lengths that fit.

use proptest::prelude::*;
use types::{AddressFamily, IpNet};

use super::LengthsWish;
use super::SubnetPool;
use super::model::{checked_prefixes, free_prefix};
use crate::subnet::overlap;

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Every prefix of this length, in order, until one is free.
fn naive(prefixes: &[IpNet], taken: &[IpNet], length: u8) -> Option<IpNet> {
    let mut all =
        prefixes.iter().filter(|p| p.prefix_len() <= length).flat_map(|p| p.subnets(length).unwrap());
    all.find(|candidate| !taken.iter().any(|other| overlap(other, candidate)))
}

proptest! {
    #[test]
    fn the_free_prefix_is_the_naive_one(
        taken in prop::collection::vec((0_u32..1024, 22_u8..31), 0..40),
        length in 20_u8..30,
    ) {
        let prefixes = nets(&["10.0.0.0/23", "10.0.3.0/24", "10.1.0.0/22"]);
        let taken: Vec<IpNet> = taken
            .into_iter()
            .map(|(n, length)| IpNet::new(std::net::Ipv4Addr::from(0x0a00_0000 + n * 64).into(), length).unwrap().trunc())
            .collect();
        prop_assert_eq!(free_prefix(&prefixes, &taken, length), naive(&prefixes, &taken, length));
    }
}

#[test]
fn prefixes_are_cut_in_order() {
    let check = |pool: &[&str], taken: &[&str], length, expected: Option<&str>| {
        let found = free_prefix(&nets(pool), &nets(taken), length).map(|net| net.to_string());
        assert_eq!(found.as_deref(), expected, "{pool:?} without {taken:?}");
    };
    check(&["10.64.0.0/10"], &[], 24, Some("10.64.0.0/24"));
    check(&["10.64.0.0/10"], &["10.64.0.0/24", "10.64.1.0/25"], 24, Some("10.64.2.0/24"));
    check(&["10.64.0.0/10"], &["10.64.0.0/24", "10.64.2.0/24"], 23, Some("10.64.4.0/23"));
    check(&["2001:db8:a000::/36"], &["2001:db8:a000::/64"], 64, Some("2001:db8:a000:1::/64"));
    check(&["10.0.0.0/24"], &["10.0.0.0/8"], 26, None);
    check(&["10.0.0.0/24"], &[], 23, None);
    check(&["255.255.255.0/24"], &["255.255.255.0/24"], 25, None);
}

#[test]
fn a_pool_has_one_family() {
    assert_eq!(checked_prefixes(Vec::new()).unwrap_err().to_string(), "Empty subnet pool prefix list.");
    assert!(checked_prefixes(nets(&["10.0.0.0/24", "2001:db8::/48"])).is_err());
    let joined = checked_prefixes(nets(&["10.0.1.0/24", "10.0.0.0/24", "10.0.0.128/25"])).unwrap();
    assert_eq!(joined, nets(&["10.0.0.0/23"]));
}

#[test]
fn lengths_fit_together() {
    let check = |min, max, default, expected: Result<(u8, u8, u8), &str>| {
        let base = SubnetPool::usual_lengths(AddressFamily::V4);
        let lengths = LengthsWish { min, max, default }.over(base, AddressFamily::V4);
        let lengths = lengths.map(|l| (l.min, l.max, l.default)).map_err(|error| error.to_string());
        assert_eq!(lengths, expected.map_err(str::to_owned));
    };
    check(None, None, None, Ok((8, 32, 8)));
    check(Some(24), None, None, Ok((24, 32, 24)));
    check(Some(24), Some(28), Some(26), Ok((24, 28, 26)));
    check(Some(4), None, None, Err("Illegal prefix bounds: min_prefixlen=4, minimum=8."));
    check(Some(28), Some(24), None, Err("Illegal prefix bounds: min_prefixlen=28, max_prefixlen=24."));
    check(Some(24), None, Some(20), Err("Illegal prefix bounds: default_prefixlen=20, min_prefixlen=24."));
}
