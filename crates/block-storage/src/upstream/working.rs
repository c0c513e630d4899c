//! Conversations with a Cinder that has a host for its volumes, held against this service with one.

use std::cell::RefCell;

use testkit::{Answer, Api, Conversations, Peer, Remote};

use super::Older;
use crate::tests::{Node, api};

fn conversations() -> Conversations {
    let all = Conversations::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/upstream/working"));
    // Here an answer depends on the token too, and says so.
    all.without("vary").with("openstack-api-version")
}

/// A service whose host has done what was asked for before it is asked again.
struct Working {
    api: Api,
    node: RefCell<Node>,
}

impl Peer for Working {
    fn send(&self, token: &str, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let answer = Peer::send(&self.api, token, method, path, headers, body);
        self.node.borrow_mut().work(&self.api);
        answer
    }
}

/// A fresh cloud of ours, with a host as large as the original's.
fn fresh() -> Working {
    let api = api();
    let node = RefCell::new(Node::join(&api, "one", 1000));
    Working { api, node }
}

#[test]
fn answers_as_the_original_does() {
    assert!(conversations().count() >= 600, "{} requests are too few", conversations().count());
    conversations().check(fresh);
}

/// Not a test: `xtask golden` runs it with the original's address.
#[test]
fn record_the_original() {
    match std::env::var("CUTTLE_ORIGINAL") {
        Ok(url) => conversations().record(|| Remote::fresh(&url, "/volume")),
        Err(_) => println!("skipped: record_the_original: xtask golden runs it"),
    }
}

/// Not a test either: `xtask golden --packaged` runs it with the address of the original in packages.
#[test]
fn hold_the_packaged_original() {
    match std::env::var("CUTTLE_ORIGINAL") {
        Ok(url) => conversations().check_packaged(|| Older::fresh(&url)),
        Err(_) => println!("skipped: hold_the_packaged_original: xtask golden runs it"),
    }
}
