//! Credentials as clients meet them, and their keys.

use serde_json::{Value as Json, json};

use super::keys::CredentialKeys;
use super::ops::reseal;
use super::store::CREDENTIALS;
use crate::Error;
use crate::tests::{ADMIN, DEMO, cloud};

#[test]
fn the_database_alone_tells_no_secret() {
    let cloud = cloud();
    let body = json!({"type": "cert", "blob": "a-secret", "user_id": "u"});
    let made = cloud.make("credentials", "credential", body);
    let id = made["id"].as_str().unwrap().to_owned();
    let store = &cloud.api.store;
    let sealed = |id: String| {
        let load = move |tx: &mut store::Tx<'_>| CREDENTIALS.load(tx, id.as_str());
        store.read_blocking(load).unwrap().unwrap().sealed.clone()
    };
    let first = sealed(id.clone());
    assert!(!first.contains("a-secret"));
    let (old, new) = (cloud.tokens.config.credential_keys.clone(), CredentialKeys::default());
    let with_foreign = new.clone();
    let refused = store.write_blocking(move |tx| reseal(tx, &with_foreign));
    assert!(matches!(refused, Err(Error::Internal(_))), "{refused:?}");
    assert_eq!(sealed(id.clone()), first);
    let key = CredentialKeys::fresh_key();
    let rotated = CredentialKeys::parse(&format!("{key}\n\n{}\n", CredentialKeys::fresh_key())).unwrap();
    let again = rotated.seal(&old.open(&first).unwrap()).unwrap();
    assert_eq!(
        CredentialKeys::parse(&key).unwrap().open(&again).unwrap(),
        "a-secret",
        "the first key writes"
    );
    let unchanged = old.clone();
    store.write_blocking(move |tx| reseal(tx, &unchanged)).unwrap();
    assert_eq!(sealed(id), first, "what the key in use wrote stays");
    assert!(CredentialKeys::parse("").is_err());
    assert!(CredentialKeys::parse("too short").unwrap_err().contains("line 1"));
}

#[test]
fn life_of_a_credential() {
    let cloud = cloud();
    let (admin, demo) = (cloud.token(ADMIN), cloud.token(DEMO));
    let project = cloud.get(&demo, "auth/projects").body["projects"][0]["id"].clone();
    let own = cloud.validate(&demo, &demo).body["token"]["user"]["id"].clone();
    let body = json!({"credential": {
        "type": "ec2", "project_id": project, "user_id": own, "blob": "{\"access\": \"a\", \"secret\": \"s\"}",
    }});
    let made = cloud.call(&demo, "POST", "credentials", &body);
    assert_eq!(made.status, 201, "{}", made.body);
    let path = format!("credentials/{}", made.body["credential"]["id"].as_str().unwrap());
    assert_eq!(cloud.call(&demo, "POST", "credentials", &body).status, 409);
    assert_eq!(cloud.get(&demo, "credentials?type=ec2").body["credentials"].as_array().unwrap().len(), 1);
    let others =
        cloud.make("credentials", "credential", json!({"type": "cert", "blob": "x", "user_id": "u"}));
    let foreign = format!("credentials/{}", others["id"].as_str().unwrap());
    assert_eq!(cloud.get(&demo, "credentials").body["credentials"].as_array().unwrap().len(), 1);
    assert_eq!(cloud.get(&admin, "credentials").body["credentials"].as_array().unwrap().len(), 2);
    assert_eq!(cloud.get(&demo, &foreign).status, 403);
    let change = |body: Json| cloud.call(&demo, "PATCH", &path, &json!({"credential": body}));
    let blob = "{\"access\": \"a\", \"secret\": \"t\"}";
    let changed = change(json!({"blob": blob}));
    assert_eq!((changed.status, &changed.body["credential"]["blob"]), (200, &json!(blob)));
    assert_eq!(change(json!({"blob": "new"})).status, 400);
    assert_eq!(change(json!({"blob": "{\"access\": \"a\", \"trust_id\": \"t\"}"})).status, 400);
    assert_eq!(change(json!({"blob": blob, "user_id": "u"})).status, 400, "the owner stays");
    assert_eq!(change(json!({"blob": blob, "type": "cert"})).status, 400);
    let bad = |body: Json, status: u16| {
        let answer = cloud.call(&demo, "POST", "credentials", &json!({"credential": body}));
        assert_eq!(answer.status, status, "{}", answer.body);
    };
    bad(json!({"type": "ec2", "blob": "{\"access\": \"b\"}", "user_id": own}), 400);
    bad(json!({"type": "EC2", "blob": "no json", "project_id": "p", "user_id": own}), 400);
    bad(json!({"type": "ec2", "blob": "{}", "project_id": "p", "user_id": own}), 400);
    bad(json!({"type": "ec2", "blob": "{\"a\": 1}", "project_id": "p", "user_id": own}), 400);
    bad(json!({"type": "cert", "user_id": own}), 400);
    bad(json!({"type": "cert", "blob": "x"}), 400);
    bad(json!({"type": "cert", "blob": {"a": 1}, "user_id": own}), 400);
    bad(json!({"type": "cert", "blob": "x", "user_id": others["user_id"]}), 403);
    assert_eq!(cloud.call(&demo, "DELETE", &path, &Json::Null).status, 204);
    assert_eq!(cloud.get(&admin, &path).status, 404);
}

#[test]
fn golden() {
    crate::tests::check_golden("credential/golden/life.http");
}
