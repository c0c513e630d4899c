//! Copies of volumes, snapshots and backups; and volumes that change hands.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::client::{Client, expect, expect_row, text};
use crate::cloud::{Cloud, said};

pub fn snapshots(demo: &mut Client) {
    let volume = demo.show("volume create --size 1 bay");
    demo.once("volume show bay", "available");
    let made = demo.show("volume snapshot create --volume bay --description light --property a=b shot");
    expect(
        &made,
        &[
            ("name", json!("shot")),
            ("description", json!("light")),
            ("size", json!(1)),
            ("status", json!("creating")),
            ("volume_id", volume["id"].clone()),
            ("properties", json!({"a": "b"})),
        ],
    );
    demo.once("volume snapshot show shot", "available");
    demo.run("volume snapshot set --name still --description calm --property c=d shot");
    demo.run("volume snapshot unset --property a still");
    let found = demo.show("volume snapshot list --long --name still --status available --volume bay");
    expect_row(
        &found,
        &[("Name", json!("still")), ("Description", json!("calm")), ("Properties", json!({"c": "d"}))],
    );
    demo.run("volume snapshot set --no-property --property e=f still");
    expect(&demo.show("volume snapshot show still"), &[("properties", json!({"e": "f"}))]);
    let absent = demo.fail("volume snapshot unset --property a still");
    assert!(absent.contains("has no metadata with key a"), "{absent}");
    let kept = demo.fail("volume delete bay");
    assert!(kept.contains("must not be migrating, attached, belong to a group, have snapshots"), "{kept}");
    let copy = demo.show("volume create --snapshot still copy");
    expect(&copy, &[("snapshot_id", made["id"].clone()), ("size", json!(1))]);
    demo.once("volume show copy", "available");
    demo.run("volume revert still");
    demo.once("volume show bay", "available");
    demo.run("volume snapshot create --volume bay later");
    demo.once("volume snapshot show later", "available");
    assert!(demo.fail("volume revert still").contains("not the latest one of volume"));
    assert_eq!(demo.column("volume snapshot list --limit 1 --max-items 1", "Name"), ["later"]);
    assert!(
        demo.fail("volume snapshot create --volume nothing none").contains("No Volume found for nothing")
    );
    for line in ["volume snapshot set --state error later", "volume snapshot delete --force later"] {
        assert!(
            demo.fail(line).contains("Policy doesn't allow volume_extension:snapshot_admin_actions"),
            "{line}"
        );
    }
    demo.as_admin(|admin| {
        assert_eq!(admin.column("volume snapshot list --project demo", "Name"), ["later", "still"]);
        let id = admin.column("volume snapshot list --all-projects --name later", "ID").remove(0);
        admin.run(&format!("volume snapshot set --state error {id}"));
        expect(&admin.show(&format!("volume snapshot show {id}")), &[("status", json!("error"))]);
        admin.run(&format!("volume snapshot delete --force {id}"));
    });
    demo.until_gone("volume snapshot list", "later");
    // The snapshot that is left goes with its volume.
    demo.run("volume delete --cascade bay");
    demo.run("volume delete copy");
    ["bay", "copy"].iter().for_each(|name| demo.until_gone("volume list", name));
    assert_eq!(demo.show("volume snapshot list"), json!([]));
}

pub fn transfers(demo: &mut Client) {
    demo.run("volume create --size 1 parcel");
    let volume = text(&demo.once("volume show parcel", "available")["id"]);
    let made = demo.show("volume transfer request create --name gift --no-snapshots parcel");
    expect(&made, &[("name", json!("gift")), ("volume_id", json!(volume))]);
    let (id, key) = (text(&made["id"]), text(&made["auth_key"]));
    expect(&demo.show("volume show parcel"), &[("status", json!("awaiting-transfer"))]);
    let shown = demo.show(&format!("volume transfer request show {id}"));
    expect(&shown, &[("name", json!("gift")), ("created_at", made["created_at"].clone())]);
    assert_eq!(shown.get("auth_key"), None);
    expect_row(
        &demo.show("volume transfer request list"),
        &[("Name", json!("gift")), ("Volume", json!(volume))],
    );
    assert!(demo.fail("volume transfer request create parcel").contains("status must be available"));
    demo.as_admin(|admin| {
        assert_eq!(admin.show("volume transfer request list"), json!([]));
        // The client forgets to ask for all.
        assert_eq!(admin.show("volume transfer request list --all-projects"), json!([]));
        let wrong = admin.fail(&format!("volume transfer request accept --auth-key wrong {id}"));
        assert!(wrong.contains("with invalid auth key"), "{wrong}");
        let taken = admin.show(&format!("volume transfer request accept --auth-key {key} {id}"));
        expect(&taken, &[("id", json!(id)), ("volume_id", json!(volume))]);
        assert_eq!(admin.column("volume list", "Name"), ["parcel"]);
        let again = text(&admin.show("volume transfer request create parcel")["id"]);
        admin.run(&format!("volume transfer request delete {again}"));
        let absent = admin.fail(&format!("volume transfer request delete {again}"));
        assert!(absent.contains(&format!("Transfer {again} could not be found")), "{absent}");
        admin.run("volume delete parcel");
        admin.until_gone("volume list", "parcel");
    });
    assert!(demo.column("volume list", "Name").is_empty());
}

pub fn backups(demo: &mut Client) {
    demo.run("volume create --size 1 bay");
    let volume = demo.once("volume show bay", "available")["id"].clone();
    let made = demo.show(
        "volume backup create --name safe --description dry --container box --property a=b --availability-zone nova bay",
    );
    expect(&made, &[("name", json!("safe")), ("volume_id", volume.clone())]);
    let shown = demo.once("volume backup show safe", "available");
    expect(
        &shown,
        &[
            ("description", json!("dry")),
            ("container", json!("box")),
            ("availability_zone", json!("nova")),
            ("size", json!(1)),
            ("is_incremental", json!(false)),
            ("has_dependent_backups", json!(false)),
            ("fail_reason", Json::Null),
            ("volume_id", volume),
            ("metadata", json!({"a": "b"})),
        ],
    );
    demo.run("volume backup create --name more --incremental --force bay");
    demo.once("volume backup show more", "available");
    let found = demo.show("volume backup list --long --name more --status available --volume bay");
    expect_row(&found, &[("Name", json!("more")), ("Incremental", json!(true)), ("Size", json!(1))]);
    demo.run("volume backup set --name safer --description damp --property c=d safe");
    let shown = demo.show("volume backup show safer");
    expect(
        &shown,
        &[
            ("description", json!("damp")),
            ("has_dependent_backups", json!(true)),
            ("metadata", json!({"a": "b", "c": "d"})),
        ],
    );
    // The client asks to remove what is to be kept, at a path that Cinder does not have.
    assert!(demo.fail("volume backup unset --property a safer").contains("404"));
    demo.run("volume backup set --no-property --property e=f safer");
    expect(&demo.show("volume backup show safer"), &[("metadata", json!({"e": "f"}))]);
    let kept = demo.fail("volume backup delete safer");
    assert!(kept.contains("Incremental backups exist for this backup"), "{kept}");
    let refused = demo.fail("volume backup set --state error safer");
    assert!(
        refused.contains("Policy doesn't allow volume_extension:backup_admin_actions:reset_status"),
        "{refused}"
    );
    assert!(demo.fail("volume backup create nothing").contains("No Volume found for nothing"));
}

pub fn restores(demo: &mut Client) {
    let exists = demo.fail("volume backup restore safer bay");
    assert!(exists.contains("Volume 'bay' already exists"), "{exists}");
    let made = demo.show("volume backup restore more fresh");
    expect(&made, &[("volume_name", json!("fresh"))]);
    let fresh = demo.once("volume show fresh", "available");
    assert_eq!(fresh["id"], made["volume_id"]);
    demo.once("volume backup show more", "available");
    let over = demo.show("volume backup restore --force safer bay");
    expect(&over, &[("volume_name", json!("bay"))]);
    demo.once("volume show bay", "available");
    demo.once("volume backup show safer", "available");
    let again = demo.show("volume create --backup more again");
    let more = demo.show("volume backup show more");
    expect(&again, &[("backup_id", more["id"].clone()), ("size", json!(1))]);
    demo.once("volume show again", "available");
    demo.run("volume delete fresh again");
    ["fresh", "again"].iter().for_each(|name| demo.until_gone("volume list", name));
}

/// What is known of a backup, carried to another service and back.
pub fn records(demo: &mut Client, (cloud, openstack): (&Cloud, &Path)) {
    let refused = demo.fail("volume backup record export safer");
    assert!(refused.contains("Policy doesn't allow backup:export-import"), "{refused}");
    let id = text(&demo.show("volume backup show safer")["id"]);
    demo.as_admin(|admin| {
        let record = admin.show(&format!("volume backup record export {id}"));
        let (service, address) = (text(&record["backup_service"]), text(&record["backup_url"]));
        // The client sends it to where records come from.
        let lost = admin.fail(&format!("volume backup record import {service} {address}"));
        assert!(lost.contains("/backups/export_record"), "{lost}");
        let other = "1f0b0a51-50f2-4f1b-9d51-4ad5bd2b7d3e";
        let script = format!(
            "import base64, json, openstack\n\
             volume = openstack.connect('cuttle-admin').block_storage\n\
             fields = json.loads(base64.b64decode('{address}')) | {{'id': '{other}'}}\n\
             other = base64.b64encode(json.dumps(fields).encode()).decode()\n\
             for url in '{address}', 'nonsense', other:\n\
             \x20   record = {{'backup_service': '{service}', 'backup_url': url}}\n\
             \x20   print(volume.post('/backups/import_record', json={{'backup-record': record}}).text)"
        );
        let output = cloud.python(openstack, &script);
        let answers = said(&output);
        assert!(answers.contains("Backup already exists in database"), "{answers}");
        assert!(answers.contains("Can't parse backup record"), "{answers}");
        // The objects are there, under the id of the backup that they were written for.
        admin.once(&format!("volume backup show {other}"), "available");
        admin.run(&format!("volume backup delete {other}"));
        admin.until_gone("volume backup list", other);
        admin.run(&format!("volume backup set --state error {id}"));
        assert_eq!(admin.column("volume backup list --project demo --status error", "ID"), [id.as_str()]);
        assert_eq!(admin.column("volume backup list --all-projects", "Name"), ["more", "safer"]);
        assert_eq!(admin.show("volume backup list"), json!([]));
    });
    demo.run("volume backup delete more");
    demo.until_gone("volume backup list", "more");
    demo.run("volume backup delete safer");
    demo.until_gone("volume backup list", "safer");
    demo.run("volume delete bay");
    demo.until_gone("volume list", "bay");
}
