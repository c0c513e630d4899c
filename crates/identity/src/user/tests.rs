//! Users and groups through the API.

use serde_json::{Value as Json, json};

use crate::tests::{ADMIN, Cloud, DEMO, cloud, in_project};

fn id_of(cloud: &Cloud, name: &str) -> String {
    let listed = cloud.get(&cloud.token(ADMIN), &format!("users?name={name}")).body;
    listed["users"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn life_of_a_user() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let name = "ü".repeat(255);
    let made = cloud.make("users", "user", json!({"name": name, "password": "first", "email": "u@x"}));
    assert_eq!(made["email"], "u@x");
    assert!(made.get("password").is_none());
    let path = format!("users/{}", made["id"].as_str().unwrap());
    assert_eq!(cloud.get(&admin, &path).body["user"], made);
    assert_eq!(cloud.login(&name, "first", Json::Null).status, 201);
    let body = json!({"user": {"name": "v", "password": "second", "default_project_id": "p"}});
    let changed = cloud.call(&admin, "PATCH", &path, &body);
    assert_eq!((changed.status, &changed.body["user"]["default_project_id"]), (200, &json!("p")));
    assert_eq!(cloud.login("v", "first", Json::Null).status, 401);
    assert_eq!(cloud.login("v", "second", Json::Null).status, 201);
    assert_eq!(cloud.call(&admin, "PATCH", &path, &json!({"user": {"password": null}})).status, 200);
    assert_eq!(cloud.login("v", "second", Json::Null).status, 401);
    assert_eq!(cloud.call(&admin, "DELETE", &path, &Json::Null).status, 204);
    assert_eq!(cloud.get(&admin, &path).status, 404);
}

#[test]
fn bad_users() {
    let cloud = cloud();
    let (admin, demo) = (cloud.token(ADMIN), cloud.token(DEMO));
    let check = |token: &str, body: Json, status: u16| {
        let answer = cloud.call(token, "POST", "users", &json!({"user": body}));
        assert_eq!(answer.status, status, "{}", answer.body);
    };
    check(&admin, json!({"name": "demo", "password": "x"}), 409);
    check(&admin, json!({"name": "x".repeat(256)}), 400);
    check(&admin, json!({"name": "u", "password": 7}), 400);
    check(&admin, json!({"name": "u", "password": "x".repeat(4097)}), 400);
    check(&admin, json!({"name": "u", "domain_id": "nowhere"}), 404);
    check(&demo, json!({"name": "u", "password": "x"}), 403);
    let (own, other) = (id_of(&cloud, DEMO), id_of(&cloud, ADMIN));
    assert_eq!(cloud.get(&demo, &format!("users/{own}")).status, 200);
    assert_eq!(cloud.get(&demo, &format!("users/{other}")).status, 403);
    assert_eq!(cloud.get(&demo, &format!("users/{own}/projects")).status, 200);
    assert_eq!(cloud.get(&demo, &format!("users/{other}/projects")).status, 403);
    let body = json!({"user": {"name": "root", "password": "x"}});
    assert_eq!(cloud.call(&demo, "PATCH", &format!("users/{own}"), &body).status, 403);
    assert_eq!(cloud.get(&admin, "users/nothing/projects").status, 404);
}

#[test]
fn a_changed_password_ends_all_tokens() {
    let cloud = cloud();
    let token = cloud.token(DEMO);
    let path = format!("users/{}/password", id_of(&cloud, DEMO));
    let change = |original: &str, new: &str| {
        let body = json!({"user": {"original_password": original, "password": new}});
        cloud.call("", "POST", &path, &body).status
    };
    assert_eq!(change("wrong", "new-secret"), 401);
    assert_eq!(cloud.get(&token, "auth/projects").status, 200);
    assert_eq!(change("demo-secret", "new-secret"), 204);
    assert_eq!(cloud.get(&token, "auth/projects").status, 401);
    assert_eq!(cloud.login(DEMO, "demo-secret", Json::Null).status, 401);
    assert_eq!(cloud.login(DEMO, "new-secret", Json::Null).status, 201);
    assert_eq!(cloud.call("", "POST", &path, &json!({"user": {"password": "x"}})).status, 400);
    let nobody = json!({"user": {"original_password": "a", "password": "b"}});
    assert_eq!(cloud.call("", "POST", "users/nobody/password", &nobody).status, 401);
}

#[test]
fn a_disabled_user_s_tokens_stay_worthless() {
    let cloud = cloud();
    let (admin, token) = (cloud.token(ADMIN), cloud.token(DEMO));
    let path = format!("users/{}", id_of(&cloud, DEMO));
    for enabled in [false, true] {
        let body = json!({"user": {"enabled": enabled}});
        assert_eq!(cloud.call(&admin, "PATCH", &path, &body).status, 200);
        assert_eq!(cloud.get(&token, "auth/projects").status, 401);
        assert_eq!(cloud.login(DEMO, "demo-secret", Json::Null).status, if enabled { 201 } else { 401 });
    }
}

#[test]
fn of_a_long_password_the_first_72_bytes_count_as_upstream() {
    let cloud = cloud();
    let long = "x".repeat(71);
    cloud.make("users", "user", json!({"name": "u", "password": format!("{long}yz")}));
    assert_eq!(cloud.login("u", &long, Json::Null).status, 401);
    assert_eq!(cloud.login("u", &format!("{long}yy"), Json::Null).status, 201);
}

#[test]
fn a_group_s_roles_are_its_users_roles() {
    let cloud = cloud();
    let admin = cloud.token(ADMIN);
    let group = cloud.make("groups", "group", json!({"name": "g", "description": "x"}));
    let group = group["id"].as_str().unwrap();
    let user = id_of(&cloud, DEMO);
    let project = cloud.make("projects", "project", json!({"name": "p"}));
    let listed = cloud.get(&admin, "roles?name=manager").body;
    let role = listed["roles"][0]["id"].as_str().unwrap();
    let grant = format!("projects/{}/groups/{group}/roles/{role}", project["id"].as_str().unwrap());
    assert_eq!(cloud.call(&admin, "PUT", &grant, &Json::Null).status, 204);
    let member = format!("groups/{group}/users/{user}");
    assert_eq!(cloud.get(&admin, &member).status, 404);
    assert_eq!(cloud.login(DEMO, "demo-secret", in_project("p")).status, 401);
    for _ in 0..2 {
        assert_eq!(cloud.call(&admin, "PUT", &member, &Json::Null).status, 204);
    }
    assert_eq!(cloud.get(&admin, &member).status, 204);
    assert_eq!(cloud.get(&admin, &format!("groups/{group}/users")).body["users"][0]["name"], "demo");
    assert_eq!(cloud.get(&admin, &format!("users/{user}/groups")).body["groups"][0]["name"], "g");
    let answer = cloud.login(DEMO, "demo-secret", in_project("p"));
    let roles = answer.body["token"]["roles"].as_array().unwrap();
    let names: Vec<&str> = roles.iter().map(|role| role["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["manager", "member", "reader"]);
    let token = answer.header("x-subject-token").unwrap();
    assert_eq!(cloud.get(token, "auth/projects").body["projects"].as_array().unwrap().len(), 2);
    assert_eq!(cloud.call(&admin, "DELETE", &member, &Json::Null).status, 204);
    assert_eq!(cloud.get(token, "auth/projects").status, 401);
    assert_eq!(cloud.call(&admin, "DELETE", &member, &Json::Null).status, 404);
    let renamed = cloud.call(&admin, "PATCH", &format!("groups/{group}"), &json!({"group": {"name": "h"}}));
    assert_eq!(renamed.body["group"]["name"], "h");
    let clash = cloud.call(&admin, "POST", "groups", &json!({"group": {"name": "h"}}));
    assert_eq!(clash.status, 409);
    assert_eq!(cloud.call(&admin, "DELETE", &format!("groups/{group}"), &Json::Null).status, 204);
    assert_eq!(cloud.get(&admin, &format!("groups/{group}")).status, 404);
}

#[test]
fn golden() {
    crate::tests::check_golden("user/golden/life.http");
}

#[test]
fn passwords_of_the_first_version_still_log_in() {
    use base64::Engine;
    use sha2::Digest;
    let cloud = cloud();
    let digest = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(b"demo-secret"));
    let old = bcrypt::hash(digest, 4).unwrap();
    let by_name = store::Select::all().eq("name_hash", crate::ids::key_of(&["demo"]));
    cloud
        .api
        .store
        .write_blocking(move |tx| {
            let mut user = super::store::USERS.first(tx, &by_name)?.unwrap();
            user.password = Some(old.clone());
            user.login = super::model::LoginRecord::default();
            super::store::USERS.save(tx, &mut user)
        })
        .unwrap();
    assert_eq!(cloud.login(DEMO, "demo-secret", Json::Null).status, 401);
    for _ in 0..2 {
        cloud.api.store.write_blocking(super::ops::respell_hashes).unwrap();
        assert_eq!(cloud.login(DEMO, "demo-secret", Json::Null).status, 201);
    }
    assert_eq!(cloud.login(DEMO, "wrong", Json::Null).status, 401);
    assert_eq!(cloud.login(ADMIN, "admin-secret", Json::Null).status, 201);
}
