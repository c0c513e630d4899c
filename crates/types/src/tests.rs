//! Table tests of the spellings.

use std::net::IpAddr;

use crate::{IpRange, MacAddr, NetworkId, Timestamp, eui64};

#[test]
fn mac_addresses_are_read_and_spelled() {
    let check = |text: &str, expected: Option<&str>| {
        assert_eq!(text.parse::<MacAddr>().ok().map(|m| m.to_string()).as_deref(), expected, "{text}");
    };
    check("fa:16:3e:00:00:01", Some("fa:16:3e:00:00:01"));
    check("FA-16-3E-0-0-1", Some("fa:16:3e:00:00:01"));
    check("fa:16:3e:00:00", None);
    check("fa:16:3e:00:00:01:02", None);
    check("fa:16:3e:00:00:+1", None);
    check("", None);
}

#[test]
fn slaac_address_of_a_mac() {
    let prefix = "2001:db8:100::/64".parse().unwrap();
    let mac = "fa:16:3e:00:00:01".parse().unwrap();
    assert_eq!(eui64(prefix, mac).to_string(), "2001:db8:100:0:f816:3eff:fe00:1");
}

#[test]
fn ranges_count_and_index() {
    let range = |a: &str, b: &str| IpRange { start: a.parse().unwrap(), end: b.parse().unwrap() };
    let pool = range("10.0.0.2", "10.0.0.254");
    assert_eq!(pool.count(), 253);
    assert_eq!(pool.nth(252), Some("10.0.0.254".parse::<IpAddr>().unwrap()));
    assert_eq!(pool.nth(253), None);
    assert!(pool.overlaps(&range("10.0.0.254", "10.0.1.9")));
    assert!(!pool.overlaps(&range("10.0.1.0", "10.0.1.9")));
    assert!(!pool.contains("::1".parse().unwrap()));
}

#[test]
fn times_have_three_spellings() {
    let time = Timestamp::parse("2026-11-22T19:47:00.5Z").unwrap();
    assert_eq!(time.iso_z(), "2026-11-22T19:47:00Z");
    assert_eq!(time.iso_micros_z(), "2026-11-22T19:47:00.500000Z");
    assert_eq!(time.iso_micros(), "2026-11-22T19:47:00.500000");
    assert_eq!(Timestamp::parse("2026-11-22T19:47:00.500000"), Ok(time));
    assert!(Timestamp::parse("yesterday").is_err());
}

#[test]
fn ids_are_uuids_with_or_without_dashes() {
    let id: NetworkId = "0b5e6b0e-92a4-4e19-9a4e-6f9f3ed0ae11".parse().unwrap();
    assert_eq!("0b5e6b0e92a44e199a4e6f9f3ed0ae11".parse(), Ok(id));
    assert_eq!(id.to_string(), "0b5e6b0e-92a4-4e19-9a4e-6f9f3ed0ae11");
    assert!("web".parse::<NetworkId>().is_err());
}
