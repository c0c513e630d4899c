//! Conversations recorded with the original, Glance, and held against this service.
//!
//! `cargo xtask golden --against glance` records them anew, from the newest. `BLESS=1` lists what is not alike in
//! `not-yet.txt`. With `--packaged` Debian's is asked the same, and `packaged.txt` lists what that answers in another way.

use std::sync::Arc;

use serde_json::json;
use storage::fake::Fake;
use testkit::{Answer, Api, Conversations, Peer, Remote};

use crate::stores::Place;
use crate::tests::{ADMIN, api_over};
use crate::{Config, Stores};

fn conversations() -> Conversations {
    // Here an answer depends on the token too, and says so; and a location has the path that clients reach us by.
    let all = Conversations::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/upstream"));
    let all = all.without("vary").without("location");
    ["content-range", "content-md5", "openstack-image-import-methods"]
        .into_iter()
        .fold(all, Conversations::with)
}

/// A service that has done what was asked for before it is asked again.
struct Settled(Api);

impl Peer for Settled {
    fn send(&self, token: &str, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let answer = Peer::send(&self.0, token, method, path, headers, body);
        self.0.settle();
        while path.ends_with("/import") && answer.status == 202 && self.is_importing(path) {
            std::thread::yield_now();
            self.0.settle();
        }
        answer
    }
}

impl Settled {
    /// Whether the import that this path began has not ended. It works beside the reconcilers.
    fn is_importing(&self, path: &str) -> bool {
        let tasks = self.0.get(ADMIN, &path.replace("/import", "/tasks")).body;
        let mut states = tasks["tasks"].as_array().into_iter().flatten().map(|task| &task["status"]);
        states.any(|status| status == "pending" || status == "processing")
    }
}

/// A fresh cloud of ours, with two stores as the original has them.
fn fresh() -> Settled {
    let place = |id: &str| Place {
        id: id.to_owned(),
        kind: "file",
        description: None,
        properties: json!({}),
        images: Arc::new(Fake::new()),
    };
    let stores = Stores::new(place("cuttle"), vec![place("second")]);
    Settled(api_over(stores, Config::default()))
}

#[test]
fn answers_as_the_original_does() {
    assert!(conversations().count() >= 500, "{} requests are too few", conversations().count());
    conversations().check(fresh);
}

/// Not a test: `xtask golden` runs it with the original's address.
#[test]
fn record_the_original() {
    match std::env::var("CUTTLE_ORIGINAL") {
        Ok(url) => conversations().record(|| Remote::fresh(&url, "/image")),
        Err(_) => println!("skipped: record_the_original: xtask golden runs it"),
    }
}

/// Not a test either: `xtask golden --packaged` runs it with the address of the original in packages.
#[test]
fn hold_the_packaged_original() {
    match std::env::var("CUTTLE_ORIGINAL") {
        Ok(url) => conversations().check_packaged(|| Remote::fresh(&url, "/image")),
        Err(_) => println!("skipped: hold_the_packaged_original: xtask golden runs it"),
    }
}
