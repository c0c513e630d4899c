//! The conversations' requests with odd things in them, and every route with them: nothing that a client sends is a fault
//! of ours.

use std::path::PathBuf;
use std::sync::Arc;

use storage::fake::Fake;
use storage::file::{FileConfig, ImageCache};
use testkit::{Api, Begun, Conversations, Scratch, Server, Varied};

use super::{ADMIN, api_on, two_stores};
use crate::{Config, ImportFiltering, Stores};

/// Parameters of the lists.
const QUERIES: [&str; 31] = [
    "limit",
    "marker",
    "sort",
    "sort_key",
    "sort_dir",
    "name",
    "status",
    "id",
    "container_format",
    "disk_format",
    "size_min",
    "size_max",
    "min_ram",
    "protected",
    "os_hidden",
    "visibility",
    "member_status",
    "owner",
    "tag",
    "created_at",
    "updated_at",
    "prefer",
    "resource_types",
    "type",
    "min_disk",
    "checksum",
    "os_hash_value",
    "architecture",
    "message",
    "created_at~",
    "expires_at",
];

/// The folders of conversations: each resource has one.
fn folders() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    while let Some(dir) = waiting.pop() {
        let entries: Vec<PathBuf> =
            std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        if entries.iter().any(|path| path.extension().is_some_and(|kind| kind == "http")) {
            found.push(dir);
        }
        waiting.extend(entries.into_iter().filter(|path| path.is_dir()));
    }
    found.sort();
    found
}

/// Two stores, and a web in which there is nothing to ask.
fn cloud(scratch: Option<Scratch>) -> Api {
    cloud_over(scratch, two_stores(&Fake::new(), &Fake::new()))
}

fn cloud_over(scratch: Option<Scratch>, stores: Stores) -> Api {
    let filtering =
        ImportFiltering { allowed_hosts: vec!["127.0.0.1".to_owned()], ..ImportFiltering::default() };
    let config = Config { filtering, ..Config::default() };
    api_on(scratch, stores, config)
}

fn service() -> Varied {
    let stores = two_stores(&Fake::new(), &Fake::new());
    let table = crate::service(&cloud(None).store, stores, Config::default()).routes.table();
    let routes = table.into_iter().map(|(method, path)| (method.to_string(), path)).collect();
    Varied { prefix: "/image", routes, queries: &QUERIES, microversions: None }
}

/// Sends so many of them to clouds that are made so.
fn send(wanted: usize, fresh: impl Fn() -> Api) {
    let folders = folders();
    service().check(wanted, |dice| {
        let api = fresh();
        let (mut asked, last) = (Vec::new(), dice.below(3));
        for _ in 0..=last {
            let conversations = Conversations::new(dice.pick(&folders));
            asked.extend(conversations.ask(&api, dice.below(1000), dice.below(20)));
        }
        let mut count = 0;
        let beside = Box::new(move |api: &Api| {
            count += 1;
            if count % 10 == 0 {
                api.settle();
            }
        });
        Begun { api, asked, administrator: ADMIN.to_owned(), beside }
    });
}

#[test]
fn nothing_that_is_sent_is_a_fault_of_ours() {
    send(10_000, || cloud(None));
}

#[test]
fn nor_where_there_is_a_cache() {
    let dir = tempfile::tempdir().unwrap();
    let cache = ImageCache::open(&FileConfig::new(dir.path()), 1 << 20).unwrap();
    send(2_000, || cloud_over(None, two_stores(&Fake::new(), &Fake::new()).with_cache(cache.clone())));
}

/// Conversations with a cloud of one store.
const PLAIN: [&str; 8] = [
    "cache/golden/absent.http",
    "image/golden/life.http",
    "location/golden/told.http",
    "member/golden/life.http",
    "metadef/namespace/golden/entries.http",
    "metadef/namespace/golden/life.http",
    "metadef/namespace/golden/refusals.http",
    "task/golden/refusals.http",
];

/// On the database servers everything has to come out as it does on SQLite.
fn answers_alike_on(server: Server) {
    let scratch = || Scratch::make(server, "the image service's conversations on a database server");
    if scratch().is_none() {
        return;
    }
    for path in PLAIN {
        let api = api_on(scratch(), Arc::new(Fake::new()), Config::default());
        testkit::check_golden(&api, format!("{}/src/{path}", env!("CARGO_MANIFEST_DIR")));
    }
    service().check_lists(&cloud(scratch()), ADMIN);
    send(500, || cloud(scratch()));
}

#[test]
fn answers_alike_on_postgres() {
    answers_alike_on(Server::Postgres);
}

#[test]
fn answers_alike_on_mariadb() {
    answers_alike_on(Server::Maria);
}
