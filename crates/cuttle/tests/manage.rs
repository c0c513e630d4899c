//! Volumes and snapshots that are left, and disks that are taken in, by the client's commands.

use serde_json::{Value as Json, json};

use crate::client::{Client, text};
use crate::commands::Stage;

/// Runs all commands. At the end there is what there was at the start.
pub fn run(stage: &mut Stage<'_>) {
    let unmanaged = stage.cloud.dir().join("unmanaged");
    stage.client.as_admin(|client| {
        go_and_come_back(client);
        // A simulated host has no files.
        if unmanaged.exists() {
            let mut disk = vec![0; 3 << 20];
            disk[..4].copy_from_slice(b"here");
            std::fs::write(unmanaged.join("disk.raw"), disk).unwrap();
            let host = host_of(client, "filled");
            take_in(client, "disk.raw", &host, "disk");
            assert!(!unmanaged.join("disk.raw").exists());
            client.run("volume delete disk");
            client.until_gone("volume list", "disk");
        }
    });
}

pub fn go_and_come_back(client: &mut Client) {
    let id = text(&client.show("volume create --size 1 old")["id"]);
    client.once("volume show old", "available");
    let host = host_of(client, "old");
    let name = format!("volume-{id}");
    assert_eq!(reason_not_safe(client, &host, &name), "already managed");
    client.run("volume delete --remote old");
    client.until_gone("volume list", "old");
    assert_eq!(reason_not_safe(client, &host, &name), "None");
    take_in(client, &name, &host, "new");

    let snapshot = text(&client.show("volume snapshot create --volume new s1")["id"]);
    client.once("volume snapshot show s1", "available");
    client.run("volume snapshot delete --remote s1");
    client.until_gone("volume snapshot list", "s1");
    let listed =
        client.show(&format!("--os-volume-api-version 3.8 block storage snapshot manageable list {host}"));
    let name = format!("_snapshot-{snapshot}");
    let row = row_of(&listed, &name);
    assert_eq!(row["safe_to_manage"], true, "{listed}");
    client.run(&format!("volume snapshot create --volume new --remote-source source-name={name} s2"));
    client.once("volume snapshot show s2", "available");
    client.run("volume snapshot delete s2");
    client.until_gone("volume snapshot list", "s2");
    client.run("volume delete new");
    client.until_gone("volume list", "new");
}

/// Has a disk become a volume.
fn take_in(client: &mut Client, name: &str, host: &str, volume: &str) {
    let shown = client
        .show(&format!("volume create --remote-source source-name={name} --host {host} --bootable {volume}"));
    assert_eq!((&shown["status"], &shown["size"]), (&json!("creating"), &json!(0)), "{shown}");
    let shown = client.once(&format!("volume show {volume}"), "available");
    assert_eq!((&shown["size"], &shown["bootable"]), (&json!(1), &json!(true)), "{shown}");
}

fn host_of(client: &mut Client, volume: &str) -> String {
    let listed = client.show("volume list --all-projects");
    let row = listed.as_array().unwrap().iter().find(|row| row["Name"] == volume).unwrap();
    let id = text(&row["ID"]);
    text(&client.show(&format!("volume show {id}"))["os-vol-host-attr:host"])
}

fn reason_not_safe(client: &mut Client, host: &str, name: &str) -> String {
    let list = format!("--os-volume-api-version 3.8 block storage volume manageable list --long {host}");
    let listed = client.show(&list);
    let reason = &row_of(&listed, name)["reason_not_safe"];
    if reason.is_null() { "None".to_owned() } else { text(reason) }
}

/// The row of a name. A reference is printed as Python writes it, or as JSON.
fn row_of<'r>(listed: &'r Json, name: &str) -> &'r Json {
    let rows = listed.as_array().unwrap();
    rows.iter().find(|row| row["reference"].to_string().contains(name)).unwrap_or_else(|| panic!("{listed}"))
}
