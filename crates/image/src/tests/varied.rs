//! The conversations' requests with odd things in them, and every route with them: nothing that a client sends is a fault
//! of ours.

use std::path::PathBuf;

use storage::fake::Fake;
use testkit::{Api, Begun, Conversations, Varied};

use super::{ADMIN, api_over, two_stores};
use crate::{Config, ImportFiltering};

/// Parameters of the lists.
const QUERIES: [&str; 24] = [
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
fn cloud() -> Api {
    let filtering =
        ImportFiltering { allowed_hosts: vec!["127.0.0.1".to_owned()], ..ImportFiltering::default() };
    api_over(two_stores(&Fake::new(), &Fake::new()), Config { filtering, ..Config::default() })
}

#[test]
fn nothing_that_is_sent_is_a_fault_of_ours() {
    let table =
        crate::service(&cloud().store, std::sync::Arc::new(Fake::new()), Config::default()).routes.table();
    let routes = table.into_iter().map(|(method, path)| (method.to_string(), path)).collect();
    let service = Varied { prefix: "/image", routes, queries: &QUERIES, microversions: None };
    let folders = folders();
    service.check(10_000, |dice| {
        let api = cloud();
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
