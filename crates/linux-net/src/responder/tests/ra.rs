//! Advertisements byte by byte.

use std::net::Ipv6Addr;

use etherparse::{Icmpv6Slice, Icmpv6Type};
use proptest::prelude::{any, prop};
use proptest::proptest;
use types::MacAddr;

use crate::responder::ra::{Purpose, advertisement, is_solicitation};
use crate::responder::{Ipv6Mode, Prefix, RouterInterface};

fn leg(mode: Ipv6Mode) -> RouterInterface {
    RouterInterface {
        mac: MacAddr([0xfa, 0x16, 0x3e, 0xff, 0, 1]),
        mtu: Some(1450),
        prefixes: vec![Prefix { cidr: "2001:db8:100::/64".parse().unwrap(), mode }],
        dns_servers: vec!["2001:db8::53".parse().unwrap()],
    }
}

/// Options of a message by their type.
fn options(message: &[u8]) -> Vec<(u8, &[u8])> {
    let (mut rest, mut found) = (&message[16..], Vec::new());
    while let [kind, units, ..] = *rest {
        let (option, after) = rest.split_at(usize::from(units) * 8);
        found.push((kind, &option[2..]));
        rest = after;
    }
    assert!(rest.is_empty());
    found
}

#[test]
fn all_a_host_needs_is_told() {
    let message = advertisement(&leg(Ipv6Mode::Slaac), &[], Purpose::Present);
    let slice = Icmpv6Slice::from_slice(&message).unwrap();
    let Icmpv6Type::RouterAdvertisement(header) = slice.icmp_type() else { panic!("{slice:?}") };
    assert_eq!((header.cur_hop_limit, header.router_lifetime), (64, 300));
    let options = options(&message);
    assert_eq!(options.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [1, 5, 3, 25]);
    assert_eq!(options[0].1, [0xfa, 0x16, 0x3e, 0xff, 0, 1]);
    assert_eq!(options[1].1, [0, 0, 0, 0, 5, 170]);
    let prefix = options[2].1;
    assert_eq!(prefix[..2], [64, 0xc0]);
    assert_eq!(prefix[2..10], [86_400u32.to_be_bytes(), 14_400u32.to_be_bytes()].concat());
    assert_eq!(prefix[14..], "2001:db8:100::".parse::<Ipv6Addr>().unwrap().octets());
    assert_eq!(options[3].1[6..], "2001:db8::53".parse::<Ipv6Addr>().unwrap().octets());
}

#[test]
fn modes_set_flags() {
    let check = |mode, message_flags: u8, prefix_flags: u8| {
        let message = advertisement(&leg(mode), &[], Purpose::Present);
        assert_eq!((message[5], options(&message)[2].1[1]), (message_flags, prefix_flags), "{mode:?}");
    };
    check(Ipv6Mode::Slaac, 0, 0xc0);
    check(Ipv6Mode::DhcpStateless, 0x40, 0xc0);
    check(Ipv6Mode::DhcpStateful, 0x80, 0x80);
}

#[test]
fn leaving_ends_lifetimes() {
    let message = advertisement(&leg(Ipv6Mode::Slaac), &[], Purpose::Leaving);
    assert_eq!(message[6..8], [0, 0]);
    assert_eq!(options(&message)[3].1[2..6], [0; 4]);
    let gone = "2001:db8:200::/64".parse().unwrap();
    let message = advertisement(&leg(Ipv6Mode::Slaac), &[gone], Purpose::Present);
    assert_eq!(options(&message)[3].1[2..10], [0; 8]);
    assert_eq!(message[6..8], 300u16.to_be_bytes());
}

#[test]
fn solicitations_are_checked() {
    let from: Ipv6Addr = "fe80::1".parse().unwrap();
    let plain = [133, 0, 0, 0, 0, 0, 0, 0];
    let with = |option: &[u8]| [&plain, option].concat();
    let source = [1, 1, 2, 0, 0, 0, 0, 9];
    let check = |message: &[u8], from, hop_limit, expected| {
        assert_eq!(is_solicitation(message, from, hop_limit), expected, "{message:?} {from} {hop_limit}");
    };
    check(&plain, from, 255, true);
    check(&with(&source), from, 255, true);
    check(&plain, Ipv6Addr::UNSPECIFIED, 255, true);
    check(&with(&source), Ipv6Addr::UNSPECIFIED, 255, false);
    check(&plain, from, 64, false);
    check(&plain[..7], from, 255, false);
    check(&with(&[1, 0]), from, 255, false);
    check(&with(&[1, 2, 0, 0, 0, 0, 0, 0]), from, 255, false);
    check(&with(&[1]), from, 255, false);
    check(&[134, 0, 0, 0, 0, 0, 0, 0], from, 255, false);
    check(&[133, 1, 0, 0, 0, 0, 0, 0], from, 255, false);
}

proptest! {
    #[test]
    fn nonsense_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), hops in 250i32..256) {
        is_solicitation(&bytes, Ipv6Addr::UNSPECIFIED, hops);
        let tail = [&[133, 0, 0, 0, 0, 0, 0, 0], &bytes[..]].concat();
        is_solicitation(&tail, Ipv6Addr::UNSPECIFIED, 255);
    }
}
