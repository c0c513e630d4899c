//! Conversations recorded with the original, Cinder, and held against this service.
//!
//! `cargo xtask golden --against cinder` records them anew. `BLESS=1` lists what is not alike in `not-yet.txt`.

mod working;

use testkit::{Api, Conversations, Remote};

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
