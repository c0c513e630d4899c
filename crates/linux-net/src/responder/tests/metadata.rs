//! Pages as cloud-init and its like expect them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::responder::http::{Method, Request};
use crate::responder::metadata::{Outcome, answer};
use crate::responder::{InstanceMetadata, PublicKey};

fn instance() -> InstanceMetadata {
    let key = |name: &str, kind: &str, data: &str| PublicKey {
        name: name.into(),
        kind: kind.into(),
        data: data.into(),
    };
    InstanceMetadata {
        server: "83679162-1378-4288-a2d4-70e13ec132aa".parse().unwrap(),
        name: "web".into(),
        hostname: "web.novalocal".into(),
        project: "f7ac731cc11f40efbc03a9f9e1d1d21f".into(),
        keys: vec![key("laptop", "ssh", "ssh-ed25519 AAAA me")],
        meta: BTreeMap::from([("role".into(), "front".into())]),
        user_data: Some(b"#!/bin/sh\n\xff".to_vec()),
        availability_zone: "nova".into(),
        launch_index: 0,
        network_data: json!({"links": [], "networks": [], "services": []}),
        admin_pass: None,
        password: String::new(),
        fixed_ips: vec!["2001:db8::11".parse().unwrap(), "10.0.0.11".parse().unwrap()],
        floating_ips: vec!["172.24.4.9".parse().unwrap()],
        flavor: "m1.nano".into(),
        image: Some("70a599e0-31e7-49b7-b260-868f441e862b".parse().unwrap()),
        reservation: "r-abcdefgh".into(),
        security_groups: vec!["default".into(), "web".into()],
        root_device: "vda".into(),
        random_seed: vec![1, 2, 3],
        vendor_data: json!({"a": 1}),
        vendor_data2: json!({"static": {"a": 1}}),
    }
}

fn ask(instance: &InstanceMetadata, method: Method, path: &str, body: &[u8]) -> Outcome {
    answer(instance, &Request { method, path: path.into(), keep_alive: true, body: body.to_vec() })
}

/// Status and text of a page.
fn get(path: &str) -> (u16, String) {
    let response = ask(&instance(), Method::Get, path, b"").response;
    (response.status, String::from_utf8_lossy(&response.body).into_owned())
}

const META_DATA_KEYS: &str = "ami-id\nami-launch-index\nami-manifest-path\nblock-device-mapping/\nhostname\n\
    instance-action\ninstance-id\ninstance-type\nlocal-hostname\nlocal-ipv4\nplacement/\npublic-hostname\n\
    public-ipv4\npublic-keys/\nreservation-id\nsecurity-groups";

#[test]
fn listings_are_novas() {
    let check = |path: &str, expected: &str| assert_eq!(get(path), (200, expected.to_owned()), "{path}");
    let openstack = "2012-08-10\n2013-04-04\n2013-10-17\n2015-10-15\n2016-06-30\n2016-10-06\n2017-02-22\n\
                     2018-08-27\n2020-10-14\nlatest";
    check("/openstack", openstack);
    check("/openstack/", openstack);
    let ec2 = "1.0\n2007-01-19\n2007-03-01\n2007-08-29\n2007-10-10\n2007-12-15\n2008-02-01\n2008-09-01\n\
               2009-04-04\nlatest";
    check("/", ec2);
    check("/ec2", ec2);
    let pages = "meta_data.json\nuser_data\npassword\nvendor_data.json\nnetwork_data.json\nvendor_data2.json";
    check("/openstack/latest", pages);
    check("/openstack/2012-08-10/", "meta_data.json\nuser_data");
    check("/openstack/2015-10-15", &pages.replace("\nvendor_data2.json", ""));
    check("/latest", "meta-data/\nuser-data");
    check("/latest/meta-data/", META_DATA_KEYS);
    check("/2009-04-04/meta-data", META_DATA_KEYS);
    check("/latest/meta-data/public-keys/", "0=laptop");
    check("/latest/meta-data/public-keys/0", "openssh-key");
    check("/latest/meta-data/block-device-mapping", "ami\nroot");
}

#[test]
fn ec2_texts() {
    let check = |key: &str, expected: &str| {
        assert_eq!(get(&format!("/latest/meta-data/{key}")), (200, expected.to_owned()), "{key}");
    };
    check("instance-id", "i-83679162");
    check("ami-id", "ami-70a599e0");
    check("hostname", "web.novalocal");
    check("local-ipv4", "10.0.0.11");
    check("public-ipv4", "172.24.4.9");
    check("public-keys/0/openssh-key", "ssh-ed25519 AAAA me");
    check("placement/availability-zone", "nova");
    check("instance-type", "m1.nano");
    check("security-groups", "default\nweb");
    check("block-device-mapping/root", "/dev/vda");
    check("../meta-data//instance-id/", "i-83679162");
    let user_data = ask(&instance(), Method::Get, "/latest/user-data", b"").response;
    assert_eq!(user_data.body, instance().user_data.unwrap());
}

#[test]
fn openstack_documents() {
    let page = |path: &str| -> Value { serde_json::from_str(&get(path).1).unwrap() };
    let whole = json!({
        "uuid": "83679162-1378-4288-a2d4-70e13ec132aa",
        "name": "web",
        "hostname": "web.novalocal",
        "launch_index": 0,
        "availability_zone": "nova",
        "meta": {"role": "front"},
        "public_keys": {"laptop": "ssh-ed25519 AAAA me"},
        "keys": [{"name": "laptop", "type": "ssh", "data": "ssh-ed25519 AAAA me"}],
        "random_seed": "AQID",
        "project_id": "f7ac731cc11f40efbc03a9f9e1d1d21f",
        "devices": [],
        "dedicated_cpus": [],
    });
    assert_eq!(page("/openstack/latest/meta_data.json"), whole);
    let mut old = whole;
    for key in ["random_seed", "project_id", "devices", "dedicated_cpus"] {
        old.as_object_mut().unwrap().remove(key);
    }
    assert_eq!(page("/openstack/2012-08-10/meta_data.json"), old);
    assert_eq!(page("/openstack/latest/network_data.json"), instance().network_data);
    assert_eq!(page("/openstack/latest/vendor_data2.json"), json!({"static": {"a": 1}}));
    let response = ask(&instance(), Method::Get, "/openstack/latest/vendor_data.json", b"").response;
    assert_eq!((response.content_type, response.body), ("application/json", b"{\"a\":1}".to_vec()));
}

#[test]
fn what_is_not_there_is_404() {
    for path in [
        "/openstack/2099-01-01/meta_data.json",
        "/openstack/latest/nonsense",
        "/openstack/latest/meta_data.json/deeper",
        "/openstack/2012-08-10/vendor_data.json",
        "/openstack/content/0000",
        "/2050-01-01/meta-data",
        "/latest/meta-data/nonsense",
        "/latest/meta-data/hostname/deeper",
        "/1.0/meta-data/public-ipv4",
        "/latest/api/token",
        "/favicon.ico",
    ] {
        assert_eq!(get(path).0, 404, "{path}");
    }
    let mut bare = instance();
    (bare.user_data, bare.keys) = (None, Vec::new());
    for path in ["/openstack/latest/user_data", "/latest/user-data", "/latest/meta-data/public-keys"] {
        assert_eq!(ask(&bare, Method::Get, path, b"").response.status, 404, "{path}");
    }
    assert_eq!(ask(&bare, Method::Get, "/latest", b"").response.body, b"meta-data/");
    assert_eq!(ask(&bare, Method::Other, "/latest", b"").response.status, 405);
    assert_eq!(ask(&bare, Method::Post, "/openstack/latest/meta_data.json", b"").response.status, 405);
}

#[test]
fn a_password_is_posted_once() {
    let path = "/openstack/latest/password";
    let mut server = instance();
    let check = |server: &InstanceMetadata, method, body: &[u8], status, posted: Option<&str>| {
        let outcome = ask(server, method, path, body);
        assert_eq!((outcome.response.status, outcome.posted.as_deref()), (status, posted));
        outcome.response.body
    };
    assert_eq!(check(&server, Method::Get, b"", 200, None), b"");
    check(&server, Method::Post, &[b'a'; 1021], 400, None);
    check(&server, Method::Post, b"secret", 200, Some("secret"));
    server.password = "secret".into();
    assert_eq!(check(&server, Method::Get, b"", 200, None), b"secret");
    check(&server, Method::Post, b"other", 409, None);
}
