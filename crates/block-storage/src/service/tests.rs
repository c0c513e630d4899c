//! The service's parts over the API: what is seen of them, and what operators make of them.

use serde_json::{Value as Json, json};
use testkit::Api;
use types::Timestamp;

use super::Switch;
use crate::service::ops::accepts_volumes;
use crate::tests::{ADMIN, Node, api, golden, new_volume};

#[test]
fn a_switch_remembers_why() {
    let mut switch = Switch::default();
    switch.turn(false, Some("broken fan".to_owned()));
    switch.turn(false, None);
    assert_eq!((switch.disabled, switch.reason.as_deref()), (true, Some("broken fan")));
    switch.turn(true, None);
    assert_eq!((switch.disabled, switch.reason.as_deref()), (false, None));
    assert!(switch.freeze(true) && !switch.freeze(true));
    assert_eq!((switch.disabled, switch.reason.as_deref()), (true, Some("frozen")));
    assert!(switch.freeze(false) && !switch.freeze(false));
    assert_eq!((switch.disabled, switch.reason), (false, None));
}

#[test]
fn a_backend_out_of_use_gets_no_volumes() {
    let api = api();
    let _node = Node::join(&api, "one", 10);
    let accepts = || {
        api.store.read_blocking(|tx: &mut store::Tx<'_>| accepts_volumes(tx, &"one".into(), "file")).unwrap()
    };
    let put = |verb: &str| {
        let body = serde_json::json!({"host": "one@file", "binary": "cinder-volume"});
        api.put(ADMIN, &format!("/volume/v3/os-services/{verb}"), &body).status
    };
    assert!(accepts());
    assert_eq!((put("disable"), accepts()), (200, false));
    assert_eq!((put("enable"), accepts()), (200, true));
}

#[test]
fn conversations_are_as_reviewed() {
    let _guard = runtime::simulate(1, Timestamp::from_seconds(1_800_000_000));
    let api = api();
    golden(&api, "service/golden/nowhere.http");
    golden(&api, "service/golden/log.http");
    golden(&api, "service/golden/workers.http");
    let mut node = Node::join(&api, "one", 10);
    new_volume(&api, "member@alpha");
    node.work(&api);
    golden(&api, "service/golden/life.http");
}

/// Who is asked to look at their work, and who cannot.
fn cleanup(api: &Api, body: &Json) -> (u16, Vec<String>, Vec<String>) {
    let version = [("openstack-api-version", "volume 3.24")];
    let answer = api.call(ADMIN, "POST", "/volume/v3/workers/cleanup", &version, body);
    let parts = |key: &str| {
        let parts = answer.body[key].as_array().into_iter().flatten();
        let name =
            |part: &Json| format!("{} {}", part["binary"].as_str().unwrap(), part["host"].as_str().unwrap());
        parts.map(name).collect()
    };
    (answer.status, parts("cleaning"), parts("unavailable"))
}

#[test]
fn work_that_is_not_done_is_looked_at_by_who_is_up() {
    let guard = runtime::simulate(1, Timestamp::from_seconds(1_800_000_000));
    let api = api();
    let mut one = Node::join_over(&api, "one", &[("file", 100), ("more", 50)]);
    let done = new_volume(&api, "member@alpha");
    one.work(&api);
    one.silent = true;
    let waiting = new_volume(&api, "member@alpha");
    api.settle();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let all = names(&[
        "cinder-scheduler cuttle",
        "cinder-volume one@file",
        "cinder-volume one@more",
        "cinder-backup one",
    ]);
    let is_due = || api.runner.next_due().unwrap().is_some_and(|due| due <= runtime::now());
    // As in Cinder, it is those that are down whose work is meant.
    assert_eq!(cleanup(&api, &json!({})), (202, vec![], vec![]));
    assert!(!is_due());
    for (body, cleaning) in [
        (json!({"is_up": "true", "host": "one@more"}), &all[2..3]),
        (json!({"is_up": true, "binary": "cinder-scheduler"}), &all[..1]),
        (json!({"is_up": true, "resource_type": "snapshot"}), &all[..]),
        (json!({"is_up": true, "resource_id": done, "host": "one"}), &all[1..]),
        (json!({"is_up": true, "cluster_name": "one"}), &[]),
        (json!({"is_up": true, "disabled": true}), &[]),
        (json!({"is_up": true, "service_id": 7}), &[]),
    ] {
        assert_eq!(cleanup(&api, &body), (202, cleaning.to_vec(), vec![]), "{body}");
        assert!(!is_due(), "{body}");
    }
    for body in [
        json!({"is_up": true}),
        json!({"is_up": true, "host": "one@file", "resource_type": "VOLUME"}),
        json!({"is_up": true, "resource_id": waiting}),
    ] {
        assert_eq!(cleanup(&api, &body).0, 202);
        assert!(is_due(), "{body}");
        api.settle();
        assert!(!is_due());
    }
    assert_eq!(cleanup(&api, &json!({"is_up": true, "resource_id": waiting})).1, all[1..2]);
    api.settle();
    // A part has the number by which it is told before.
    let version = [("openstack-api-version", "volume 3.24")];
    let body = json!({"is_up": true, "host": "one@file"});
    let parts =
        api.call(ADMIN, "POST", "/volume/v3/workers/cleanup", &version, &body).body["cleaning"].clone();
    api.settle();
    let by_number = json!({"is_up": true, "service_id": parts[0]["id"].to_string()});
    assert_eq!(cleanup(&api, &by_number).1, all[1..2]);
    api.settle();

    guard.advance(std::time::Duration::from_secs(300));
    assert_eq!(cleanup(&api, &json!({})), (202, vec![], all[1..].to_vec()));
    assert_eq!(
        cleanup(&api, &json!({"binary": "cinder-volume", "host": "one@more"})),
        (202, vec![], all[2..3].to_vec())
    );
    assert_eq!(cleanup(&api, &json!({"resource_id": waiting})), (202, vec![], all[1..2].to_vec()));
    assert_eq!(cleanup(&api, &json!({"is_up": true})), (202, all[..1].to_vec(), vec![]));
    assert!(!is_due(), "nobody has to do with it");
}
