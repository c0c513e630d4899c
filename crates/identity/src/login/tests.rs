//! Ways to log in, and not to.

use std::time::Duration;

use serde_json::{Value as Json, json};
use types::Timestamp;

use testkit::Answer;

use super::model::suffice;
use crate::tests::{ADMIN, Cloud, DEMO, cloud, in_project};

#[test]
fn methods_that_are_not_there_are_refused() {
    let cloud = cloud();
    let log_in = |identity: Json| {
        cloud.api.post("", "/identity/v3/auth/tokens", &json!({"auth": {"identity": identity}}))
    };
    let refused = log_in(json!({"methods": ["telepathy"], "telepathy": {}}));
    assert_eq!(refused.status, 401);
    assert_eq!(refused.body["error"]["message"], "Attempted to authenticate with an unsupported method.");
    assert_eq!(log_in(json!({"methods": []})).status, 401);
    assert_eq!(log_in(json!({"methods": "password"})).status, 400);
    assert_eq!(log_in(json!({"methods": ["password"]})).status, 400);
    assert_eq!(log_in(json!({"methods": ["token"], "token": {"id": 1}})).status, 400);
    assert_eq!(log_in(json!({"methods": ["token"], "token": {"id": "nonsense"}})).status, 404);
}

#[test]
fn all_that_is_shown_speaks_for_one_user() {
    let cloud = cloud();
    let token = cloud.token(ADMIN);
    let both = |user: &str| {
        let password = json!({"user": {"name": user, "domain": {"id": "default"}, "password": format!("{user}-secret")}});
        let identity =
            json!({"methods": ["password", "token"], "password": password, "token": {"id": token}});
        cloud.api.post("", "/identity/v3/auth/tokens", &json!({"auth": {"identity": identity}}))
    };
    assert_eq!(both(ADMIN).status, 201);
    assert_eq!(both(DEMO).status, 401);
}

#[test]
fn a_system_token_stays_one() {
    let cloud = cloud();
    let system = cloud.login(ADMIN, "admin-secret", json!({"system": {"all": true}}));
    let token = system.header("x-subject-token").unwrap();
    let with = |scope: Json| {
        let identity = json!({"methods": ["token"], "token": {"id": token}});
        cloud.api.post(
            "",
            "/identity/v3/auth/tokens",
            &json!({"auth": {"identity": identity, "scope": scope}}),
        )
    };
    assert_eq!(with(in_project(ADMIN)).status, 403);
    assert_eq!(with(json!({"domain": {"id": "default"}})).status, 403);
    assert_eq!(with(json!({"system": {"all": true}})).status, 201);
}

#[test]
fn an_expired_token_can_be_looked_at_for_a_while() {
    let simulation = runtime::simulate(5, Timestamp::from_seconds(1_000_000));
    let cloud = cloud();
    let demo = cloud.token(DEMO);
    let look = |query: &str| {
        let headers = [("x-subject-token", demo.as_str())];
        let path = format!("/identity/v3/auth/tokens{query}");
        cloud.api.call(&cloud.token(ADMIN), "GET", &path, &headers, &Json::Null).status
    };
    simulation.advance(Duration::from_secs(3600));
    assert_eq!(look(""), 404);
    assert_eq!(look("?allow_expired=1"), 200);
    assert_eq!(cloud.get(&demo, "auth/projects").status, 401, "it opens nothing");
    assert_eq!(look(""), 404, "it was not remembered");
    simulation.advance(Duration::from_secs(2 * 86_400));
    assert_eq!(look("?allow_expired=1"), 404);
}

#[test]
fn rules_of_methods() {
    let words = |text: &str| text.split(' ').filter(|w| !w.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let check = |methods: &str, rules: &[&str], expected: bool| {
        let rules: Vec<_> = rules.iter().map(|rule| words(rule)).collect();
        assert_eq!(suffice(&words(methods), &rules), expected, "{methods} {rules:?}");
    };
    check("password", &[], true);
    check("password", &["password totp"], false);
    check("password totp", &["password totp"], true);
    check("password token totp", &["password totp"], true);
    check("application_credential", &["password totp", "application_credential"], true);
    check("password", &["password telepathy"], true);
    check("password", &["telepathy"], true);
    check("password", &["telepathy", "totp"], false);
}

/// A user who has to show a password and a passcode, whose secret is RFC 6238's.
fn careful_user(cloud: &Cloud) -> String {
    let rules = json!({"multi_factor_auth_enabled": true, "multi_factor_auth_rules": [["password", "totp"]]});
    let user = json!({"name": "careful", "password": "careful-secret", "options": rules});
    let id = cloud.make("users", "user", user)["id"].as_str().unwrap().to_owned();
    let blob = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    cloud.make("credentials", "credential", json!({"type": "totp", "blob": blob, "user_id": id}));
    id
}

fn show(cloud: &Cloud, id: &str, password: Option<&str>, passcode: Option<&str>, receipt: &str) -> Answer {
    let mut identity = json!({"methods": []});
    if let Some(password) = password {
        identity["methods"].as_array_mut().unwrap().push(json!("password"));
        identity["password"] = json!({"user": {"id": id, "password": password}});
    }
    if let Some(passcode) = passcode {
        identity["methods"].as_array_mut().unwrap().push(json!("totp"));
        identity["totp"] = json!({"user": {"id": id, "passcode": passcode}});
    }
    let headers: &[(&str, &str)] =
        if receipt.is_empty() { &[] } else { &[("openstack-auth-receipt", receipt)] };
    let body = json!({"auth": {"identity": identity}});
    cloud.api.call("", "POST", "/identity/v3/auth/tokens", headers, &body)
}

#[test]
fn what_takes_two_methods_can_be_shown_one_after_the_other() {
    let simulation = runtime::simulate(6, Timestamp::from_seconds(1_111_111_109));
    let cloud = cloud();
    let id = careful_user(&cloud);
    let half = show(&cloud, &id, Some("careful-secret"), None, "");
    assert_eq!(half.status, 401);
    assert_eq!(half.body["required_auth_methods"], json!([["password", "totp"]]));
    assert_eq!(half.body["receipt"]["methods"], json!(["password"]));
    let receipt = half.header("openstack-auth-receipt").unwrap();
    assert_eq!(cloud.get(receipt, "auth/projects").status, 401, "a receipt is no token");
    assert_eq!(show(&cloud, &id, None, Some("081805"), receipt).status, 401);
    let whole = show(&cloud, &id, None, Some("081804"), receipt);
    assert_eq!(whole.status, 201, "{}", whole.body);
    assert_eq!(whole.body["token"]["methods"], json!(["totp", "password"]));
    let token = whole.header("x-subject-token").unwrap().to_owned();
    assert_eq!(show(&cloud, &id, None, Some("081804"), receipt).status, 401, "a passcode counts once");
    let again = json!({"auth": {"identity": {"methods": ["token"], "token": {"id": token}}}});
    assert_eq!(cloud.api.post("", "/identity/v3/auth/tokens", &again).status, 201);

    simulation.advance(Duration::from_secs(2));
    let both = show(&cloud, &id, Some("careful-secret"), Some("050471"), "");
    assert_eq!(both.status, 201, "{}", both.body);
    simulation.advance(Duration::from_secs(300));
    let late = show(&cloud, &id, None, None, receipt);
    assert_eq!(late.status, 401);
    assert!(late.body["error"].is_object(), "the receipt is past its time: {}", late.body);
}

#[test]
fn a_receipt_is_good_for_its_own_user() {
    let cloud = cloud();
    let id = careful_user(&cloud);
    let half = show(&cloud, &id, Some("careful-secret"), None, "");
    let receipt = half.header("openstack-auth-receipt").unwrap();
    let demo = cloud.token(DEMO);
    let demo = cloud.validate(&demo, &demo).body["token"]["user"]["id"].as_str().unwrap().to_owned();
    assert_eq!(show(&cloud, &demo, Some("demo-secret"), None, receipt).status, 401);
    assert_eq!(show(&cloud, &demo, Some("demo-secret"), None, "").status, 201);
    assert_eq!(show(&cloud, &demo, Some("demo-secret"), None, "nonsense").status, 401);
    assert_eq!(show(&cloud, &demo, None, Some("000000"), "").status, 401);
}
