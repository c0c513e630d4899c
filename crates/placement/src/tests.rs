//! The choice against a naive one, allocations by hand, and the API.

use std::collections::BTreeMap;

use agent_api::NodeFacts;
use proptest::prelude::{Strategy, any, proptest};
use serde_json::{Value as Json, json};
use store::{Config, Store, Tx};
use testkit::Api;

use crate::provider::{DISK_GB, Inventory, MEMORY_MB, VCPU};
use crate::schedule::{HostState, Request, candidates, choose};
use crate::{Error, MIGRATIONS, allocation, provider, reconcilers, service};

fn facts(vcpus: u32, ram_mib: u64, disk_gib: u64) -> NodeFacts {
    NodeFacts { vcpus, ram_mib, disk_gib, ..NodeFacts::default() }
}

fn join(tx: &mut Tx<'_>, name: &str, offered: &NodeFacts) -> Result<(), Error> {
    nodes::hosts::heard(tx, &name.into(), Some(offered))?;
    Ok(())
}

fn amounts(vcpus: u64, ram_mib: u64, disk_gib: u64) -> BTreeMap<String, u64> {
    [(VCPU, vcpus), (MEMORY_MB, ram_mib), (DISK_GB, disk_gib)].map(|(c, n)| (c.to_owned(), n)).into()
}

fn opened() -> Store {
    let store = Store::open(&Config::Memory).unwrap();
    store.migrate(&[nodes::MIGRATIONS, MIGRATIONS]).unwrap();
    store
}

#[test]
fn a_host_fills_up_and_the_answer_says_with_what() {
    let store = opened();
    store
        .write_blocking(|tx| {
            join(tx, "a", &facts(1, 8192, 100))?;
            let asked = Request { resources: amounts(8, 512, 10), ..Request::default() };
            // One server may not have more virtual CPUs than the host has real ones.
            let choice = candidates(tx, &asked)?;
            assert!(choice.order.is_empty());
            assert_eq!(
                choice.to_string(),
                "1 host was considered; VCPU removed 1 (asked 8, one server may have 1 on a)."
            );
            let asked = Request { resources: amounts(1, 4096, 10), ..Request::default() };
            let choice = candidates(tx, &asked)?;
            let chosen = choice.order[0].provider_id;
            allocation::allocate(tx, ("s1", &"p".into(), &"u".into()), chosen, &asked.resources)?;
            let choice = candidates(tx, &asked)?;
            assert_eq!(
                choice.to_string(),
                "1 host was considered; MEMORY_MB removed 1 (asked 4096, nearest is a with 3584 free)."
            );
            assert!(matches!(
                allocation::allocate(tx, ("s2", &"p".into(), &"u".into()), chosen, &asked.resources),
                Err(Error::Conflict(_))
            ));
            Ok::<_, Error>(())
        })
        .unwrap();
}

#[test]
fn what_is_released_can_be_taken_again() {
    let store = opened();
    store
        .write_blocking(|tx| {
            join(tx, "a", &facts(1, 2048, 20))?;
            let asked = Request { resources: amounts(1, 1024, 20), ..Request::default() };
            for server in ["s1", "s2"] {
                let chosen = candidates(tx, &asked)?.order[0].provider_id;
                allocation::allocate(tx, (server, &"p".into(), &"u".into()), chosen, &asked.resources)?;
                assert!(candidates(tx, &asked)?.order.is_empty());
                allocation::check(tx).unwrap();
                allocation::release(tx, server)?;
                allocation::release(tx, server)?;
                assert!(allocation::of_consumer(tx, server)?.is_empty());
            }
            Ok::<_, Error>(())
        })
        .unwrap();
}

#[test]
fn inventories_follow_the_facts_of_hosts() {
    let store = opened();
    store
        .write_blocking(|tx| {
            join(tx, "a", &facts(1, 2048, 20))?;
            assert_eq!(provider::sync_all(tx)?.len(), 1);
            assert_eq!(provider::sync_all(tx)?.len(), 0, "nothing is news");
            join(tx, "a", &facts(2, 2048, 20))?;
            assert_eq!(provider::sync_all(tx)?.len(), 1);
            let known = provider::all(&policy::Caller::cloud(), tx)?;
            assert_eq!(known[0].generation, 2);
            assert_eq!(provider::inventories(tx, known[0].id)?[VCPU], Inventory::plain(2, 0, 16.0));
            Ok::<_, Error>(())
        })
        .unwrap();
}

#[test]
fn wishes_about_hosts_are_filters() {
    let host = |name: &str, ram: u64| HostState {
        host: name.into(),
        provider_id: runtime::new_uuid().into(),
        up: true,
        enabled: true,
        inventories: [(MEMORY_MB.to_owned(), Inventory::plain(ram, 0, 1.0))].into(),
        used: BTreeMap::new(),
    };
    let hosts = || {
        let down = HostState { up: false, ..host("d", 900) };
        let disabled = HostState { enabled: false, ..host("e", 900) };
        vec![host("a", 100), host("b", 300), host("c", 300), down, disabled]
    };
    let check = |request: Request, expected: &[&str]| {
        let order = choose(&request, hosts()).order;
        let names: Vec<&str> = order.iter().map(|c| c.host.as_str()).collect();
        assert_eq!(names, expected, "{request:?}");
    };
    check(Request::default(), &["b", "c", "a"]);
    check(Request { host: Some("a".into()), ..Request::default() }, &["a"]);
    check(Request { host: Some("d".into()), ..Request::default() }, &[]);
    check(Request { avoid: ["b".into()].into(), ..Request::default() }, &["c", "a"]);
    check(Request { rather_not: ["b".into()].into(), ..Request::default() }, &["c", "a", "b"]);
    check(Request { rather: ["a".into()].into(), ..Request::default() }, &["a", "b", "c"]);
    check(Request { within: Some(["c".into()].into()), ..Request::default() }, &["c"]);
    check(Request { resources: [(MEMORY_MB.to_owned(), 200)].into(), ..Request::default() }, &["b", "c"]);
}

fn any_host() -> impl Strategy<Value = HostState> {
    (any::<u8>(), any::<bool>(), any::<bool>(), 1..64_u64, 0..64_u64, 1..4_u8).prop_map(
        |(name, up, enabled, total, used, ratio)| HostState {
            host: format!("h{name}").as_str().into(),
            provider_id: runtime::new_uuid().into(),
            up,
            enabled,
            inventories: [(VCPU.to_owned(), Inventory::plain(total, 0, ratio.into()))].into(),
            used: [(VCPU.to_owned(), used)].into(),
        },
    )
}

proptest! {
    #[test]
    fn the_choice_is_what_a_naive_search_finds(
        hosts in proptest::collection::vec(any_host(), 0..12),
        asked in 1..80_u64,
    ) {
        let request = Request { resources: [(VCPU.to_owned(), asked)].into(), ..Request::default() };
        let choice = choose(&request, hosts.clone());
        let naive = |h: &&HostState| {
            let inventory = &h.inventories[VCPU];
            let room = inventory.total * inventory.allocation_ratio as u64;
            h.up && h.enabled && asked <= inventory.total && h.used[VCPU] + asked <= room
        };
        let mut expected: Vec<_> = hosts.iter().filter(naive).map(|h| h.provider_id).collect();
        let mut chosen: Vec<_> = choice.order.iter().map(|c| c.provider_id).collect();
        expected.sort();
        chosen.sort();
        assert_eq!(chosen, expected);
        let removed: usize = choice.removed.iter().map(|r| r.count).sum();
        assert_eq!(removed + choice.order.len(), hosts.len(), "every host is chosen or accounted for");
    }
}

fn api() -> Api {
    let api = Api::new(&[nodes::MIGRATIONS, MIGRATIONS], |_| (vec![service()], reconcilers()));
    api.store.write_blocking(|tx| join(tx, "node-1", &facts(4, 8192, 100))).unwrap();
    api.runner.sweep().unwrap();
    api.settle();
    api
}

const LATEST: &[(&str, &str)] = &[("openstack-api-version", "placement 1.39")];

#[test]
fn an_operator_reads_providers_and_writes_allocations() {
    let api = api();
    let get = |path: &str| api.call("admin@admin", "GET", path, LATEST, &Json::Null);
    let list = get("/placement/resource_providers?resources=VCPU:2");
    assert_eq!(list.status, 200);
    let id = list.body["resource_providers"][0]["uuid"].as_str().unwrap().to_owned();
    assert_eq!(list.body["resource_providers"][0]["name"], "node-1");
    let candidates = get("/placement/allocation_candidates?resources=VCPU:2,MEMORY_MB:512");
    assert_eq!(candidates.body["provider_summaries"][&id]["resources"]["VCPU"]["capacity"], 64);
    let consumer = "/placement/allocations/5a1ee7a4-3f5b-4cf1-9be6-6f3a54c8b5ba";
    let wanted = |vcpus: u64, generation: Json| {
        json!({
            "allocations": {id.clone(): {"resources": {"VCPU": vcpus}}},
            "project_id": "p", "user_id": "u", "consumer_generation": generation, "consumer_type": "INSTANCE",
        })
    };
    let put = |body: &Json| api.call("admin@admin", "PUT", consumer, LATEST, body).status;
    assert_eq!(put(&wanted(2, Json::Null)), 204);
    assert_eq!(put(&wanted(3, Json::Null)), 409, "the consumer exists by now");
    assert_eq!(put(&wanted(3, json!(1))), 204);
    assert_eq!(put(&wanted(300, json!(2))), 409, "more than there is");
    assert_eq!(put(&json!({"allocations": 3})), 400);
    assert_eq!(get(consumer).body["allocations"][&id]["resources"]["VCPU"], 3);
    assert_eq!(get(&format!("/placement/resource_providers/{id}/usages")).body["usages"]["VCPU"], 3);
    assert_eq!(get("/placement/usages?project_id=p").body["usages"]["INSTANCE"]["VCPU"], 3);
    assert_eq!(api.delete("admin@admin", &format!("/placement/resource_providers/{id}")).status, 409);
    assert_eq!(api.delete("admin@admin", consumer).status, 204);
    assert_eq!(api.delete("admin@admin", consumer).status, 404);
}

#[test]
fn bad_requests_are_refused() {
    let api = api();
    let status = |token: &str, path: &str| api.call(token, "GET", path, LATEST, &Json::Null).status;
    for path in
        ["/resource_providers", "/resource_classes", "/traits", "/allocation_candidates?resources=VCPU:1"]
    {
        assert_eq!(status("member@alpha", &format!("/placement{path}")), 403, "{path}");
        assert_eq!(status("admin@admin", &format!("/placement{path}")), 200, "{path}");
    }
    assert_eq!(status("member@alpha", "/placement/usages?project_id=alpha"), 200);
    assert_eq!(status("member@alpha", "/placement/usages?project_id=beta"), 403);
    assert_eq!(status("admin@admin", "/placement/usages"), 400);
    assert_eq!(status("admin@admin", "/placement/resource_providers/nonsense"), 404);
    assert_eq!(status("admin@admin", "/placement/resource_providers?colour=red"), 400);
    assert_eq!(status("admin@admin", "/placement/resource_providers?resources=VCPU"), 400);
    assert_eq!(status("admin@admin", "/placement/allocation_candidates?resources=BEER:1"), 400);
    assert_eq!(status("admin@admin", "/placement/resource_classes/BEER"), 404);
    assert_eq!(status("admin@admin", "/placement/traits/BEER"), 404);
    assert_eq!(api.get("", "/placement/").status, 200);
    let create = |body: &Json| api.post("admin@admin", "/placement/resource_providers", body).status;
    assert_eq!(create(&json!({"name": "x"})), 201);
    assert_eq!(create(&json!({"name": "x"})), 409);
    assert_eq!(create(&json!({"name": ""})), 400);
    assert_eq!(create(&json!({"name": 3})), 400);
    assert_eq!(create(&json!([])), 400);
}
