//! QoS specs over the API.

use serde_json::{Value as Json, json};
use testkit::Answer;

use crate::tests::{ADMIN, MEMBER, Node, api, golden, new_volume};

#[test]
fn conversations_are_as_reviewed() {
    golden(&api(), "qos_specs/golden/life.http");
    golden(&api(), "qos_specs/golden/refusals.http");
}

#[test]
fn what_changes_of_them_reaches_the_volumes_of_their_types() {
    let api = api();
    let mut node = Node::join(&api, "one", 10);
    let volume = new_volume(&api, MEMBER);
    node.work(&api);
    let kind =
        api.get(ADMIN, "/volume/v3/types/default").body["volume_type"]["id"].as_str().unwrap().to_owned();
    let body = json!({"qos_specs": {"name": "few", "consumer": "front-end", "total_iops_sec": "500"}});
    let qos = api.post(ADMIN, "/volume/v3/qos-specs", &body).body["qos_specs"]["id"].clone();
    let path = format!("/volume/v3/qos-specs/{}", qos.as_str().unwrap());
    let mut check = |answer: Answer, limits: &[(&str, u64)]| {
        assert!(answer.status < 300, "{answer:?}");
        node.work(&api);
        let wanted = limits.iter().map(|(name, limit)| ((*name).to_owned(), *limit)).collect();
        assert_eq!(node.volumes[&volume].limits, wanted);
    };
    let get = |rest: &str| api.get(ADMIN, &format!("{path}/{rest}"));
    let put = |rest: &str, body: &Json| api.put(ADMIN, &format!("{path}{rest}"), body);
    let associate = format!("associate?vol_type_id={kind}");
    check(get(&associate), &[("iops-total", 500)]);
    let change = json!({"qos_specs": {"total_iops_sec": "700", "read_bytes_sec": "9"}});
    check(put("", &change), &[("iops-total", 700), ("bps-read", 9)]);
    check(put("/delete_keys", &json!({"keys": ["total_iops_sec"]})), &[("bps-read", 9)]);
    check(put("", &json!({"qos_specs": {"consumer": "back-end"}})), &[]);
    check(put("", &json!({"qos_specs": {"consumer": "both"}})), &[("bps-read", 9)]);
    check(get(&format!("disassociate?vol_type_id={kind}")), &[]);
    check(get(&associate), &[("bps-read", 9)]);
    check(get("disassociate_all"), &[]);
    check(get(&associate), &[("bps-read", 9)]);
    check(api.delete(ADMIN, &format!("{path}?force=true")), &[]);
}
