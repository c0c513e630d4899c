//! Volumes taken together: groups, their types and snapshots, and consistency groups of old.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::client::{Client, expect, expect_row, field, text};
use crate::cloud::{Cloud, said};

pub fn types(demo: &mut Client) {
    let refused = demo.fail("volume group type create own");
    assert!(refused.contains("Policy doesn't allow group:group_types:create"), "{refused}");
    demo.as_admin(|admin| {
        let made = admin.show("volume group type create --description close --private tight");
        expect(
            &made,
            &[("name", json!("tight")), ("description", json!("close")), ("is_public", json!(false))],
        );
        admin.run("volume group type set --description closer --public --property a=b tight");
        let shown = admin.show("volume group type show tight");
        expect(
            &shown,
            &[
                ("description", json!("closer")),
                ("is_public", json!(true)),
                ("properties", json!({"a": "b"})),
            ],
        );
        let set = admin.show("volume group type set --no-property --property c=d tight");
        expect(&set, &[("properties", json!({"c": "d"}))]);
        expect_row(
            &admin.show("volume group type list"),
            &[("Name", json!("tight")), ("Group Specs", json!({"c": "d"}))],
        );
        let twice = admin.fail("volume group type create tight");
        assert!(twice.contains("Group Type tight already exists"), "{twice}");
        let none = admin.fail("volume group type list --default");
        assert!(none.contains("Default group type can not be found"), "{none}");
    });
    // What a type demands is the operator's.
    expect(&demo.show("volume group type show tight"), &[("properties", json!({}))]);
}

pub fn groups(demo: &mut Client) {
    demo.run("volume create --size 1 cod");
    demo.run("volume create --size 1 tuna");
    let cod = text(&demo.once("volume show cod", "available")["id"]);
    let tuna = text(&demo.once("volume show tuna", "available")["id"]);
    let made = demo.show(
        "volume group create --volume-group-type tight --volume-type default --name shoal --description fish \
         --availability-zone nova",
    );
    expect(
        &made,
        &[("name", json!("shoal")), ("description", json!("fish")), ("availability_zone", json!("nova"))],
    );
    demo.once("volume group show shoal", "available");
    assert_eq!(demo.column("volume group list", "Name"), ["shoal"]);
    demo.run("volume group add volume shoal cod tuna");
    demo.once("volume group show shoal", "available");
    let shown = demo.show("volume group show shoal --volumes");
    assert_eq!(field(&shown, "volumes"), &json!([cod, tuna]));
    demo.run("volume group remove volume shoal tuna");
    demo.once("volume group show shoal", "available");
    let shown = demo.show("volume group show shoal --volumes");
    assert_eq!(field(&shown, "volumes"), &json!([cod]));
    expect(&demo.show("volume show cod"), &[("group_id", field(&shown, "id").clone())]);
    let set = demo.show("volume group set --name swarm --description birds shoal");
    expect(&set, &[("name", json!("swarm")), ("description", json!("birds"))]);
    let table = [
        (
            "volume group create --volume-group-type tight --name none",
            "--volume-types is a required argument",
        ),
        ("volume group create --name none", "Either --source-group"),
        ("volume group add volume swarm cod", "no valid name, description, add_volumes, or remove_volumes"),
        ("volume group remove volume swarm tuna", "because it is not in the group"),
        ("volume group set --enable-replication swarm", "is not a replication group type"),
        ("volume group set --disable-replication swarm", "is not a replication group type"),
        // The client has forgotten how the action is called.
        ("volume group failover --secondary-backend-id x swarm", "There is no such action"),
        ("volume group delete swarm", "still contains volumes"),
        ("volume delete cod", "belong to a group"),
        ("volume group show nothing", "No Group found for nothing"),
    ];
    for (line, why) in table {
        let said = demo.fail(line);
        assert!(said.contains(why), "{line}: {said}");
    }
    demo.as_admin(|admin| {
        assert_eq!(admin.show("volume group list"), json!([]));
        assert_eq!(admin.column("volume group list --all-projects", "Name"), ["swarm"]);
        assert!(admin.fail("volume group type delete tight").contains("still in use"));
    });
}

pub fn snapshots(demo: &mut Client) {
    let group = field(&demo.show("volume group show swarm"), "id").clone();
    let made = demo.show("volume group snapshot create --name flash --description light swarm");
    expect(&made, &[("name", json!("flash")), ("description", json!("light")), ("group", group)]);
    demo.once("volume group snapshot show flash", "available");
    assert_eq!(demo.column("volume group snapshot list", "Name"), ["flash"]);
    assert_eq!(demo.column("volume snapshot list", "Name"), ["flash"]);
    let part = demo.fail("volume snapshot delete flash");
    assert!(part.contains("must not be part of a group"), "{part}");
    assert!(demo.fail("volume group delete swarm").contains("Group has existing snapshots"));
    for (source, name) in [("--group-snapshot flash", "echo"), ("--source-group swarm", "twin")] {
        demo.run(&format!("volume group create {source} --name {name}"));
        demo.once(&format!("volume group show {name}"), "available");
        let shown = demo.show(&format!("volume group show {name} --volumes"));
        assert_eq!(field(&shown, "volumes").as_array().map(Vec::len), Some(1), "{shown}");
    }
    demo.as_admin(|admin| {
        assert_eq!(admin.show("volume group snapshot list"), json!([]));
        assert_eq!(admin.column("volume group snapshot list --all-projects", "Name"), ["flash"]);
    });
    // What was made of the snapshot goes first, and takes its volumes along.
    for name in ["echo", "twin"] {
        demo.run(&format!("volume group delete --force {name}"));
        demo.until_gone("volume group list", name);
    }
    demo.run("volume group snapshot delete flash");
    demo.until_gone("volume group snapshot list", "flash");
    let absent = demo.fail("volume group snapshot show flash");
    assert!(absent.contains("No GroupSnapshot found for flash"), "{absent}");
    demo.run("volume group remove volume swarm cod");
    demo.once("volume group show swarm", "available");
    demo.run("volume group delete swarm");
    demo.until_gone("volume group list", "swarm");
    demo.as_admin(|admin| admin.run("volume group type delete tight"));
    demo.run("volume delete cod tuna");
    ["cod", "tuna"].iter().for_each(|name| demo.until_gone("volume list", name));
    assert_eq!(demo.show("volume list"), json!([]), "what groups were made of is gone with them");
}

pub fn consistency(admin: &mut Client, cloud: (&Cloud, &Path)) {
    let made = admin.show("consistency group create --volume-type default --description old pod");
    expect(&made, &[("name", json!("pod")), ("description", json!("old"))]);
    admin.once("consistency group show pod", "available");
    assert_eq!(admin.show("volume group list"), json!([]), "groups of old are apart");
    admin.run("volume create --size 1 whale");
    admin.once("volume show whale", "available");
    admin.run("consistency group add volume pod whale");
    admin.once("consistency group show pod", "available");
    expect(&admin.show("volume show whale"), &[("group_id", made["id"].clone())]);
    let none = admin.ask("consistency group add volume pod nothing");
    assert!(none.stderr.contains("1 of 1 volumes failed to add"), "{}", none.stderr);
    admin.run("consistency group remove volume pod whale");
    admin.once("consistency group show pod", "available");
    expect(&admin.show("volume show whale"), &[("group_id", Json::Null)]);
    admin.run("consistency group add volume pod whale");
    admin.once("consistency group show pod", "available");
    admin.run("consistency group set --name school --description older pod");
    expect_row(
        &admin.show("consistency group list --long --all-projects"),
        &[("Name", json!("school")), ("Description", json!("older")), ("Availability Zone", json!("nova"))],
    );
    let shot =
        admin.show("consistency group snapshot create --consistency-group school --description low click");
    expect(&shot, &[("name", json!("click")), ("consistencygroup_id", made["id"].clone())]);
    admin.once("consistency group snapshot show click", "available");
    let found =
        admin.show("consistency group snapshot list --long --status available --consistency-group school");
    expect_row(&found, &[("Name", json!("click")), ("Description", json!("low"))]);
    for (source, name) in [("--snapshot click", "calf"), ("--source school", "herd")] {
        admin.run(&format!("consistency group create {source} {name}"));
        admin.once(&format!("consistency group show {name}"), "available");
    }
    assert!(admin.fail("consistency group create --volume-type nothing none").contains("No Type found"));
    let left = admin.fail("consistency group snapshot delete click nothing");
    assert!(left.contains("1 of 2 consistency group snapshots failed to delete"), "{left}");
    admin.until_gone("consistency group snapshot list", "click");
    dissolve(admin, cloud);
}

/// The client deletes consistency groups with a body that Cinder does not take, and neither do we.
fn dissolve(admin: &mut Client, (cloud, openstack): (&Cloud, &Path)) {
    let refused = admin.fail("consistency group delete --force school");
    assert!(refused.contains("400") && refused.contains("consistencygroup"), "{refused}");
    let script = "import openstack\n\
                  volume = openstack.connect('cuttle-admin').block_storage\n\
                  for group in volume.get('/consistencygroups').json()['consistencygroups']:\n\
                  \x20   said = volume.post(f'/consistencygroups/{group[\"id\"]}/delete', \
                  json={'consistencygroup': {'force': True}})\n\
                  \x20   assert said.status_code == 202, said.text";
    let output = cloud.python(openstack, script);
    assert!(output.status.success(), "{}", said(&output));
    ["school", "calf", "herd"].iter().for_each(|name| admin.until_gone("consistency group list", name));
    assert_eq!(admin.show("volume list"), json!([]));
}
