//! Conversations with a DHCPv4 client.

use std::net::{IpAddr, Ipv4Addr};

use dhcproto::v4::{DhcpOption, Flags, Message, MessageType, OptionCode, UnknownOption};
use dhcproto::{Decodable, Decoder, Encodable};
use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use proptest::prelude::{any, prop};
use proptest::proptest;
use types::MacAddr;

use super::{SERVICE, VM, network};
use crate::responder::dhcp4::answer;
use crate::responder::{NetworkTable, SERVICE_V4, Seen};

const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 11);

fn message(kind: MessageType, options: Vec<DhcpOption>) -> Message {
    let mut message = Message::new_with_id(7, NONE, NONE, NONE, NONE, &VM.0);
    message.opts_mut().insert(DhcpOption::MessageType(kind));
    options.into_iter().for_each(|option| drop(message.opts_mut().insert(option)));
    message
}

fn wire(message: &Message, mac: MacAddr) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(mac.0, [0xff; 6]).ipv4([0; 4], [255; 4], 64).udp(68, 67);
    let mut frame = Vec::new();
    builder.write(&mut frame, &message.to_vec().unwrap()).unwrap();
    frame
}

/// The reply with the IP destination; checks the frame around it on the way.
fn unwrap_frame(frame: &[u8]) -> (Message, Ipv4Addr) {
    assert_eq!(frame[..6], VM.0);
    assert_eq!(frame[6..12], SERVICE.0);
    let packet = SlicedPacket::from_ethernet(frame).unwrap();
    let Some(NetSlice::Ipv4(ip)) = &packet.net else { panic!("no IPv4: {packet:?}") };
    let Some(TransportSlice::Udp(udp)) = &packet.transport else { panic!("no UDP: {packet:?}") };
    let header = ip.header();
    assert_eq!(header.to_header().calc_header_checksum(), header.header_checksum());
    let sum = udp.to_header().calc_checksum_ipv4(&header.to_header(), udp.payload()).unwrap();
    assert_eq!(sum, udp.checksum());
    assert_eq!((udp.source_port(), udp.destination_port()), (67, 68));
    assert_eq!(header.source_addr(), SERVICE_V4);
    assert!(udp.payload().len() >= 300);
    (Message::decode(&mut Decoder::new(udp.payload())).unwrap(), header.destination_addr())
}

fn ask(table: &NetworkTable, message: &Message) -> Option<(Message, Ipv4Addr, Option<Seen>)> {
    let answer = answer(table, &wire(message, VM))?;
    let (reply, to) = unwrap_frame(&answer.frame?);
    Some((reply, to, answer.seen))
}

fn routes(reply: &Message) -> Vec<String> {
    match reply.opts().get(OptionCode::ClasslessStaticRoute) {
        Some(DhcpOption::ClasslessStaticRoute(routes)) => {
            routes.iter().map(|(to, via)| format!("{to} via {via}")).collect()
        }
        other => panic!("no routes: {other:?}"),
    }
}

#[test]
fn an_offer_tells_all_about_the_subnet() {
    let (reply, to, seen) = ask(&network(), &message(MessageType::Discover, vec![])).unwrap();
    assert_eq!(reply.opts().msg_type(), Some(MessageType::Offer));
    assert_eq!((reply.yiaddr(), reply.xid(), to, seen), (OWN, 7, OWN, None));
    let check = |expected: DhcpOption| {
        assert_eq!(reply.opts().get(OptionCode::from(&expected)), Some(&expected));
    };
    check(DhcpOption::ServerIdentifier(SERVICE_V4));
    check(DhcpOption::AddressLeaseTime(86_400));
    check(DhcpOption::Renewal(43_200));
    check(DhcpOption::Rebinding(75_600));
    check(DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 255, 0)));
    check(DhcpOption::BroadcastAddr(Ipv4Addr::new(10, 0, 0, 255)));
    check(DhcpOption::Router(vec![Ipv4Addr::new(10, 0, 0, 1)]));
    check(DhcpOption::DomainNameServer(vec![Ipv4Addr::new(9, 9, 9, 9)]));
    check(DhcpOption::InterfaceMtu(1450));
    check(DhcpOption::Hostname("web".into()));
    check(DhcpOption::DomainName("example.org".into()));
    let expected =
        ["192.168.7.0/24 via 10.0.0.7", "169.254.169.254/32 via 0.0.0.0", "0.0.0.0/0 via 10.0.0.1"];
    assert_eq!(routes(&reply), expected);
}

#[test]
fn routes_follow_the_subnets() {
    let check = |change: &dyn Fn(&mut NetworkTable), expected: &[&str]| {
        let mut table = network();
        table.subnets_v4[0].routes.clear();
        change(&mut table);
        let (reply, ..) = ask(&table, &message(MessageType::Discover, vec![])).unwrap();
        assert_eq!(routes(&reply), expected);
    };
    let metadata = "169.254.169.254/32 via 0.0.0.0";
    check(&|_| {}, &[metadata, "0.0.0.0/0 via 10.0.0.1"]);
    check(&|table| table.subnets_v4[0].gateway = None, &[metadata]);
    check(
        &|table| {
            let mut other = table.subnets_v4[0].clone();
            other.cidr = "10.0.1.0/24".parse().unwrap();
            table.subnets_v4.push(other);
        },
        &["10.0.1.0/24 via 0.0.0.0", metadata, "0.0.0.0/0 via 10.0.0.1"],
    );
    check(
        &|table| {
            let via = "10.0.0.9".parse().unwrap();
            let own = ["169.254.169.254/32", "0.0.0.0/0"];
            table.subnets_v4[0].routes = own.map(|to| (to.parse().unwrap(), via)).to_vec();
        },
        &["169.254.169.254/32 via 10.0.0.9", "0.0.0.0/0 via 10.0.0.9"],
    );
}

#[test]
fn many_routes_are_split_over_options() {
    let mut table = network();
    table.subnets_v4[0].routes =
        (0..60).map(|n| (format!("192.168.{n}.0/24").parse().unwrap(), OWN)).collect();
    let request = message(MessageType::Discover, vec![]);
    let frame = answer(&table, &wire(&request, VM)).unwrap().frame.unwrap();
    let options = &frame[14 + 20 + 8 + 240..];
    let (mut at, mut bytes) = (0, Vec::<u8>::new());
    while options[at] != 255 {
        let length = usize::from(options[at + 1]);
        if options[at] == 121 {
            bytes.extend(&options[at + 2..at + 2 + length]);
        }
        at += 2 + length;
    }
    assert_eq!(bytes.len(), 60 * 8 + 9 + 5);
}

#[test]
fn requests_are_granted_or_refused() {
    let requested = |a: [u8; 4]| DhcpOption::RequestedIpAddress(a.into());
    let check = |request: &Message, expected: Option<(MessageType, Ipv4Addr, Option<Seen>)>| {
        let got = ask(&network(), request).map(|(r, to, seen)| (r.opts().msg_type().unwrap(), to, seen));
        assert_eq!(got, expected, "{request:?}");
    };
    let leased = Some(Seen::DhcpLease { address: IpAddr::V4(OWN) });
    let granted = Some((MessageType::Ack, OWN, leased.clone()));
    let refused = |a: [u8; 4]| {
        let seen = Some(Seen::DhcpRefused { address: a.into() });
        Some((MessageType::Nak, Ipv4Addr::BROADCAST, seen))
    };
    check(&message(MessageType::Request, vec![requested([10, 0, 0, 11])]), granted.clone());
    // Another VM's address, and one of another network.
    check(&message(MessageType::Request, vec![requested([10, 0, 0, 12])]), refused([10, 0, 0, 12]));
    check(&message(MessageType::Request, vec![requested([192, 168, 1, 5])]), refused([192, 168, 1, 5]));
    // The offer of another server was taken.
    let other = DhcpOption::ServerIdentifier([10, 0, 0, 99].into());
    check(&message(MessageType::Request, vec![requested([10, 0, 0, 11]), other]), None);
    // A renewal names its address in the header.
    let mut renewal = message(MessageType::Request, vec![]);
    renewal.set_ciaddr(OWN);
    check(&renewal, granted);
    renewal.set_ciaddr([10, 0, 0, 12]);
    check(&renewal, refused([10, 0, 0, 12]));
    // A client that cannot take unicast yet says so.
    let mut deaf = message(MessageType::Request, vec![requested([10, 0, 0, 11])]);
    deaf.set_flags(Flags::default().set_broadcast());
    check(&deaf, Some((MessageType::Ack, Ipv4Addr::BROADCAST, leased)));
    check(&message(MessageType::Release, vec![]), None);
}

#[test]
fn inform_grants_nothing() {
    let mut request = message(MessageType::Inform, vec![]);
    request.set_ciaddr(OWN);
    let (reply, to, seen) = ask(&network(), &request).unwrap();
    assert_eq!((reply.yiaddr(), to, seen), (NONE, OWN, None));
    assert_eq!(reply.opts().get(OptionCode::AddressLeaseTime), None);
    assert!(reply.opts().contains(OptionCode::DomainNameServer));
}

#[test]
fn a_declined_address_is_told() {
    let request = message(MessageType::Decline, vec![DhcpOption::RequestedIpAddress(OWN)]);
    let answer = answer(&network(), &wire(&request, VM)).unwrap();
    assert_eq!((answer.frame, answer.seen), (None, Some(Seen::DhcpDeclined { address: IpAddr::V4(OWN) })));
}

#[test]
fn a_port_has_options_of_its_own_and_a_default_name() {
    let mut table = network();
    let port = table.ports.get_mut(&VM).unwrap();
    port.hostname = None;
    port.dhcp_options = [(26, vec![4, 0]), (150, vec![10, 0, 0, 9])].into();
    let asked = DhcpOption::ParameterRequestList(vec![OptionCode::Unknown(249)]);
    let id = DhcpOption::ClientIdentifier(vec![1, 2, 3]);
    let (reply, ..) = ask(&table, &message(MessageType::Discover, vec![asked, id.clone()])).unwrap();
    assert_eq!(reply.opts().get(OptionCode::InterfaceMtu), Some(&DhcpOption::InterfaceMtu(1024)));
    assert_eq!(reply.opts().get(OptionCode::Hostname), Some(&DhcpOption::Hostname("host-10-0-0-11".into())));
    assert_eq!(reply.opts().get(OptionCode::ClientIdentifier), Some(&id));
    let tftp = DhcpOption::TFTPServerAddress([10, 0, 0, 9].into());
    assert_eq!(reply.opts().get(OptionCode::TFTPServerAddress), Some(&tftp));
    let microsoft = OptionCode::Unknown(249);
    let bytes = vec![24, 192, 168, 7, 10, 0, 0, 7, 32, 169, 254, 169, 254, 0, 0, 0, 0, 0, 10, 0, 0, 1];
    let expected = DhcpOption::Unknown(UnknownOption::new(microsoft, bytes));
    assert_eq!(reply.opts().get(microsoft), Some(&expected));
}

#[test]
fn strangers_and_impostors_hear_nothing() {
    let request = message(MessageType::Discover, vec![]);
    let stranger = MacAddr([2, 0, 0, 0, 0, 9]);
    // The header names the VM, the frame comes from elsewhere.
    assert_eq!(answer(&network(), &wire(&request, stranger)), None);
    let mut relayed = request.clone();
    relayed.set_giaddr([10, 0, 0, 3]);
    assert_eq!(answer(&network(), &wire(&relayed, VM)), None);
    let mut table = network();
    table.subnets_v4[0].dhcp = false;
    assert_eq!(answer(&table, &wire(&request, VM)), None);
    table.ports.clear();
    assert_eq!(answer(&table, &wire(&request, VM)), None);
}

#[test]
fn truncated_requests_never_panic() {
    let list = DhcpOption::ParameterRequestList(vec![OptionCode::Router; 9]);
    let whole = wire(&message(MessageType::Discover, vec![list]), VM);
    (0..whole.len()).for_each(|length| drop(answer(&network(), &whole[..length])));
    // A hardware address longer than its field.
    for length in [0, 5, 7, 16, 17, 255] {
        let mut lying = whole.clone();
        lying[14 + 20 + 8 + 2] = length;
        assert_eq!(answer(&network(), &lying), None, "{length}");
    }
}

proptest! {
    #[test]
    fn options_of_any_length_never_panic(code in 1u8..255, value in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut frame = wire(&message(MessageType::Discover, vec![]), VM);
        frame.pop();
        frame.extend([code, value.len() as u8]);
        frame.extend(&value);
        frame.push(255);
        let payload = frame.split_off(14 + 20 + 8);
        let mut whole = Vec::new();
        let builder = PacketBuilder::ethernet2(VM.0, [0xff; 6]).ipv4([0; 4], [255; 4], 64).udp(68, 67);
        builder.write(&mut whole, &payload).unwrap();
        let odd = code == 53 && value.len() == 1;
        assert!(odd || answer(&network(), &whole).is_some());
    }

    #[test]
    fn changed_requests_never_panic(at in 0usize..400, value in any::<u8>(), tail in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut frame = wire(&message(MessageType::Request, vec![DhcpOption::RequestedIpAddress(OWN)]), VM);
        frame.truncate(14 + 20 + 8 + 240);
        frame.extend(&tail);
        let at = at % frame.len();
        frame[at] = value;
        answer(&network(), &frame);
        answer(&network(), &tail);
    }
}
