//! Conversations recorded with the original, Cinder, and held against this service.
//!
//! `cargo xtask golden --against cinder` records them anew, from the newest. `BLESS=1` lists what is not alike in
//! `not-yet.txt`. With `--packaged` Debian's is asked the same, and `packaged.txt` lists what that answers in another way.

mod working;

use testkit::{Answer, Api, Conversations, Peer, Remote};

use crate::tests::{Node, api};

fn conversations() -> Conversations {
    // Here an answer depends on the token too, and says so.
    Conversations::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/upstream")).without("vary")
}

/// A fresh cloud of ours, with a host that does nothing.
fn fresh() -> Api {
    let api = api();
    Node::join(&api, "one", 10);
    api
}

/// The header by which client and service agree on what they speak.
const VERSION: &str = "openstack-api-version";
/// What the conversations ask for, as the newest that their original spoke.
const NEWEST: &str = "volume 3.71";

/// An original that is older than the one that was recorded. It is asked as clients ask, who speak with a service the newest
/// that it knows.
struct Older {
    remote: Remote,
    newest: String,
}

impl Older {
    fn fresh(url: &str) -> Older {
        let remote = Remote::fresh(url, "/volume");
        let told = remote.send("admin@admin", "GET", "/volume/v3/", &[], Vec::new()).body;
        let newest = told["versions"][0]["version"].as_str().unwrap_or_default();
        assert!(!newest.is_empty(), "a service tells what it speaks: {told}");
        Older { remote, newest: format!("volume {newest}") }
    }
}

impl Peer for Older {
    fn send(&self, token: &str, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let is_newest = |(name, value): &(&str, &str)| name.eq_ignore_ascii_case(VERSION) && *value == NEWEST;
        let Some(n) = headers.iter().position(is_newest) else {
            return self.remote.send(token, method, path, headers, body);
        };
        let mut headers = headers.to_vec();
        headers[n].1 = &self.newest;
        let mut answer = self.remote.send(token, method, path, &headers, body);
        for (name, value) in &mut answer.headers {
            if name == VERSION && *value == self.newest {
                NEWEST.clone_into(value);
            }
        }
        answer
    }
}

#[test]
fn answers_as_the_original_does() {
    assert!(conversations().count() >= 200, "{} requests are too few", conversations().count());
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
