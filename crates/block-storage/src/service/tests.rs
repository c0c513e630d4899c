//! The service's parts over the API: what is seen of them, and what operators make of them.

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
    let mut node = Node::join(&api, "one", 10);
    new_volume(&api, "member@alpha");
    node.work(&api);
    golden(&api, "service/golden/life.http");
}
