//! A real Keystone's tables, taken over.

use serde_json::{Value as Json, json};
use store::{Config, Store, Tx};

use super::model::{Imported, Snapshot};
use super::ops::{import, snapshot};
use crate::Error;
use crate::tests::{ADMIN, Cloud, cloud};

const PASSWORD: &str = "Gruß & Kuß";

fn theirs(more: &str) -> Snapshot {
    let store = Store::open(&Config::Memory).unwrap();
    let sql = format!("{}{more}", include_str!("keystone.sql"));
    let fill = move |tx: &mut Tx<'_>| -> Result<Snapshot, Error> {
        for statement in sql.lines().filter(|line| !line.starts_with("--")) {
            tx.execute(statement.trim_end_matches(';'), &[])?;
        }
        snapshot(tx)
    };
    store.write_blocking(fill).unwrap()
}

fn take_over(cloud: &Cloud, snapshot: Snapshot, merge: bool) -> Result<Imported, Error> {
    cloud.api.store.write_blocking(move |tx| import(tx, snapshot.clone(), merge))
}

fn log_in(cloud: &Cloud, user: &str, password: &str, project: Option<&str>) -> testkit::Answer {
    let user = json!({"name": user, "domain": {"name": "sea"}, "password": password});
    let mut auth = json!({"identity": {"methods": ["password"], "password": {"user": user}}});
    if let Some(project) = project {
        auth["scope"] = json!({"project": {"name": project, "domain": {"name": "sea"}}});
    }
    cloud.api.post("", "/identity/v3/auth/tokens", &json!({"auth": auth}))
}

#[test]
fn users_of_a_keystone_log_in_with_the_passwords_they_had() {
    let cloud = cloud();
    let done = take_over(&cloud, theirs(""), false).unwrap();
    let made = |kind: &str| done.made[kind];
    assert_eq!((made("domain"), made("project"), made("role"), made("group")), (1, 2, 1, 1));
    assert_eq!((made("user"), made("assignment"), done.left_out), (3, 3, 1));
    let nemo = log_in(&cloud, "nemo", PASSWORD, Some("reef"));
    assert_eq!(nemo.status, 201, "bcrypt: {nemo:?}");
    let roles = nemo.body["token"]["roles"].as_array().unwrap();
    assert!(roles.iter().any(|role| role["name"] == "member"));
    assert_eq!(nemo.body["token"]["user"]["id"], "b1".repeat(16));
    let dory = log_in(&cloud, "dory", PASSWORD, Some("lagoon"));
    assert_eq!(dory.status, 201, "scrypt, by a group's inherited role: {dory:?}");
    assert_eq!(dory.body["token"]["roles"][0]["name"], "diver");
    assert_eq!(log_in(&cloud, "dory", "wrong", None).status, 401);
    assert_eq!(log_in(&cloud, "marlin", PASSWORD, None).status, 401);
    let admin = cloud.token(ADMIN);
    let shown = cloud.get(&admin, &format!("users/{}", "b1".repeat(16))).body["user"].clone();
    assert_eq!(
        (&shown["email"], &shown["default_project_id"]),
        (&json!("nemo@reef.test"), &json!("a1".repeat(16)))
    );
    assert_eq!(
        shown["options"],
        json!({"lock_password": true, "multi_factor_auth_rules": [["password"], ["totp"]]})
    );
    let reef = cloud.get(&admin, &format!("projects/{}", "a1".repeat(16))).body["project"].clone();
    assert_eq!((&reef["colour"], &reef["parent_id"]), (&json!("blue"), &json!("d1".repeat(16))));
    let lagoon = cloud.get(&admin, &format!("projects/{}", "a2".repeat(16))).body["project"].clone();
    assert_eq!((&lagoon["enabled"], &lagoon["parent_id"]), (&json!(true), &json!("a1".repeat(16))));
    let again = take_over(&cloud, theirs(""), false).unwrap();
    assert!(again.made.values().all(|count| *count == 0), "{again}");
    assert_eq!(again.to_string(), "nothing new; 1 users of LDAP or federation were left out");
}

#[test]
fn a_clash_of_names_is_told_and_changes_nothing() {
    let cloud = cloud();
    let clash = "INSERT INTO \"project\" VALUES ('a9', 'demo', '{}', '', 1, 'default', 'default', 0);\n\
                 INSERT INTO \"user\" VALUES ('b9', '{}', 1, NULL, NULL, NULL, 'default');\n\
                 INSERT INTO \"local_user\" VALUES (9, 'b9', 'default', 'demo', 0, NULL);\n\
                 INSERT INTO \"assignment\" VALUES ('UserProject', 'b9', 'a9', 'e3e3e3e3e3e3e3e3e3e3e3e3e3e3e3e3', 0);\n";
    let refused = take_over(&cloud, theirs(clash), false).unwrap_err();
    assert_eq!(refused.to_string(), "the same names are here already: project demo, user demo");
    assert_eq!(log_in(&cloud, "nemo", PASSWORD, None).status, 401);
    let admin = cloud.token(ADMIN);
    assert_eq!(cloud.get(&admin, "domains?name=sea").body["domains"], Json::Array(Vec::new()));
    take_over(&cloud, theirs(clash), true).unwrap();
    assert_eq!(log_in(&cloud, "nemo", PASSWORD, None).status, 201);
    let demo = cloud.token("demo");
    let roles = cloud.validate(&demo, &demo).body["token"]["roles"].clone();
    assert!(roles.as_array().unwrap().iter().any(|role| role["name"] == "diver"), "ours has theirs: {roles}");
    assert_eq!(cloud.get(&admin, "users/b9").status, 404);
}
