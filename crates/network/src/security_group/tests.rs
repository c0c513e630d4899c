//! Which rules make sense.

use types::AddressFamily;

use super::model::Range;
use super::{Direction, Ethertype, Protocol, Remote, RuleDraft};
use crate::resource::Label;

fn draft(ethertype: Ethertype, protocol: Option<&str>, min: Option<i64>, max: Option<i64>) -> RuleDraft {
    RuleDraft {
        project_id: None,
        label: Label::default(),
        group_id: runtime::new_uuid().into(),
        direction: Direction::Ingress,
        ethertype,
        protocol: protocol.and_then(|text| Protocol::parse(text).unwrap()),
        range: Range { min, max },
        remote: None,
    }
}

#[test]
fn protocols_have_names_and_numbers() {
    let check = |text: &str, expected: Option<u8>| {
        assert_eq!(Protocol::parse(text).unwrap().map(|protocol| protocol.number), expected, "{text}");
    };
    check("tcp", Some(6));
    check("UDP", Some(17));
    check("6", Some(6));
    check("ipv6-icmp", Some(58));
    check("any", None);
    assert!(Protocol::parse("300").is_err());
    assert!(Protocol::parse("carrier-pigeon").is_err());
    let icmp = Protocol::parse("icmp").unwrap().unwrap();
    assert_eq!((icmp.number_in(AddressFamily::V4), icmp.number_in(AddressFamily::V6)), (1, 58));
}

#[test]
fn ports_fit_their_protocol() {
    let check = |protocol: Option<&str>, min, max, expected: Result<(Option<u16>, Option<u16>), &str>| {
        let pass = draft(Ethertype::V4, protocol, min, max).pass();
        let ports = pass.map(|pass| (pass.port_min, pass.port_max)).map_err(|error| error.to_string());
        match (&ports, expected) {
            (Err(said), Err(part)) => assert!(said.contains(part), "{said}"),
            (_, expected) => assert_eq!(ports, expected.map_err(str::to_owned)),
        }
    };
    check(Some("tcp"), Some(22), Some(22), Ok((Some(22), Some(22))));
    check(Some("tcp"), None, None, Ok((None, None)));
    check(None, Some(22), Some(22), Err("Must also specify protocol"));
    check(Some("tcp"), Some(23), Some(22), Err("port_range_min must be <="));
    check(Some("tcp"), Some(22), None, Err("port_range_min must be <="));
    check(Some("tcp"), Some(0), Some(22), Err("Invalid value for port 0"));
    check(Some("tcp"), Some(22), Some(70_000), Err("Invalid value for port 70000"));
    check(Some("gre"), Some(1), Some(2), Err("Ports cannot be specified for protocol gre"));
    check(Some("icmp"), Some(8), Some(0), Ok((Some(8), Some(0))));
    check(Some("icmp"), Some(8), None, Ok((Some(8), None)));
    check(Some("icmp"), None, Some(0), Err("ICMP type (port-range-min) is missing"));
    check(Some("icmp"), Some(256), None, Err("Invalid value for ICMP type"));
}

#[test]
fn families_fit() {
    let refused = |draft: RuleDraft| draft.pass().unwrap_err().to_string();
    let said = refused(draft(Ethertype::V4, Some("ipv6-icmp"), None, None));
    assert!(said.contains("Invalid ethertype IPv4"), "{said}");
    let mut six = draft(Ethertype::V6, Some("tcp"), Some(1), Some(2));
    six.remote = Some(Remote::Prefix("10.0.0.0/8".parse().unwrap()));
    assert!(refused(six).contains("Conflicting value ethertype IPv6 for CIDR 10.0.0.0/8"));
}
