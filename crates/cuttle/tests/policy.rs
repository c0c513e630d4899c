//! An operator's own rules: read again at a signal, and explained by the program.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::{Value as Json, json};

use crate::cloud::{Cloud, cuttle, said, wait_for};

/// The two states of the file, of one length, so that only the signal tells of the change.
const NOBODY: &str = "\"identity:create_domain\": \"role:nobody\"\n";
const MEMBER: &str = "\"identity:create_domain\": \"role:member\"\n";

/// Puts a file in the place of another that looks as old.
fn replace(path: &str, text: &str) {
    let written = fs::metadata(path).unwrap().modified().unwrap();
    let new = format!("{path}.new");
    fs::write(&new, text).unwrap();
    File::options().append(true).open(&new).unwrap().set_modified(written).unwrap();
    fs::rename(&new, path).unwrap();
}

/// The status with which demo's wish to make a domain is answered.
fn status_of_create(cloud: &Cloud, name: &str) -> u16 {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let openrc = fs::read_to_string(cloud.dir().join("openrc")).unwrap();
    let password = openrc.lines().find_map(|line| line.strip_prefix("export OS_PASSWORD=")).unwrap();
    let user = json!({"name": "demo", "domain": {"id": "default"}, "password": password});
    let scope = json!({"project": {"name": "demo", "domain": {"id": "default"}}});
    let identity = json!({"methods": ["password"], "password": {"user": user}});
    let login: Json = json!({"auth": {"identity": identity, "scope": scope}});
    let url = format!("{}/identity/v3", cloud.endpoint);
    let answer = agent.post(format!("{url}/auth/tokens")).send_json(&login).unwrap();
    let token = answer.headers()["x-subject-token"].to_str().unwrap().to_owned();
    let domain = json!({"domain": {"name": name}});
    let answer = agent.post(format!("{url}/domains")).header("x-auth-token", token).send_json(&domain);
    answer.unwrap().status().as_u16()
}

#[test]
fn the_rules_are_read_again_at_a_signal_and_explained() {
    assert_eq!(NOBODY.len(), MEMBER.len());
    let cloud = Cloud::with_files(&[("policy.yaml", NOBODY)], "policy_file = \"{}/policy.yaml\"\n");
    let path = cloud.folder().path("policy.yaml");
    assert_eq!(status_of_create(&cloud, "first"), 403);
    replace(&path, MEMBER);
    cloud.signal(Signal::SIGHUP);
    wait_for(|| match status_of_create(&cloud, "second") {
        201 => Ok(()),
        other => Err(format!("the answer is still {other}")),
    });
    replace(&path, "\"identity:create_domain\": \"role:member\n");
    cloud.signal(Signal::SIGHUP);
    wait_for(|| match cloud.log().contains("the rules stay as they were") {
        true => Ok(()),
        false => Err("nothing is said of a broken file".to_owned()),
    });
    assert_eq!(status_of_create(&cloud, "third"), 201);

    fs::write(&path, MEMBER).unwrap();
    let explain = |arguments: &[&str]| {
        let mut command = cuttle();
        command.args(["policy", "explain", "--config", &cloud.folder().path("cuttle.toml")]);
        let output = command.arg("--data-dir").arg(cloud.dir()).args(arguments).output().unwrap();
        (output.status.code(), said(&output))
    };
    let table: [(&[&str], i32, &[&str]); 5] = [
        (
            &["identity:create_domain", "--as", "member@project:any"],
            0,
            &["role:member", Path::new(&path).to_str().unwrap()],
        ),
        (&["identity:create_domain", "--as", "reader@project:any"], 1, &["role:member"]),
        (&["identity:list_users", "--as", "user:demo@project:none"], 2, &["none"]),
        (
            &["identity:nothing", "--as", "admin@system"],
            2,
            &["there is no rule identity:nothing", "policy list"],
        ),
        (&["identity:list_users", "--as", "admin"], 2, &["admin"]),
    ];
    for (arguments, code, parts) in table {
        let (status, said) = explain(arguments);
        assert_eq!(status, Some(code), "{arguments:?}: {said}");
        for part in parts {
            assert!(said.contains(part), "{arguments:?}: {part:?} is missing in:\n{said}");
        }
    }
}

#[test]
fn the_rules_are_listed_and_a_sample_is_a_policy_file() {
    let says = |arguments: &[&str]| {
        let output = cuttle().arg("policy").args(arguments).output().unwrap();
        (output.status.code(), said(&output))
    };
    let (code, identity) = says(&["list", "identity"]);
    assert_eq!(code, Some(0), "{identity}");
    assert!(identity.contains("\"identity:create_user\": \"") && !identity.contains("compute"), "{identity}");
    let (_, all) = says(&["list"]);
    assert!(all.contains(&identity) && all.contains("\"os_compute_api:servers:create\": \""));
    let (code, nothing) = says(&["list", "telescope"]);
    assert_eq!(code, Some(2));
    assert!(nothing.contains("there is no service telescope; there are identity, "), "{nothing}");

    // Its comments taken away, the sample states every default, and each name once: a file that a cloud takes.
    let (code, sample) = says(&["sample"]);
    assert_eq!(code, Some(0));
    let stated: String = sample
        .lines()
        .filter_map(|line| line.strip_prefix("#\""))
        .map(|line| format!("\"{line}\n"))
        .collect();
    let mut names = BTreeSet::new();
    let once = all.lines().filter(|line| names.insert(line.split('"').nth(1)));
    assert_eq!(stated.lines().collect::<Vec<_>>(), once.collect::<Vec<_>>());
    let cloud = Cloud::with_files(&[("policy.yaml", &stated)], "policy_file = \"{}/policy.yaml\"\n");
    assert_eq!(status_of_create(&cloud, "first"), 403);
}
