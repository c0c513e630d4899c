//! Conversations recorded with the original, Keystone, and held against this service.
//!
//! [`varied_tests`] sends them again with odd things in them.
//!
//! `cargo xtask golden --against keystone` records them anew. `BLESS=1` lists what is
//! not alike in `not-yet.txt`.

mod varied_tests;

use testkit::{Api, Conversations, Remote, Scratch, Server};

use crate::Config;
use crate::tests::{ADMIN, cloud, cloud_over};

fn conversations() -> Conversations {
    Conversations::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/upstream"))
}

/// A fresh cloud of ours.
fn fresh() -> Api {
    cloud().api
}

#[test]
fn answers_as_the_original_does() {
    assert!(conversations().count() >= 300, "{} requests are too few", conversations().count());
    conversations().check(fresh);
}

/// On the database servers everything has to come out as it does on SQLite.
fn answers_alike_on(server: Server) {
    let scratch = || Scratch::make(server, "identity's conversations on a database server");
    let config = || Config { bcrypt_cost: 4, ..Config::default() };
    if scratch().is_some() {
        conversations().check(|| cloud_over(scratch(), config()).api);
        let cloud = cloud_over(scratch(), config());
        varied_tests::service().check_lists(&cloud.api, &cloud.token(ADMIN));
    }
}

#[test]
fn answers_alike_on_postgres() {
    answers_alike_on(Server::Postgres);
}

#[test]
fn answers_alike_on_mariadb() {
    answers_alike_on(Server::Maria);
}

/// Not a test: `xtask golden` runs it with the original's address.
#[test]
fn record_the_original() {
    match std::env::var("CUTTLE_ORIGINAL") {
        Ok(url) => conversations().record(|| Remote::new(&url)),
        Err(_) => println!("skipped: record_the_original: xtask golden runs it"),
    }
}
