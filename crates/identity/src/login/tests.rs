//! Ways to log in, and not to.

use std::time::Duration;

use serde_json::{Value as Json, json};
use types::Timestamp;

use crate::tests::{ADMIN, DEMO, cloud, in_project};

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
