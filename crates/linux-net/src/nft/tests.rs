//! What is written for nft, and when no nft is needed.

use std::net::Ipv4Addr;

use super::elements::{attribute, attributes};
use super::{Change, Data, Family, Ruleset, Set, Value};

const ADDRESSES: &str = "type ipv4_addr";

fn address(last: u8) -> [Value; 1] {
    [Value::V4(Ipv4Addr::new(10, 0, 0, last))]
}

fn sample() -> Ruleset {
    let mut ruleset = Ruleset::default();
    let table = ruleset.table(Family::Bridge, "t");
    table.set("known", ADDRESSES).add(address(1));
    table.set("ways", "type ifname : verdict").map([Value::Link("a".into())], Data::Goto("one".into()));
    table.base_chain("in", "type filter hook forward priority 0; policy drop;", &["iifname vmap @ways"]);
    table.chain("one", vec!["ip saddr @known accept".into()]);
    ruleset
}

#[test]
fn a_whole_ruleset_replaces_what_was_there() {
    let expected = "\
add table bridge t
delete table bridge t
add table bridge t
add set bridge t known { type ipv4_addr; }
add map bridge t ways { type ifname : verdict; }
add chain bridge t in { type filter hook forward priority 0; policy drop; }
add chain bridge t one
add rule bridge t in iifname vmap @ways
add rule bridge t one ip saddr @known accept
add element bridge t known { 10.0.0.1 }
add element bridge t ways { \"a\" : goto one }
";
    assert_eq!(sample().commands(), expected);
    let short = expected.split_once("delete table bridge t\n").unwrap().1;
    assert_eq!(Ruleset::default().change_to(&sample()), Change::Commands(short.to_owned()));
}

#[test]
fn nothing_is_nothing() {
    assert_eq!(sample().change_to(&sample()), Change::Nothing);
}

#[test]
fn elements_need_no_commands() {
    let mut wanted = sample();
    let table = wanted.table(Family::Bridge, "t");
    let known = table.set("known", ADDRESSES);
    known.elements.clear();
    known.add(address(2));
    table.set("ways", "").map([Value::Link("a".into())], Data::Drop);
    let Change::Elements(changes) = sample().change_to(&wanted) else { panic!("commands") };
    let [known, ways] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!(known.set, "known");
    assert_eq!(known.removed.keys().next().unwrap(), &address(1));
    assert_eq!(known.added.keys().next().unwrap(), &address(2));
    assert_eq!(
        ways.removed.values().next().unwrap(),
        &Some(Data::Goto("one".into())),
        "a value that changes"
    );
    assert_eq!(ways.added.values().next().unwrap(), &Some(Data::Drop));
}

#[test]
fn what_is_referred_to_comes_before_and_goes_after() {
    let mut wanted = sample();
    let table = wanted.table(Family::Bridge, "t");
    table.chains.remove("one");
    table.sets.remove("known");
    table.chain("two", vec!["ip saddr @ranges accept".into()]);
    let mut ranges = Set::ranges(ADDRESSES);
    ranges.add([Value::Net("10.1.0.0/16".parse().unwrap())]);
    table.sets.insert("ranges".into(), ranges);
    table.set("ways", "").map([Value::Link("a".into())], Data::Goto("two".into()));
    let expected = "\
add set bridge t ranges { type ipv4_addr; flags interval; }
add chain bridge t two
flush chain bridge t one
delete element bridge t known { 10.0.0.1 }
delete element bridge t ways { \"a\" : goto one }
add rule bridge t two ip saddr @ranges accept
add element bridge t ranges { 10.1.0.0/16 }
add element bridge t ways { \"a\" : goto two }
delete chain bridge t one
delete set bridge t known
";
    assert_eq!(sample().change_to(&wanted), Change::Commands(expected.to_owned()));
}

#[test]
fn ranges_are_left_to_nft() {
    let with = |net: &str| {
        let mut ruleset = sample();
        let mut ranges = Set::ranges(ADDRESSES);
        ranges.add([Value::Net(net.parse().unwrap())]);
        ruleset.table(Family::Bridge, "t").sets.insert("ranges".into(), ranges);
        ruleset
    };
    let change = with("10.1.0.0/16").change_to(&with("10.2.0.0/16"));
    let expected =
        "delete element bridge t ranges { 10.1.0.0/16 }\nadd element bridge t ranges { 10.2.0.0/16 }\n";
    assert_eq!(change, Change::Commands(expected.to_owned()));
}

#[test]
fn attributes_are_read_as_they_are_written() {
    let mut bytes = Vec::new();
    attribute(&mut bytes, 1 | 0x8000, b"abcde");
    attribute(&mut bytes, 2, b"");
    assert_eq!(bytes.len(), 12 + 4);
    let read: Vec<(u16, &[u8])> = attributes(&bytes).collect();
    assert_eq!(read, [(1, &b"abcde"[..]), (2, &b""[..])]);
    assert_eq!(attributes(&bytes[..7]).count(), 0, "cut short");
}
