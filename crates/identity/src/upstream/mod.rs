//! Conversations recorded with the original, Keystone, and held against this service.
//!
//! [`varied_tests`] sends them again with odd things in them.
//!
//! `cargo xtask golden --against keystone` records them anew. `BLESS=1` rewrites the list of what is not alike yet.

mod varied_tests;

use testkit::{Api, Conversations, Remote};

use crate::tests::cloud;

fn conversations() -> Conversations {
    Conversations::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/upstream"))
}

/// A fresh cloud of ours.
fn fresh() -> Api {
    cloud().api
}

#[test]
#[ignore = "the list of what is not alike yet changes with each resource that lands"]
fn answers_as_the_original_does() {
    assert!(conversations().count() >= 300, "{} requests are too few", conversations().count());
    conversations().check(fresh);
}

/// Not a test: `xtask golden` runs it with the original's address.
#[test]
fn record_the_original() {
    match std::env::var("CUTTLE_ORIGINAL") {
        Ok(url) => conversations().record(&Remote::new(&url)),
        Err(_) => println!("skipped: record_the_original: xtask golden runs it"),
    }
}
