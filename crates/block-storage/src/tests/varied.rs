//! The conversations' requests with odd things in them, and every route with them: nothing that a client sends is a fault
//! of ours.

use std::path::PathBuf;

use serde_json::json;
use testkit::{Api, Begun, Conversations, Scratch, Server, Varied};

use crate::tests::{ADMIN, Node, api, api_over, golden};

/// Parameters of the lists.
const QUERIES: [&str; 43] = [
    "limit",
    "marker",
    "offset",
    "sort",
    "sort_key",
    "sort_dir",
    "name",
    "name~",
    "status",
    "metadata",
    "extra_specs",
    "is_public",
    "all_tenants",
    "with_count",
    "created_at",
    "size",
    "bootable",
    "force",
    "usage",
    "detail",
    "vol_type_id",
    "volume_type",
    "project_id",
    "resource_type",
    "group_id",
    "list_volume",
    "id",
    "description",
    "volume_id",
    "snapshot_id",
    "user_id",
    "host",
    "binary",
    "availability_zone",
    "migration_status",
    "attach_status",
    "consumes_quota",
    "updated_at",
    "expires_at",
    "data_timestamp",
    "message_level",
    "resource_uuid",
    "created_at~",
];

/// The folders of conversations: each resource has one.
fn folders() -> Vec<PathBuf> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let resources = std::fs::read_dir(source).unwrap().map(|entry| entry.unwrap().path().join("golden"));
    let holds_some = |path: &PathBuf| {
        let entries = std::fs::read_dir(path).into_iter().flatten();
        entries.flatten().any(|entry| entry.path().extension().is_some_and(|kind| kind == "http"))
    };
    let mut found: Vec<PathBuf> = resources.filter(holds_some).collect();
    found.sort();
    found
}

fn service() -> Varied {
    let table = crate::tests::service().routes.table();
    let routes = table.into_iter().map(|(method, path)| (method.to_string(), path)).collect();
    Varied { prefix: "/volume", routes, queries: &QUERIES, microversions: Some(("volume", 71)) }
}

/// Sends so many of them to clouds that are made so.
fn send(wanted: usize, fresh: impl Fn() -> Api) {
    let folders = folders();
    service().check(wanted, |dice| {
        let api = fresh();
        let mut node = Node::join(&api, "one", 10);
        let (mut asked, last) = (Vec::new(), dice.below(3));
        for _ in 0..=last {
            let conversations = Conversations::new(dice.pick(&folders));
            asked.extend(conversations.ask(&api, dice.below(1000), dice.below(20)));
            node.work(&api);
        }
        let mut count = 0;
        let beside = Box::new(move |api: &Api| {
            count += 1;
            if count % 10 == 0 {
                node.work(api);
            }
        });
        Begun { api, asked, administrator: ADMIN.to_owned(), beside }
    });
}

#[test]
fn nothing_that_is_sent_is_a_fault_of_ours() {
    send(10_000, api);
}

/// Conversations that begin with nothing but a fresh cloud.
const PLAIN: [&str; 11] = [
    "default_type/golden/life.http",
    "encryption/golden/life.http",
    "golden/about.http",
    "group/golden/legacy.http",
    "group/golden/life.http",
    "qos_specs/golden/life.http",
    "qos_specs/golden/refusals.http",
    "quota/golden/life.http",
    "volume/golden/life.http",
    "volume_type/golden/life.http",
    "volume_type/golden/refusals.http",
];

/// On the database servers everything has to come out as it does on SQLite.
fn answers_alike_on(server: Server) {
    let scratch = || Scratch::make(server, "block storage's conversations on a database server");
    if scratch().is_none() {
        return;
    }
    for path in PLAIN {
        golden(&api_over(scratch(), image::Config::default()), path);
    }
    service().check_lists(&api_over(scratch(), image::Config::default()), ADMIN);
    gives_back_what_it_got(&api_over(scratch(), image::Config::default()));
    send(500, || api_over(scratch(), image::Config::default()));
}

/// Cinder takes a NUL where it takes any character, PostgreSQL does not.
fn gives_back_what_it_got(api: &Api) {
    let _node = Node::join(api, "one", 10);
    let odd = "a\0b";
    let part = json!({"host": "one", "binary": "cinder-backup", "disabled_reason": odd});
    let said = api.put(ADMIN, "/volume/v3/os-services/disable-log-reason", &part);
    assert_eq!((said.status, &said.body["disabled_reason"]), (200, &json!(odd)));
    let parts = api.get(ADMIN, "/volume/v3/os-services?binary=cinder-backup").body;
    assert_eq!(parts["services"][0]["disabled_reason"], odd);
    let body = json!({"volume_type": {"name": odd, "description": odd, "extra_specs": {"k": odd}}});
    let made = api.post(ADMIN, "/volume/v3/types", &body);
    assert_eq!(made.status, 200, "{made:?}");
    let path = format!("/volume/v3/types/{}", made.body["volume_type"]["id"].as_str().unwrap());
    let specs = json!({"extra_specs": {"more": odd}});
    assert_eq!(api.post(ADMIN, &format!("{path}/extra_specs"), &specs).status, 200);
    let kept = api.get(ADMIN, &path).body["volume_type"].clone();
    assert_eq!((&kept["name"], &kept["description"]), (&json!(odd), &json!(odd)));
    assert_eq!(kept["extra_specs"], json!({"k": odd, "more": odd}));
}

#[test]
fn a_nul_is_a_character() {
    gives_back_what_it_got(&api());
}

#[test]
fn answers_alike_on_postgres() {
    answers_alike_on(Server::Postgres);
}

#[test]
fn answers_alike_on_mariadb() {
    answers_alike_on(Server::Maria);
}
