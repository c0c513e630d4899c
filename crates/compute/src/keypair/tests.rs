//! Keypairs over the API, and the key that is made.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value as Json, json};

use super::generate::ed25519;
use super::model::fingerprint;
use crate::tests::{ADMIN, MEMBER, OTHER, World};

const PUBLIC: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ me";

#[test]
fn only_public_keys_have_fingerprints() {
    let check = |key: &str, expected: bool| assert_eq!(fingerprint(key).is_some(), expected, "{key}");
    check(PUBLIC, true);
    check("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ", true);
    check("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ", false);
    check("ssh-ed25519 AAAA", false);
    check("ssh-ed25519 ????", false);
    check("ssh-ed25519", false);
    check("", false);
    assert_eq!(fingerprint(PUBLIC).unwrap().len(), 16 * 3 - 1);
}

#[test]
fn a_key_that_is_made_has_a_public_and_a_private_half() {
    let (public, private) = ed25519("mine");
    assert!(fingerprint(&public).is_some());
    let body: String = private.lines().filter(|line| !line.starts_with("-----")).collect();
    let bytes = BASE64_STANDARD.decode(body).unwrap();
    assert!(bytes.starts_with(b"openssh-key-v1\0"));
    let blob = BASE64_STANDARD.decode(public.split(' ').nth(1).unwrap()).unwrap();
    assert!(bytes.windows(blob.len()).any(|part| part == blob), "the file holds its public half");
    assert_ne!(ed25519("mine").0, public);
}

#[test]
fn a_users_keypairs_are_its_own() {
    let world = World::new();
    let import = json!({"keypair": {"name": "k", "public_key": PUBLIC}});
    assert_eq!(world.call(MEMBER, "2.1", "POST", "/os-keypairs", &import).status, 200);
    assert_eq!(world.post(MEMBER, "/os-keypairs", &import).status, 409);
    assert_eq!(world.post(OTHER, "/os-keypairs", &import).status, 201, "another user has names of its own");
    assert_eq!(world.get(MEMBER, "/os-keypairs/k").body["keypair"]["public_key"], PUBLIC);
    assert_eq!(world.get(MEMBER, "/os-keypairs").body["keypairs"].as_array().unwrap().len(), 1);
    assert_eq!(world.get(MEMBER, "/os-keypairs?user_id=member@beta").status, 403);
    assert_eq!(
        world.get(ADMIN, "/os-keypairs?user_id=member@alpha").body["keypairs"][0]["keypair"]["name"],
        "k"
    );
    let made = world.call(MEMBER, "2.91", "POST", "/os-keypairs", &json!({"keypair": {"name": "made"}}));
    assert_eq!(made.status, 201);
    assert!(made.body["keypair"]["private_key"].as_str().unwrap().starts_with("-----BEGIN OPENSSH"));
    let delete = |name: &str| {
        world.call(MEMBER, "2.96", "DELETE", &format!("/os-keypairs/{name}"), &Json::Null).status
    };
    assert_eq!((delete("k"), delete("k")), (204, 404));
}

#[test]
fn bad_keypairs_are_refused() {
    let world = World::new();
    let check = |version: &str, keypair: Json| {
        let status = world.call(MEMBER, version, "POST", "/os-keypairs", &json!({"keypair": keypair})).status;
        assert_eq!(status, 400, "{version} {keypair}");
    };
    check("2.92", json!({"name": "no-key"}));
    check("2.1", json!({"name": "k", "type": "ssh"}));
    check("2.2", json!({"name": "k", "type": "pgp"}));
    check("2.96", json!({"name": "k/k", "public_key": PUBLIC}));
    check("2.91", json!({"name": "k@k", "public_key": PUBLIC}));
    check("2.96", json!({"name": "k", "public_key": "ssh-rsa nonsense"}));
    check("2.96", json!({"name": "k", "public_key": 7}));
    check("2.96", json!({"public_key": PUBLIC}));
    check("2.96", json!(7));
    let foreign = json!({"keypair": {"name": "k", "public_key": PUBLIC, "user_id": "member@beta"}});
    assert_eq!(world.post(MEMBER, "/os-keypairs", &foreign).status, 403);
    assert_eq!(world.get(MEMBER, "/os-keypairs/none").status, 404);
    assert_eq!(world.get(MEMBER, "/os-keypairs?colour=red").status, 400);
}
