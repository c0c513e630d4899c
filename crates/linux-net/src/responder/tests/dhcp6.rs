//! Conversations with a DHCPv6 client.

use std::net::{IpAddr, Ipv6Addr};

use dhcproto::v6::{DhcpOption, DhcpOptions, IAAddr, IANA, Message, MessageType, OptionCode, Status};
use dhcproto::{Decodable, Decoder, Encodable};
use proptest::prelude::{any, prop};
use proptest::proptest;

use super::{VM, network};
use crate::responder::dhcp6::answer;
use crate::responder::table::LINK_LOCAL;
use crate::responder::{Ipv6Mode, NetworkTable, Seen};
use types::eui64;

fn client() -> Ipv6Addr {
    eui64(LINK_LOCAL, VM)
}

fn own() -> Ipv6Addr {
    "2001:db8:100::11".parse().unwrap()
}

fn message(kind: MessageType, options: Vec<DhcpOption>) -> Message {
    let mut message = Message::new_with_id(kind, [1, 2, 3]);
    message.opts_mut().insert(DhcpOption::ClientId(vec![0, 3, 0, 1, 9]));
    options.into_iter().for_each(|option| message.opts_mut().insert(option));
    message
}

fn association(held: &[Ipv6Addr]) -> DhcpOption {
    let mut opts = DhcpOptions::new();
    for addr in held {
        let inner = DhcpOptions::new();
        opts.insert(DhcpOption::IAAddr(IAAddr {
            addr: *addr,
            preferred_life: 0,
            valid_life: 0,
            opts: inner,
        }));
    }
    DhcpOption::IANA(IANA { id: 5, t1: 0, t2: 0, opts })
}

fn ask(table: &NetworkTable, message: &Message) -> Option<(Message, Option<Seen>)> {
    let answer = answer(table, client(), &message.to_vec().unwrap())?;
    Some((Message::decode(&mut Decoder::new(&answer.message?)).unwrap(), answer.seen))
}

/// Addresses with their valid lifetimes, in the order of addresses.
fn leases(reply: &Message) -> Vec<(Ipv6Addr, u32)> {
    let Some(DhcpOption::IANA(association)) = reply.opts().get(OptionCode::IANA) else { return Vec::new() };
    let options = association.opts.get_all(OptionCode::IAAddr).unwrap_or_default();
    let one = |option: &DhcpOption| match option {
        DhcpOption::IAAddr(address) => (address.addr, address.valid_life),
        other => panic!("no address: {other:?}"),
    };
    let mut leases: Vec<_> = options.iter().map(one).collect();
    leases.sort();
    leases
}

#[test]
fn addresses_are_advertised_then_leased() {
    let (reply, seen) = ask(&network(), &message(MessageType::Solicit, vec![association(&[])])).unwrap();
    assert_eq!((reply.msg_type(), reply.xid(), seen), (MessageType::Advertise, [1, 2, 3], None));
    assert_eq!(leases(&reply), [(own(), 86_400)]);
    let server = reply.opts().get(OptionCode::ServerId).unwrap().clone();
    let request = message(MessageType::Request, vec![server, association(&[own()])]);
    let (reply, seen) = ask(&network(), &request).unwrap();
    assert_eq!(reply.msg_type(), MessageType::Reply);
    assert_eq!(leases(&reply), [(own(), 86_400)]);
    assert_eq!(seen, Some(Seen::DhcpLease { address: IpAddr::V6(own()) }));
    let dns = DhcpOption::DomainNameServers(vec!["2001:db8::53".parse().unwrap()]);
    assert_eq!(reply.opts().get(OptionCode::DomainNameServers), Some(&dns));
}

#[test]
fn a_foreign_address_is_taken_back() {
    let foreign = "2001:db8:999::1".parse().unwrap();
    let (reply, _) = ask(&network(), &message(MessageType::Renew, vec![association(&[foreign])])).unwrap();
    assert_eq!(leases(&reply), [(own(), 86_400), (foreign, 0)]);
    let (reply, _) = ask(&network(), &message(MessageType::Confirm, vec![association(&[foreign])])).unwrap();
    let Some(DhcpOption::StatusCode(code)) = reply.opts().get(OptionCode::StatusCode) else { panic!() };
    assert_eq!(code.status, Status::NotOnLink);
}

#[test]
fn modes_decide_what_is_spoken_of() {
    let check = |mode: Option<Ipv6Mode>, speaks: bool, leased: usize| {
        let mut table = network();
        table.subnets_v6[0].mode = mode;
        let solicited = ask(&table, &message(MessageType::Solicit, vec![association(&[])]));
        assert_eq!(solicited.as_ref().map(|(reply, _)| leases(reply).len()).unwrap_or(0), leased, "{mode:?}");
        let mut anonymous = message(MessageType::InformationRequest, vec![]);
        anonymous.opts_mut().remove(OptionCode::ClientId);
        let informed = ask(&table, &anonymous);
        let told = informed.is_some_and(|(r, _)| r.opts().get(OptionCode::DomainNameServers).is_some());
        assert_eq!(told, speaks, "{mode:?}");
    };
    check(None, false, 0);
    check(Some(Ipv6Mode::Slaac), false, 0);
    check(Some(Ipv6Mode::DhcpStateless), true, 0);
    check(Some(Ipv6Mode::DhcpStateful), true, 1);
}

#[test]
fn strangers_and_other_servers_clients_hear_nothing() {
    let request = message(MessageType::Solicit, vec![association(&[])]).to_vec().unwrap();
    assert_eq!(answer(&network(), "fe80::1".parse().unwrap(), &request), None);
    let other = DhcpOption::ServerId(vec![0, 3, 0, 1, 7]);
    assert!(ask(&network(), &message(MessageType::Request, vec![other, association(&[])])).is_none());
}

proptest! {
    #[test]
    fn options_of_any_length_never_panic(code in 0u16..130, value in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut bytes = message(MessageType::Solicit, vec![association(&[])]).to_vec().unwrap();
        bytes.extend(code.to_be_bytes());
        bytes.extend((value.len() as u16).to_be_bytes());
        bytes.extend(&value);
        let read_here = [1, 2, 3].contains(&code);
        assert!(read_here || answer(&network(), client(), &bytes).is_some());
    }

    #[test]
    fn changed_messages_never_panic(at in 0usize..60, value in any::<u8>(), tail in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = message(MessageType::Request, vec![association(&[own()])]).to_vec().unwrap();
        let at = at % bytes.len();
        bytes[at] = value;
        bytes.extend(&tail);
        answer(&network(), client(), &bytes);
        answer(&network(), client(), &tail);
    }
}
