//! The suite that every database passes.
#![allow(missing_docs, clippy::unwrap_used)]

mod suite;

use store::{Config, Store};

fn check_all(open: impl Fn() -> Store) {
    suite::documents(&open());
    suite::unique_and_stale(&open());
    suite::pages(&open());
    suite::refusals_leave_nothing(&open());
    suite::work_is_leased_once(&open());
}

#[test]
fn memory() {
    check_all(|| Store::open(&Config::Memory).unwrap());
}

#[test]
fn sqlite_file() {
    let dir = tempfile::tempdir().unwrap();
    let n = std::cell::Cell::new(0);
    check_all(|| {
        n.set(n.get() + 1);
        Store::open(&Config::File(dir.path().join(format!("{}.db", n.get())))).unwrap()
    });
    suite::many_writers(&Store::open(&Config::File(dir.path().join("writers.db"))).unwrap());
}
