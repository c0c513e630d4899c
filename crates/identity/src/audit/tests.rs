//! Which requests are on record, and what it says.

use std::sync::{Arc, Mutex};

use rest::Answered;
use serde_json::{Value as Json, json};
use testkit::Api;

use crate::tests::{ADMIN, Cloud, DEMO, cloud, in_project, login};

/// A cloud whose records are kept.
fn kept() -> (Cloud, Arc<Mutex<Vec<Json>>>) {
    let records: Arc<Mutex<Vec<Json>>> = Arc::default();
    let plain = cloud();
    let (seen, store, tokens) = (records.clone(), plain.api.store.clone(), plain.tokens.clone());
    let mut service = crate::service(&store, &tokens);
    service.routes = service.routes.audited(move |answered: &Answered<'_>| {
        seen.lock().unwrap().extend(super::event(answered));
    });
    let api = Api::over(&store, tokens.clone(), vec![service]);
    (Cloud { api, tokens }, records)
}

fn last(records: &Mutex<Vec<Json>>) -> Json {
    records.lock().unwrap().pop().unwrap()
}

#[test]
fn logins_are_on_record_whether_they_succeed_or_not() {
    let (cloud, records) = kept();
    assert_eq!(cloud.login(DEMO, "demo-secret", in_project(DEMO)).status, 201);
    let good = last(&records);
    assert_eq!((&good["action"], &good["outcome"]), (&json!("authenticate"), &json!("success")), "{good}");
    assert_eq!(good["initiator"]["username"], "demo");
    assert_eq!(good["target"]["id"], good["initiator"]["user_id"]);
    assert_eq!(good["typeURI"], "http://schemas.dmtf.org/cloud/audit/1.0/event");
    assert_eq!(cloud.login("nobody", "guess-me", Json::Null).status, 401);
    let bad = last(&records);
    assert_eq!((&bad["action"], &bad["outcome"]), (&json!("authenticate"), &json!("failure")), "{bad}");
    assert_eq!(
        (&bad["initiator"]["username"], &bad["initiator"]["id"]),
        (&json!("nobody"), &json!("unknown"))
    );
    assert_eq!(bad["reason"], json!({"reasonType": "HTTP", "reasonCode": "401"}));
    assert!(!bad.to_string().contains("guess-me") && !good.to_string().contains("demo-secret"));
    let headers = [("user-agent", "a browser")];
    let body = login("nobody", "x", Json::Null);
    cloud.api.call("", "POST", "/identity/v3/auth/tokens", &headers, &body);
    assert_eq!(last(&records)["initiator"]["host"]["agent"], "a browser");
}

#[test]
fn changes_are_on_record_and_looks_are_not() {
    let (cloud, records) = kept();
    let admin = cloud.token(ADMIN);
    let user = cloud.make("users", "user", json!({"name": "new"}));
    let check = |method: &str, path: &str, body: &Json, expected: (&str, &str, &str)| {
        records.lock().unwrap().clear();
        let answer = cloud.call(&admin, method, path, body);
        let record = last(&records);
        let told = (&record["action"], &record["outcome"], &record["target"]["typeURI"]);
        let (action, outcome, target) = expected;
        assert_eq!(told, (&json!(action), &json!(outcome), &json!(target)), "{method} {path}: {answer:?}");
        assert_eq!(record["initiator"]["username"], "admin");
        record
    };
    let id = user["id"].as_str().unwrap();
    let one = format!("users/{id}");
    let account = "data/security/account/user";
    let made = json!({"user": {"name": "more"}});
    let record = check("POST", "users", &made, ("created.user", "success", account));
    assert_ne!(record["target"]["id"], "unknown");
    assert!(record["initiator"]["project_id"].is_string(), "{record}");
    check("POST", "users", &made, ("created.user", "failure", account));
    let change = json!({"user": {"description": "x"}});
    let record = check("PATCH", &one, &change, ("updated.user", "success", account));
    assert_eq!(record["target"]["id"], id);
    let group = cloud.make("groups", "group", json!({"name": "g"}));
    let member = format!("groups/{}/users/{id}", group["id"].as_str().unwrap());
    let membership = "data/security/group_membership";
    check("PUT", &member, &Json::Null, ("created.group_membership", "success", membership));
    check("DELETE", &member, &Json::Null, ("deleted.group_membership", "success", membership));
    let grant = format!("system/users/{id}/roles/nowhere");
    check(
        "PUT",
        &grant,
        &Json::Null,
        ("created.role_assignment", "failure", "data/security/role_assignment"),
    );
    check("DELETE", &one, &Json::Null, ("deleted.user", "success", account));
    let demo = cloud.token(DEMO);
    records.lock().unwrap().clear();
    assert_eq!(cloud.get(&demo, "users").status, 403);
    assert_eq!(*records.lock().unwrap(), [] as [Json; 0], "a look is not on record");
    assert_eq!(cloud.call("no-token", "DELETE", &one, &Json::Null).status, 401);
    let record = last(&records);
    assert_eq!((&record["outcome"], &record["initiator"]["id"]), (&json!("failure"), &json!("unknown")));
}
