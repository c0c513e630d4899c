//! The encryption of types and of volumes over the API, with a node that makes them.

use std::collections::BTreeSet;

use agent_api::block::{Copy, CopyFrom, CopyTo, Volume as VolumeDocument, take_secrets};
use agent_api::{Document, Kind, ToNode};
use identity::CredentialKeys;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use store::{Select, Tx};
use testkit::Api;
use types::Secret;

use super::{Keyring, VolumeEncryption, add_keys, reseal};
use crate::tests::{
    ADMIN, MEMBER, Node, OTHER, act, api, create, golden, keys, new_image, new_volume, status,
};
use crate::volume::store::VOLUMES;

/// A type whose volumes are encrypted in this way.
fn new_type(api: &Api, name: &str, encryption: &Json) {
    let answer = api.post(ADMIN, "/volume/v3/types", &json!({"volume_type": {"name": name}}));
    let id = answer.body["volume_type"]["id"].as_str().unwrap().to_owned();
    let answer =
        api.post(ADMIN, &format!("/volume/v3/types/{id}/encryption"), &json!({"encryption": encryption}));
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn luks() -> Json {
    json!({"provider": "luks", "control_location": "front-end", "cipher": "aes-xts-plain64", "key_size": 512})
}

/// The services with a type `secret`, and a node.
fn cloud() -> (Api, Node) {
    let api = api();
    new_type(&api, "secret", &luks());
    let node = Node::join(&api, "one", 100);
    (api, node)
}

fn new_secret(api: &Api, body: Json) -> String {
    let mut wanted = json!({"size": 1, "volume_type": "secret"});
    wanted.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    let answer = create(api, MEMBER, &wanted);
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.body["volume"]["encrypted"], true);
    answer.body["volume"]["id"].as_str().unwrap().to_owned()
}

fn encryption_of(api: &Api, id: &str) -> VolumeEncryption {
    let id: types::VolumeId = id.parse().unwrap();
    let found = api.store.read_blocking(move |tx: &mut Tx<'_>| VOLUMES.load(tx, id));
    found.unwrap().unwrap().into_inner().encryption.unwrap()
}

fn passphrase_of(api: &Api, id: &str) -> Secret {
    Keyring::open(&keys(), &encryption_of(api, id).sealed.unwrap()).unwrap()
}

fn body_of<T: DeserializeOwned>(documents: &[Document], kind: Kind) -> T {
    let is_wanted = |document: &&Document| document.key.kind == kind && document.body.is_some();
    let found = documents.iter().find(is_wanted).expect("a document of this kind");
    serde_json::from_value(found.body.clone().unwrap()).unwrap()
}

/// All that the database has of volumes and documents.
fn database(api: &Api) -> String {
    let text = api.store.read_blocking(|tx: &mut Tx<'_>| {
        let documents = tx.rows("SELECT body FROM node_documents", &[])?;
        let volumes = tx.rows("SELECT doc FROM block_storage_volumes", &[])?;
        Ok::<_, store::Error>(format!("{documents:?} {volumes:?}"))
    });
    text.unwrap()
}

fn documents_left(api: &Api) -> usize {
    let left = |tx: &mut Tx<'_>| tx.rows("SELECT id FROM node_documents", &[]);
    api.store.read_blocking(left).unwrap().len()
}

#[test]
fn conversations_are_as_reviewed() {
    golden(&api(), "encryption/golden/life.http");
    let (api, mut node) = cloud();
    new_secret(&api, json!({"name": "squid"}));
    node.work(&api);
    golden(&api, "encryption/golden/volume.http");
}

#[test]
fn a_volume_is_encrypted_before_it_is_available() {
    let (api, mut node) = cloud();
    let id = new_secret(&api, json!({}));
    let documents = node.wanted(&api);
    let volume: VolumeDocument = body_of(&documents, Kind::Volume);
    let encryption = volume.encryption.unwrap();
    assert_eq!((encryption.cipher.as_str(), encryption.key_size_bits), ("aes-xts-plain64", 512));
    assert_eq!(encryption.passphrase, None, "the document as it lies in the database");
    node.report(documents);
    let documents = node.wanted(&api);
    let copy: Copy = body_of(&documents, Kind::Copy);
    assert_eq!((copy.from, copy.to, copy.sealed), (CopyFrom::Blank, CopyTo::Volume(volume.id), false));
    assert_eq!(status(&api, &id), "creating");
    node.report(documents);
    node.work(&api);
    assert_eq!(status(&api, &id), "available");
    assert_eq!(encryption_of(&api, &id).formatting, None);
    assert_eq!(encryption_of(&api, &id).key_id, encryption.key_id);

    let plain = new_volume(&api, MEMBER);
    node.work(&api);
    let answer = api.get(MEMBER, &format!("/volume/v3/volumes/{plain}"));
    assert_eq!(answer.body["volume"]["encrypted"], false);
    assert_eq!(api.delete(MEMBER, &format!("/volume/v3/volumes/{id}")).status, 202);
    node.work(&api);
    assert_eq!(status(&api, &id), "gone");
    assert!(!database(&api).contains("sealed\\\":\\\"g"), "its key went with it");
}

#[test]
fn only_the_host_learns_the_passphrase() {
    let (api, mut node) = cloud();
    let (id, other) = (new_secret(&api, json!({})), new_secret(&api, json!({})));
    api.settle();
    let passphrase = passphrase_of(&api, &id);
    assert_eq!(passphrase.expose().len(), 64);
    assert_ne!(passphrase, passphrase_of(&api, &other));
    let mut message = ToNode::Documents { documents: node.wanted(&api), complete: None };
    assert!(!database(&api).contains(passphrase.expose()));
    add_keys(&api.store, &keys(), &mut message).unwrap();
    let ToNode::Documents { documents, .. } = &message else { panic!() };
    let told: BTreeSet<String> = documents
        .iter()
        .filter_map(|document| {
            let volume: VolumeDocument = serde_json::from_value(document.body.clone().unwrap()).unwrap();
            Some(volume.encryption?.passphrase?.expose().to_owned())
        })
        .collect();
    assert_eq!(told, [&id, &other].map(|id| passphrase_of(&api, id).expose().to_owned()).into());
    assert!(!format!("{:?}", encryption_of(&api, &id)).contains(passphrase.expose()));
    // With another cloud's keys nothing is told, and nothing fails.
    let mut message = ToNode::Documents { documents: documents.clone(), complete: None };
    if let ToNode::Documents { documents, .. } = &mut message {
        let had = |document: &mut Document| take_secrets(document.body.as_mut().unwrap());
        assert_eq!(documents.iter_mut().map(had).filter(|had| *had).count(), 2);
    }
    add_keys(&api.store, &CredentialKeys::default(), &mut message).unwrap();
    assert!(!format!("{message:?}").contains("passphrase"));
}

#[test]
fn a_volume_that_is_encrypted_anew_has_two_keys_as_long_as_it_needs_them() {
    let api = api();
    new_type(&api, "secret", &luks());
    new_type(&api, "other", &json!({"provider": "luks", "control_location": "front-end"}));
    let mut node = Node::join_over(&api, "one", &[("fast", 100)]);
    let id = new_secret(&api, json!({}));
    node.work(&api);
    let old = passphrase_of(&api, &id);
    node.slow = true;
    let body = json!({"os-retype": {"new_type": "other", "migration_policy": "on-demand"}});
    assert_eq!(act(&api, MEMBER, &id, &body), 202);
    node.work(&api);
    let of_copy = |api: &Api| {
        let found = api.store.read_blocking(|tx: &mut store::Tx<'_>| {
            let all = crate::migration::store::all(tx)?;
            Ok::<_, store::Error>(all[0].anew.clone().unwrap())
        });
        found.unwrap()
    };
    let opened = |known: &Option<VolumeEncryption>| {
        Keyring::open(&keys(), known.as_ref().unwrap().sealed.as_ref().unwrap()).unwrap()
    };
    let new = opened(&of_copy(&api).encryption);
    assert_ne!(new, old);
    // The host is told both, each beside what it opens, and the database neither.
    let document = serde_json::to_value(&node.volumes[&id]).unwrap();
    assert!(take_secrets(&mut document.clone()).eq(&false));
    let key = agent_api::DocumentKey { kind: agent_api::Kind::Volume, id: id.clone() };
    let documents = vec![Document { key, revision: 1, body: Some(document) }];
    let mut message = ToNode::Documents { documents, complete: None };
    add_keys(&api.store, &keys(), &mut message).unwrap();
    let ToNode::Documents { documents, .. } = &mut message else { panic!() };
    let body = documents[0].body.as_mut().unwrap();
    let told: VolumeDocument = serde_json::from_value(body.clone()).unwrap();
    assert_eq!(told.encryption.unwrap().passphrase, Some(old.clone()));
    let anew = told.elsewhere.unwrap().anew.unwrap().encryption.unwrap();
    assert_eq!(anew.passphrase, Some(new.clone()));
    assert!(take_secrets(body) && !body.to_string().contains("passphrase"));
    let database = database(&api);
    assert!(!database.contains(old.expose()) && !database.contains(new.expose()));
    // The old one stays until its bytes are gone, and both can be sealed anew.
    node.slow = false;
    (node.refuses, node.refuses_only) = (Some("it does not answer"), Some(agent_api::Kind::Volume));
    node.again(&api, agent_api::Kind::Copy);
    assert_eq!((passphrase_of(&api, &id), opened(&of_copy(&api).before)), (new.clone(), old.clone()));
    let fresh = CredentialKeys::fresh_key();
    let both = CredentialKeys::parse(&format!("{fresh}\n{}", crate::tests::KEY)).unwrap();
    api.store.write_blocking(move |tx| reseal(tx, &both)).unwrap();
    let fresh = CredentialKeys::parse(&fresh).unwrap();
    let sealed = of_copy(&api).before.unwrap().sealed.unwrap();
    assert_eq!(Keyring::open(&fresh, &sealed).unwrap(), old);
    node.refuses = None;
    node.again(&api, agent_api::Kind::Volume);
    assert_eq!(status(&api, &id), "available");
    assert!(!self::database(&api).contains(&sealed), "the old key is still there");
}

#[test]
fn clones_share_the_key_under_ids_of_their_own() {
    let (api, mut node) = cloud();
    let volume = new_secret(&api, json!({}));
    node.work(&api);
    let body = json!({"snapshot": {"volume_id": volume}});
    let snapshot = api.post(MEMBER, "/volume/v3/snapshots", &body).body["snapshot"]["id"].clone();
    node.work(&api);
    new_type(&api, "as secret", &luks());
    let clones = [
        new_secret(&api, json!({"source_volid": volume, "volume_type": null})),
        new_secret(&api, json!({"snapshot_id": snapshot, "volume_type": "as secret"})),
    ];
    node.work(&api);
    let key_id = |id: &str| encryption_of(&api, id).key_id;
    for clone in &clones {
        assert_eq!(status(&api, clone), "available");
        assert_eq!(passphrase_of(&api, clone), passphrase_of(&api, &volume));
        assert_ne!(key_id(clone), key_id(&volume));
    }
    // What is clear does not become secret by being cloned, nor the other way round, nor by another cipher.
    new_type(&api, "other", &json!({"provider": "luks", "control_location": "front-end"}));
    let plain = new_volume(&api, MEMBER);
    node.work(&api);
    for (source, kind) in [(&volume, "default"), (&volume, "other"), (&plain, "secret")] {
        let answer = create(&api, MEMBER, &json!({"source_volid": source, "volume_type": kind}));
        assert_eq!(answer.status, 400, "{kind}: {answer:?}");
        assert!(answer.body["badRequest"]["message"].as_str().unwrap().contains("not compatible"));
    }
}

#[test]
fn an_image_is_copied_in_and_not_cloned() {
    let (api, mut node) = cloud();
    let image = new_image(&api);
    let id = new_secret(&api, json!({"imageRef": image}));
    let documents = node.wanted(&api);
    let volume: VolumeDocument = body_of(&documents, Kind::Volume);
    assert_eq!(volume.source, agent_api::block::VolumeSource::Blank);
    node.report(documents);
    let documents = node.wanted(&api);
    let copy: Copy = body_of(&documents, Kind::Copy);
    assert!(matches!(&copy.from, CopyFrom::Image(source) if source.id.to_string() == image), "{copy:?}");
    node.report(documents);
    node.work(&api);
    assert_eq!(status(&api, &id), "available");
    let answer = api.get(MEMBER, &format!("/volume/v3/volumes/{id}"));
    assert_eq!(answer.body["volume"]["bootable"], "true");
}

#[test]
fn one_that_cannot_be_encrypted_is_an_error_and_leaves_nothing() {
    let (api, mut node) = cloud();
    node.refuses = Some("the image is refused");
    node.refuses_only = Some(Kind::Copy);
    let id = new_secret(&api, json!({"imageRef": new_image(&api)}));
    node.work(&api);
    assert_eq!(status(&api, &id), "error");
    node.refuses = None;
    node.work(&api);
    assert_eq!(documents_left(&api), 0);
    assert_eq!(api.delete(MEMBER, &format!("/volume/v3/volumes/{id}")).status, 202);
    node.work(&api);
    assert_eq!(status(&api, &id), "gone");

    // Deleted while it is encrypted.
    let id = new_secret(&api, json!({}));
    let documents = node.wanted(&api);
    node.report(documents);
    let body = json!({"os-reset_status": {"status": "error"}});
    assert_eq!(act(&api, ADMIN, &id, &body), 202);
    assert_eq!(api.delete(MEMBER, &format!("/volume/v3/volumes/{id}")).status, 202);
    node.work(&api);
    assert_eq!(status(&api, &id), "gone");
    assert_eq!(documents_left(&api), 0);
}

#[test]
fn encryptions_that_no_host_can_do_are_refused() {
    let (api, _node) = cloud();
    let cases = [
        ("v2", json!({"provider": "luks2", "control_location": "front-end"}), "luks2"),
        ("back", json!({"provider": "luks", "control_location": "back-end"}), "front-end"),
        ("rot", json!({"provider": "luks", "control_location": "front-end", "cipher": "rot13"}), "rot13"),
        ("odd", json!({"provider": "luks", "control_location": "front-end", "key_size": 100}), "100 bits"),
    ];
    for (name, encryption, expected) in cases {
        new_type(&api, name, &encryption);
        let answer = create(&api, MEMBER, &json!({"size": 1, "volume_type": name}));
        assert_eq!(answer.status, 400, "{name}: {answer:?}");
        let message = answer.body["badRequest"]["message"].as_str().unwrap();
        assert!(message.contains(expected) && message.contains(name), "{message}");
    }
    let count = |tx: &mut Tx<'_>| VOLUMES.count(tx, &Select::all());
    assert_eq!(api.store.read_blocking(count).unwrap(), 0);
}

#[test]
fn keys_are_sealed_anew_when_the_operators_key_changes() {
    let (api, mut node) = cloud();
    let id = new_secret(&api, json!({}));
    node.work(&api);
    let passphrase = passphrase_of(&api, &id);
    let fresh = CredentialKeys::fresh_key();
    let both = CredentialKeys::parse(&format!("{fresh}\n{}", crate::tests::KEY)).unwrap();
    api.store.write_blocking(move |tx| reseal(tx, &both)).unwrap();
    let new = CredentialKeys::parse(&fresh).unwrap();
    assert_eq!(Keyring::open(&new, &encryption_of(&api, &id).sealed.unwrap()).unwrap(), passphrase);
    let error = api.store.write_blocking(move |tx| reseal(tx, &keys())).unwrap_err();
    assert!(format!("{error:?}").contains("key that is not here"), "{error:?}");
}

#[test]
fn an_encrypted_volume_is_left_to_others_with_its_key() {
    let (api, mut node) = cloud();
    let id = new_secret(&api, json!({}));
    node.work(&api);
    let offer = |version: &'static str, more: Json| {
        let mut body = json!({"volume_id": id});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let headers = [("openstack-api-version", version)];
        let body = json!({ "transfer": body }).to_string();
        api.send(MEMBER, "POST", "/volume/v3/volume-transfers", &headers, body.into_bytes())
    };
    let refused = offer("volume 3.69", json!({}));
    assert_eq!(refused.status, 400);
    assert!(refused.body.to_string().contains("transferring encrypted volume is not supported"));
    assert_eq!(offer("volume 3.70", json!({"no_snapshots": true})).status, 400);
    let offered = offer("volume 3.70", json!({}));
    assert_eq!(offered.status, 202, "{offered:?}");
    let text = |key: &str| offered.body["transfer"][key].as_str().unwrap().to_owned();
    let path = format!("/volume/v3/os-volume-transfer/{}/accept", text("id"));
    let answer = api.post(OTHER, &path, &json!({"accept": {"auth_key": text("auth_key")}}));
    assert_eq!(answer.status, 202, "{answer:?}");
    let answer = api.get(OTHER, &format!("/volume/v3/volumes/{id}/encryption"));
    assert_eq!(answer.body["encryption_key_id"], encryption_of(&api, &id).key_id.to_string());
}

/// The next copy that the node is to make; all before it is done.
fn next_copy(api: &Api, node: &mut Node) -> (Copy, Vec<Document>) {
    loop {
        let documents = node.wanted(api);
        let is_copy = |document: &Document| document.key.kind == Kind::Copy && document.body.is_some();
        if documents.iter().any(is_copy) {
            return (body_of(&documents, Kind::Copy), documents);
        }
        assert!(!documents.is_empty(), "no copy is wanted");
        node.report(documents);
    }
}

#[test]
fn a_backup_has_what_lies_there_and_takes_the_key_along() {
    let (api, mut node) = cloud();
    let volume = new_secret(&api, json!({}));
    node.work(&api);
    let passphrase = passphrase_of(&api, &volume);
    let made = api.post(MEMBER, "/volume/v3/backups", &json!({"backup": {"volume_id": volume}}));
    let backup = made.body["backup"]["id"].as_str().unwrap().to_owned();
    let (copy, documents) = next_copy(&api, &mut node);
    assert!(copy.sealed, "{copy:?}");
    node.report(documents);
    node.work(&api);
    let newest = [("openstack-api-version", "volume 3.64")];
    let shown = api.call(MEMBER, "GET", &format!("/volume/v3/backups/{backup}"), &newest, &Json::Null);
    let key_id = shown.body["backup"]["encryption_key_id"].as_str().unwrap().to_owned();
    assert_ne!(key_id, encryption_of(&api, &volume).key_id.to_string());

    // The volume and its key go; the backup opens with its own.
    assert_eq!(api.delete(MEMBER, &format!("/volume/v3/volumes/{volume}")).status, 202);
    node.work(&api);
    let restore = |into: Json| {
        api.post(MEMBER, &format!("/volume/v3/backups/{backup}/restore"), &json!({"restore": into}))
    };
    let made = restore(json!({}));
    assert_eq!(made.status, 202, "{made:?}");
    let new = made.body["restore"]["volume_id"].as_str().unwrap().to_owned();
    let (copy, documents) = next_copy(&api, &mut node);
    assert_eq!((copy.from, copy.sealed), (CopyFrom::Blank, false));
    let own = passphrase_of(&api, &new);
    node.report(documents);
    let (copy, documents) = next_copy(&api, &mut node);
    assert!(copy.sealed && matches!(copy.from, CopyFrom::Backup(_)), "{copy:?}");
    node.report(documents);
    let volume: VolumeDocument = body_of(&node.wanted(&api), Kind::Volume);
    assert_eq!(volume.encryption.unwrap().key_id, encryption_of(&api, &new).key_id, "the host hears of it");
    assert_eq!(status(&api, &new), "available");
    assert!(own != passphrase && passphrase_of(&api, &new) == passphrase);
    assert_ne!(encryption_of(&api, &new).key_id.to_string(), key_id);

    // Its record would be of no use without the key, which is in none.
    assert_eq!(api.get(ADMIN, &format!("/volume/v3/backups/{backup}/export_record")).status, 400);
    // Into what is encrypted otherwise, or not at all, it cannot be put.
    let volume = json!({"volume": {"size": 1, "backup_id": backup, "volume_type": "default"}});
    let of_backup = [("openstack-api-version", "volume 3.47")];
    let refused = api.call(MEMBER, "POST", "/volume/v3/volumes", &of_backup, &volume);
    assert_eq!(refused.status, 400, "{refused:?}");
    let plain = new_volume(&api, MEMBER);
    node.work(&api);
    let refused = restore(json!({"volume_id": plain}));
    assert_eq!(refused.status, 400, "{refused:?}");
    assert_eq!(status(&api, &plain), "available");
    // What is clear can be put into what is encrypted, and is encrypted then.
    let made = api.post(MEMBER, "/volume/v3/backups", &json!({"backup": {"volume_id": plain}}));
    let clear = made.body["backup"]["id"].as_str().unwrap().to_owned();
    node.work(&api);
    let body = json!({"restore": {"volume_id": new}});
    assert_eq!(api.post(MEMBER, &format!("/volume/v3/backups/{clear}/restore"), &body).status, 202);
    let (copy, _) = next_copy(&api, &mut node);
    assert!(!copy.sealed && matches!(copy.from, CopyFrom::Backup(_)), "{copy:?}");
}

#[test]
fn an_image_of_it_is_encrypted_and_its_key_is_kept_as_long() {
    let (api, mut node) = cloud();
    let volume = new_secret(&api, json!({}));
    node.work(&api);
    let upload = |more: Json| {
        let mut body = json!({"image_name": "diary"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let path = format!("/volume/v3/volumes/{volume}/action");
        api.post(MEMBER, &path, &json!({ "os-volume_upload_image": body }))
    };
    for converted in [json!({"disk_format": "qcow2"}), json!({"container_format": "ovf"})] {
        let refused = upload(converted);
        assert_eq!(refused.status, 400, "{refused:?}");
        assert!(refused.body.to_string().contains("must use 'raw' disk_format and 'bare' container_format"));
    }
    let made = upload(json!({}));
    let image = made.body["os-volume_upload_image"]["image_id"].as_str().unwrap().to_owned();
    let (copy, documents) = next_copy(&api, &mut node);
    assert!(copy.sealed && matches!(copy.to, CopyTo::Image(_)), "{copy:?}");
    node.report(documents);
    node.work(&api);
    let shown = api.get(MEMBER, &format!("/image/v2/images/{image}")).body;
    assert_eq!(
        (&shown["status"], &shown["cinder_encryption_key_deletion_policy"]),
        (&json!("active"), &json!("on_image_deletion"))
    );
    let key_id = shown["cinder_encryption_key_id"].as_str().unwrap().to_owned();
    let passphrase = passphrase_of(&api, &volume);
    assert_eq!(api.delete(MEMBER, &format!("/volume/v3/volumes/{volume}")).status, 202);
    node.work(&api);
    assert_eq!(status(&api, &volume), "gone");

    // A volume of it is a clone, which opens with the same key.
    let clone = new_secret(&api, json!({"imageRef": image}));
    let documents = node.wanted(&api);
    let document: VolumeDocument = body_of(&documents, Kind::Volume);
    assert!(matches!(document.source, agent_api::block::VolumeSource::Image(_)), "{document:?}");
    node.report(documents);
    node.work(&api);
    assert_eq!((status(&api, &clone).as_str(), passphrase_of(&api, &clone)), ("available", passphrase));
    assert_ne!(encryption_of(&api, &clone).key_id.to_string(), key_id);
    let shown = api.get(MEMBER, &format!("/volume/v3/volumes/{clone}")).body;
    assert_eq!(shown["volume"]["bootable"], "true");

    // Neither a volume of another type, nor another image with the same words, gets the key.
    let refused = create(&api, MEMBER, &json!({"size": 1, "imageRef": image, "volume_type": "default"}));
    assert_eq!(refused.status, 400, "{refused:?}");
    let other = new_image(&api);
    let patch = json!([{"op": "add", "path": "/cinder_encryption_key_id", "value": key_id}]).to_string();
    let headers = [("content-type", "application/openstack-images-v2.1-json-patch")];
    let path = format!("/image/v2/images/{other}");
    assert_eq!(api.send(MEMBER, "PATCH", &path, &headers, patch.into_bytes()).status, 200);
    let refused = create(&api, MEMBER, &json!({"size": 1, "imageRef": other, "volume_type": "secret"}));
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.to_string().contains("key that is not here"), "{refused:?}");

    let uploads = || {
        let count = |tx: &mut Tx<'_>| crate::upload::store::UPLOADS.count(tx, &Select::all());
        api.store.read_blocking(count).unwrap()
    };
    assert_eq!((uploads(), api.runner.sweep().unwrap()), (1, Vec::new()));
    assert_eq!(api.delete(MEMBER, &format!("/image/v2/images/{image}")).status, 204);
    api.settle();
    assert_eq!(uploads(), 0, "the key went with the image");
}
