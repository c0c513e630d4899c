//! The suite that every database passes.
#![allow(missing_docs, clippy::unwrap_used)]

mod servers;
mod suite;

use store::{Config, Store};
use testkit::{Scratch, Server};

const ALONE: &[fn(&Store)] = &[
    suite::documents,
    suite::unique_and_stale,
    suite::pages,
    suite::refusals_leave_nothing,
    suite::work_is_leased_once,
    suite::spellings,
    suite::nul,
    suite::big_documents,
    suite::numbers,
    suite::errors_are_final,
];
const TOGETHER: &[fn(&Store)] = &[suite::many_writers, suite::limits_hold];
const REPLICAS: &[fn(&Scratch)] =
    &[servers::migrations, servers::leases_are_exclusive, servers::cut_connections, servers::cut_while_idle];

#[test]
fn memory() {
    for check in ALONE.iter().chain(TOGETHER) {
        check(&Store::open(&Config::Memory).unwrap());
    }
}

#[test]
fn sqlite_file() {
    let dir = tempfile::tempdir().unwrap();
    for (n, check) in ALONE.iter().chain(TOGETHER).enumerate() {
        check(&Store::open(&Config::File(dir.path().join(format!("{n}.db")))).unwrap());
    }
}

fn on_server(kind: Server, checks: &[fn(&Store)]) {
    for check in checks {
        let Some(scratch) = Scratch::make(kind, "store on a server") else { return };
        check(&scratch.open());
    }
}

fn replicas(kind: Server) {
    for check in REPLICAS {
        let Some(scratch) = Scratch::make(kind, "store on a server") else { return };
        check(&scratch);
    }
}

#[test]
fn postgres() {
    on_server(Server::Postgres, ALONE);
}

#[test]
fn postgres_together() {
    on_server(Server::Postgres, TOGETHER);
}

#[test]
fn postgres_replicas() {
    replicas(Server::Postgres);
}

#[test]
fn mariadb() {
    on_server(Server::Maria, ALONE);
}

#[test]
fn mariadb_together() {
    on_server(Server::Maria, TOGETHER);
}

#[test]
fn mariadb_replicas() {
    replicas(Server::Maria);
}

#[test]
fn unusable_urls_say_so_without_their_password() {
    for url in
        ["oracle://u:secret@h/d", "postgres://u:secret@127.0.0.1:1/d", "mysql://u:secret@127.0.0.1:1/d"]
    {
        let error = Store::open(&Config::Url(url.to_owned())).err().unwrap().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
