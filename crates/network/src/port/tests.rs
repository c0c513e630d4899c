//! Which addresses ports get, and what their states are.

use agent_api::network::Ipv6Mode;
use types::{MacAddr, Timestamp};

use super::fixed_ips::{Choice, For, choices};
use super::{Binding, Device, FixedIpWish, Phase, Plug, Port, Status};
use crate::resource::Standard;
use crate::subnet::Subnet;
use crate::subnet::tests::subnet;

fn slaac(cidr: &str) -> Subnet {
    let mut subnet = subnet(cidr);
    (subnet.ipv6_ra_mode, subnet.ipv6_address_mode) = (Some(Ipv6Mode::Slaac), Some(Ipv6Mode::Slaac));
    subnet
}

const MAC: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]);
const GUEST: For = For { mac: MAC, is_router_leg: false };
const ROUTER: For = For { mac: MAC, is_router_leg: true };

/// Says each choice in words: the subnet's prefix, and the address if it is settled.
fn said(subnets: &[&Subnet], wishes: Option<&[FixedIpWish]>, port: For) -> Result<Vec<String>, String> {
    let cidr =
        |id| subnets.iter().find(|subnet| subnet.id == id).map_or(String::new(), |s| s.cidr.to_string());
    let choices = choices(subnets, wishes, port).map_err(|error| error.to_string())?;
    let words = choices.into_iter().map(|choice| match choice {
        Choice::Exactly(id, ip) => format!("{} in {}", ip, cidr(id)),
        Choice::AnyOf(ids) => ids.into_iter().map(cidr).collect::<Vec<_>>().join(" or "),
    });
    Ok(words.collect())
}

fn wish(subnet: Option<&Subnet>, ip: Option<&str>) -> FixedIpWish {
    FixedIpWish { subnet_id: subnet.map(|subnet| subnet.id), ip: ip.map(|ip| ip.parse().unwrap()) }
}

#[test]
fn without_wishes_a_port_gets_one_address_of_each_family() {
    let (a, b, six) = (subnet("10.0.0.0/24"), subnet("10.1.0.0/24"), slaac("2001:db8::/64"));
    let formed = "2001:db8::f816:3eff:fe00:1 in 2001:db8::/64";
    assert_eq!(said(&[], None, GUEST).unwrap(), Vec::<String>::new());
    assert_eq!(said(&[&a, &b, &six], None, GUEST).unwrap(), ["10.0.0.0/24 or 10.1.0.0/24", formed]);
    let managed = subnet("2001:db8:1::/64");
    assert_eq!(said(&[&a, &managed], None, GUEST).unwrap(), ["10.0.0.0/24", "2001:db8:1::/64"]);
    let two = slaac("2001:db8:2::/64");
    assert_eq!(said(&[&six, &two], None, GUEST).unwrap().len(), 2);
}

#[test]
fn wishes_are_taken_as_far_as_hosts_do_not_form_addresses_themselves() {
    let (four, six) = (subnet("10.0.0.0/24"), slaac("2001:db8::/64"));
    let subnets = [&four, &six];
    let formed = "2001:db8::f816:3eff:fe00:1 in 2001:db8::/64";
    let check = |wishes: &[FixedIpWish], port: For, expected: Result<&[&str], &str>| {
        let expected = expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        match (said(&subnets, Some(wishes), port), expected) {
            (Ok(said), Ok(expected)) => assert_eq!(said, expected),
            (Err(said), Err(expected)) => assert!(said.contains(expected), "{said}"),
            (said, expected) => panic!("{said:?}, not {expected:?}"),
        }
    };
    check(&[], GUEST, Ok(&[formed]));
    check(&[wish(Some(&four), None)], GUEST, Ok(&["10.0.0.0/24", formed]));
    check(&[wish(None, Some("10.0.0.9"))], GUEST, Ok(&["10.0.0.9 in 10.0.0.0/24", formed]));
    check(&[wish(Some(&six), None)], GUEST, Ok(&[formed]));
    check(&[wish(None, Some("2001:db8::f816:3eff:fe00:1"))], GUEST, Ok(&[formed]));
    check(&[wish(None, Some("2001:db8::7"))], GUEST, Err("configured for automatic addresses"));
    check(&[wish(Some(&six), Some("2001:db8::1"))], ROUTER, Ok(&["2001:db8::1 in 2001:db8::/64"]));
    check(&[wish(None, Some("10.9.0.1"))], GUEST, Err("not a valid IP for any of the subnets"));
    check(&[wish(Some(&four), Some("10.9.0.1"))], GUEST, Err("not a valid IP for the specified subnet"));
    check(&[wish(None, Some("10.0.0.255"))], GUEST, Err("not a valid IP for any of the subnets"));
    check(&[wish(Some(&subnet("10.7.0.0/24")), None)], GUEST, Err("invalid subnet"));
    check(&[wish(None, None)], GUEST, Err("requires subnet_id or ip_address"));
    check(
        &[wish(Some(&four), None), wish(Some(&four), None)],
        GUEST,
        Ok(&["10.0.0.0/24", "10.0.0.0/24", formed]),
    );
}

fn port(phase: Option<Phase>) -> Port {
    let standard = Standard {
        project_id: "alpha".into(),
        name: String::new(),
        description: String::new(),
        tags: Default::default(),
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    };
    Port {
        id: runtime::new_uuid().into(),
        standard,
        network_id: runtime::new_uuid().into(),
        mac: MAC,
        admin_up: true,
        device: Device::default(),
        fixed_ips: Vec::new(),
        plug: Plug::default(),
        profile: Default::default(),
        binding: phase.map(|phase| Binding { host: "h".into(), phase, watcher: None, hostname: None }),
        deleted: false,
    }
}

#[test]
fn a_port_is_what_its_binding_says() {
    let check = |phase, expected| assert_eq!(port(phase).status(), expected, "{phase:?}");
    check(None, Status::Down);
    check(Some(Phase::Building), Status::Build);
    check(Some(Phase::Up), Status::Active);
    check(Some(Phase::Down), Status::Down);
    check(Some(Phase::Releasing), Status::Down);
    let off = Port { admin_up: false, ..port(Some(Phase::Up)) };
    assert_eq!(off.status(), Status::Down);
    let holder = Device { id: String::new(), owner: super::FLOATING_IP.to_owned() };
    assert_eq!(Port { device: holder, ..port(None) }.status(), Status::NotApplicable);
}

#[test]
fn a_port_survives_its_document() {
    let port = port(Some(Phase::Up));
    let text = serde_json::to_string(&port).unwrap();
    assert_eq!(serde_json::from_str::<Port>(&text).unwrap(), port);
}
