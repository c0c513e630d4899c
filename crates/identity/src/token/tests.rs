//! Logging in, and what makes a token worth nothing.

use std::time::Duration;

use rest::Authenticate;
use serde_json::{Value as Json, json};
use types::{ProjectId, Timestamp, UserId};

use super::codec::{decode, encode};
use super::keys::{Keys, ensure, rotate};
use super::model::{ClaimedScope, Claims, Federated};
use super::ops::{Tokens, open};
use crate::Config;
use crate::tests::{ADMIN, Cloud, DEMO, cloud, in_project, login};

fn roles(token: &Json) -> Vec<&str> {
    token["token"]["roles"].as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect()
}

#[test]
fn a_password_gives_a_token_for_a_project() {
    let cloud = cloud();
    let answer = cloud.login(DEMO, "demo-secret", in_project(DEMO));
    assert_eq!(answer.status, 201);
    let token = &answer.body["token"];
    assert_eq!(token["user"]["name"], "demo");
    assert_eq!(token["user"]["domain"], json!({"id": "default", "name": "Default"}));
    assert_eq!(token["project"]["name"], "demo");
    assert_eq!(token["methods"], json!(["password"]));
    assert_eq!(roles(&answer.body), ["member", "reader"]);
    let catalog = token["catalog"].as_array().unwrap();
    let url = |kind: &str| {
        let entry = catalog.iter().find(|entry| entry["type"] == kind).unwrap();
        entry["endpoints"][0]["url"].as_str().unwrap().to_owned()
    };
    assert_eq!(url("compute"), "http://cloud.test/compute/v2.1");
    let project = token["project"]["id"].as_str().unwrap();
    assert_eq!(url("volumev3"), format!("http://cloud.test/volume/v3/{project}"));
}

#[test]
fn scopes() {
    let cloud = cloud();
    let check = |user: &str, scope: Json, status: u16, part: &str| {
        let answer = cloud.login(user, &format!("{user}-secret"), scope.clone());
        assert_eq!(answer.status, status, "{scope}: {}", answer.body);
        assert!(part.is_empty() || answer.body["token"].get(part).is_some(), "{scope}: {}", answer.body);
        let others = ["project", "domain", "system"].into_iter().filter(|other| *other != part);
        assert!(others.into_iter().all(|other| answer.body["token"].get(other).is_none()));
    };
    check(DEMO, Json::Null, 201, "project");
    check(DEMO, json!("unscoped"), 201, "");
    check(DEMO, json!({"unscoped": {}}), 201, "");
    check(ADMIN, json!({"domain": {"id": "default"}}), 201, "domain");
    check(ADMIN, json!({"domain": {"name": "Default"}}), 201, "domain");
    check(ADMIN, json!({"system": {"all": true}}), 201, "system");
    check(DEMO, json!({"domain": {"id": "default"}}), 401, "");
    check(DEMO, json!({"system": {"all": true}}), 401, "");
    check(DEMO, in_project("admin"), 401, "");
    check(DEMO, json!({"project": {"id": "nothing"}}), 401, "");
    check(DEMO, json!({"project": {"name": "demo"}}), 400, "");
    check(DEMO, json!({"system": {"all": false}}), 400, "");
    check(DEMO, json!({"galaxy": {}}), 400, "");
    check(DEMO, json!({"system": {"all": true}, "domain": {"id": "default"}}), 400, "");
    check(DEMO, json!(7), 400, "");
}

#[test]
fn bad_logins() {
    let cloud = cloud();
    assert_eq!(cloud.login(DEMO, "wrong", Json::Null).status, 401);
    assert_eq!(cloud.login("nobody", "demo-secret", Json::Null).status, 401);
    let check = |body: &Json, status: u16| {
        let answer = cloud.api.post("", "/identity/v3/auth/tokens", body);
        assert_eq!(answer.status, status, "{body}");
        assert_eq!(answer.body["error"]["code"], status, "{body}");
    };
    check(&json!({}), 400);
    check(&json!([]), 400);
    check(&json!({"auth": {"identity": {"methods": ["password"]}}}), 400);
    check(&json!({"auth": {"identity": {"methods": ["password"], "password": {"user": 1}}}}), 400);
    check(&json!({"auth": {"identity": {"methods": ["magic"]}}}), 401);
    check(&json!({"auth": {"identity": {"methods": []}}}), 401);
    check(&login(DEMO, &"x".repeat(5000), Json::Null), 400);
    check(&json!({"auth": {"identity": {"methods": ["token"], "token": {"id": "junk"}}}}), 404);
    let answer = cloud.api.send("", "POST", "/identity/v3/auth/tokens", &[], b"{not json".to_vec());
    assert_eq!(answer.status, 400);
}

#[test]
fn a_token_gives_another_that_expires_no_later() {
    let cloud = cloud();
    let first = cloud.login(ADMIN, "admin-secret", json!("unscoped"));
    let token = first.header("x-subject-token").unwrap();
    let body = json!({"auth": {
        "identity": {"methods": ["token"], "token": {"id": token}}, "scope": in_project("admin"),
    }});
    let second = cloud.api.post("", "/identity/v3/auth/tokens", &body);
    assert_eq!(second.status, 201);
    let (first, second) = (&first.body["token"], &second.body["token"]);
    assert_eq!(second["methods"], json!(["token", "password"]));
    assert_eq!(second["expires_at"], first["expires_at"]);
    assert_eq!(second["audit_ids"][1], first["audit_ids"][0]);
}

#[test]
fn validation() {
    let cloud = cloud();
    let (admin, demo) = (cloud.token(ADMIN), cloud.token(DEMO));
    let answer = cloud.validate(&admin, &demo);
    assert_eq!((answer.status, answer.header("x-subject-token")), (200, Some(demo.as_str())));
    assert_eq!(answer.body["token"]["user"]["name"], "demo");
    assert!(answer.body["token"]["catalog"].is_array());
    assert_eq!(cloud.validate(&demo, &demo).status, 200);
    assert_eq!(cloud.validate(&demo, &admin).status, 403);
    assert_eq!(cloud.validate(&admin, "junk").status, 404);
    assert_eq!(cloud.validate("junk", &admin).status, 401);
    assert_eq!(cloud.validate("", &admin).status, 401);
    assert_eq!(cloud.get(&admin, "auth/tokens").status, 404);
    let headers = [("x-subject-token", demo.as_str())];
    let path = "/identity/v3/auth/tokens";
    assert_eq!(cloud.api.call(&demo, "HEAD", path, &headers, &Json::Null).status, 200);
    let bare = cloud.api.call(&demo, "GET", &format!("{path}?nocatalog"), &headers, &Json::Null);
    assert!(bare.body["token"].get("catalog").is_none());
}

#[test]
fn a_revoked_token_is_gone_at_once_from_the_cache_too() {
    let cloud = cloud();
    let (admin, demo, other) = (cloud.token(ADMIN), cloud.token(DEMO), cloud.token(DEMO));
    assert_eq!(cloud.get(&demo, "auth/projects").status, 200);
    assert!(cloud.tokens.cached(&demo).is_some());
    let headers = [("x-subject-token", demo.as_str())];
    let path = "/identity/v3/auth/tokens";
    assert_eq!(cloud.api.call(&admin, "DELETE", path, &headers, &Json::Null).status, 204);
    assert!(cloud.tokens.cached(&demo).is_none());
    assert_eq!(cloud.get(&demo, "auth/projects").status, 401);
    assert_eq!(cloud.validate(&admin, &demo).status, 404);
    assert_eq!(cloud.get(&other, "auth/projects").status, 200);
    let headers = [("x-subject-token", admin.as_str())];
    assert_eq!(cloud.api.call(&other, "DELETE", path, &headers, &Json::Null).status, 403);
}

#[test]
fn where_one_could_log_in_to() {
    let cloud = cloud();
    let unscoped = cloud.login(ADMIN, "admin-secret", json!("unscoped"));
    let token = unscoped.header("x-subject-token").unwrap();
    let projects = cloud.get(token, "auth/projects").body;
    assert_eq!(projects["projects"].as_array().unwrap().len(), 1);
    assert_eq!(projects["projects"][0]["name"], "admin");
    assert_eq!(cloud.get(token, "auth/domains").body["domains"][0]["id"], "default");
    assert_eq!(cloud.get(token, "auth/system").body["system"], json!([{"all": true}]));
    assert_eq!(cloud.get(token, "auth/catalog").status, 403);
    let demo = cloud.token(DEMO);
    assert_eq!(cloud.get(&demo, "auth/system").body["system"], json!([]));
    assert_eq!(cloud.get(&demo, "auth/domains").body["domains"], json!([]));
    assert_eq!(cloud.get(&demo, "auth/catalog").body["catalog"].as_array().unwrap().len(), 7);
}

fn claims(now: Timestamp) -> Claims {
    Claims {
        user_id: UserId::from("u1"),
        methods: vec!["password".to_owned()],
        scope: ClaimedScope::Project(ProjectId::from("p1")),
        issued_at: now,
        expires_at: now.plus(Duration::from_secs(60)),
        audit_ids: vec!["a1".to_owned()],
        trust_id: None,
        application_credential_id: None,
        access_token_id: None,
        federated: None,
    }
}

fn sealed_by(keys: &Keys, claims: &Claims) -> String {
    keys.seal(&encode(claims), claims.issued_at).unwrap()
}

fn opened_by(keys: &Keys, sealed: &str, now: Timestamp) -> Option<Claims> {
    open(keys, sealed, now, Duration::ZERO)
}

#[test]
fn claims_survive_packing() {
    let scopes = [ClaimedScope::Unscoped, ClaimedScope::System, ClaimedScope::Domain("d".into())];
    for scope in scopes {
        let federated =
            Federated { idp_id: "i".into(), protocol_id: "p".into(), group_ids: vec!["g".into()] };
        let claims = Claims {
            scope,
            trust_id: Some("t".into()),
            application_credential_id: Some("a".into()),
            federated: Some(federated),
            ..claims(Timestamp(1_234_567))
        };
        assert_eq!(decode(&encode(&claims)), Some(claims));
    }
    assert_eq!(decode(b"[1,\"u\"]"), None);
    assert_eq!(decode(b""), None);
}

#[test]
fn only_whole_present_tokens_of_our_keys_open() {
    let Cloud { api, .. } = cloud();
    let now = runtime::now();
    let foreign = cloud().api.store.read_blocking(Keys::load).unwrap();
    let (keys, mut sealed) = (api.store.read_blocking(Keys::load).unwrap(), String::new());
    for _ in 0..2 {
        sealed = sealed_by(&keys, &claims(now));
    }
    let minute = Duration::from_secs(60);
    assert_eq!(opened_by(&keys, &sealed, now), Some(claims(now)));
    assert_eq!(opened_by(&keys, &sealed, now.plus(minute)), None, "expired");
    assert_eq!(opened_by(&keys, &sealed, now.minus(2 * minute)), None, "not yet");
    assert_eq!(opened_by(&foreign, &sealed, now), None, "another cloud's");
    for at in [0, 5, 40, sealed.len() - 1] {
        let mut tampered = sealed.clone().into_bytes();
        tampered[at] = if tampered[at] == b'A' { b'Q' } else { b'A' };
        assert_eq!(opened_by(&keys, &String::from_utf8(tampered).unwrap(), now), None, "changed at {at}");
    }
    for junk in ["", "gAAAA", "ü", "=", &"A".repeat(10_000)] {
        assert_eq!(opened_by(&keys, junk, now), None);
    }
}

#[test]
fn a_rotated_key_reads_until_its_tokens_have_expired() {
    let simulation = runtime::simulate(1, Timestamp::from_seconds(1_000_000));
    let Cloud { api, .. } = cloud();
    let ttl = Duration::from_secs(3600);
    let now = runtime::now();
    let long = Claims { expires_at: now.plus(100 * ttl), ..claims(now) };
    let sealed = sealed_by(&api.store.read_blocking(Keys::load).unwrap(), &long);
    let opens =
        || opened_by(&api.store.read_blocking(Keys::load).unwrap(), &sealed, runtime::now()).is_some();
    let turn = || api.store.write_blocking(move |tx| rotate(tx, ttl)).unwrap();
    turn();
    api.store.write_blocking(ensure).unwrap();
    assert!(opens());
    simulation.advance(ttl);
    turn();
    assert!(opens(), "its last token expires just now");
    simulation.advance(ttl);
    turn();
    assert!(!opens());
}

#[test]
fn an_expired_token_is_refused_though_it_is_cached() {
    let simulation = runtime::simulate(2, Timestamp::from_seconds(1_000_000));
    let cloud = cloud();
    let demo = cloud.token(DEMO);
    assert_eq!(cloud.get(&demo, "auth/projects").status, 200);
    simulation.advance(Duration::from_secs(3599));
    assert_eq!(cloud.get(&demo, "auth/projects").status, 200);
    assert!(cloud.tokens.cached(&demo).is_some());
    simulation.advance(Duration::from_secs(1));
    assert!(cloud.tokens.cached(&demo).is_none());
    assert_eq!(cloud.get(&demo, "auth/projects").status, 401);
}

#[test]
fn a_replica_does_not_believe_what_another_revoked() {
    let one = cloud();
    let tokens =
        Tokens::new(&one.api.store.of_next_process(), Config { bcrypt_cost: 4, ..Config::default() });
    let demo = one.token(DEMO);
    let there = |token: &str| {
        let (tokens, token) = (tokens.clone(), token.to_owned());
        one.api.store.read_blocking(move |tx| tokens.check(tx, &token))
    };
    let first = there(&demo).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &there(&demo).unwrap()), "the second time from the cache");
    assert!(tokens.cached(&demo).is_none(), "never without asking");
    let headers = [("x-subject-token", demo.as_str())];
    assert_eq!(one.api.call(&demo, "DELETE", "/identity/v3/auth/tokens", &headers, &Json::Null).status, 204);
    assert!(there(&demo).is_err());
}
