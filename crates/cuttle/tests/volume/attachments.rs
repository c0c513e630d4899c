//! Attachments: those that clients make, and those of servers.

use serde_json::{Value as Json, json};

use crate::client::{Client, expect, expect_row, field, text};
use crate::cloud::Folder;

pub fn by_client(demo: &mut Client, folder: &Folder) {
    let file = folder.write("hull", &[7; 5000]);
    demo.run(&format!("image create --disk-format raw --container-format bare --file {file} hull"));
    let server = text(&demo.show("server create --image hull --flavor m1.nano --nic none --wait ship")["id"]);
    demo.run("volume create --size 1 bay");
    let volume = text(&demo.once("volume show bay", "available")["id"]);
    let made = demo.show("volume attachment create --server ship --mode ro bay");
    expect(
        &made,
        &[
            ("volume_id", json!(volume)),
            ("instance_id", json!(server)),
            ("status", json!("reserved")),
            ("attach_mode", json!("ro")),
            ("properties", json!({})),
        ],
    );
    let id = text(field(&made, "id"));
    expect(&demo.show("volume show bay"), &[("status", json!("reserved"))]);
    let set = demo.show(&format!("volume attachment set --host here --mountpoint /dev/vdx {id}"));
    assert_eq!(field(&set, "properties")["access_mode"], "ro");
    demo.run(&format!("volume attachment complete {id}"));
    expect(&demo.show(&format!("volume attachment show {id}")), &[("status", json!("attached"))]);
    let found = demo.show(&format!("volume attachment list --volume-id {volume} --server-id {server}"));
    let row = [("ID", json!(id)), ("Server ID", json!(server)), ("Status", json!("attached"))];
    expect_row(&found, &row);
    // As in Cinder, whose attachments have no column of this name.
    assert_eq!(demo.show("volume attachment list --status attached"), json!([]));
    let attached = demo.show("volume show bay");
    expect(&attached, &[("status", json!("in-use"))]);
    expect(&attached["attachments"][0], &[("device", json!("/dev/vdx")), ("server_id", json!(server))]);
    lists(demo, &id);
    let table = [
        ("volume attachment create --server ship bay", "status must be available to reserve"),
        ("volume attachment create --server ship --host here bay", "You must specify the --connect option"),
        ("volume attachment create --server nothing bay", "No Server found for nothing"),
        ("volume attachment show nothing", "could not be found with filter: attachment_id = nothing"),
        ("volume delete bay", "must not be migrating, attached"),
    ];
    for (line, why) in table {
        let said = demo.fail(line);
        assert!(said.contains(why), "{line}: {said}");
    }
    demo.run(&format!("volume attachment delete {id}"));
    expect(&demo.once("volume show bay", "available"), &[("attachments", json!([]))]);
    let connected = demo.show(
        "volume attachment create --connect --host here --initiator iqn.x --ip 10.0.0.1 --platform x86_64 --os-type \
         linux --mountpoint /dev/vdq --server ship bay",
    );
    assert_eq!(field(&connected, "properties")["access_mode"], "rw");
    demo.run(&format!("volume attachment delete {}", text(field(&connected, "id"))));
    demo.once("volume show bay", "available");
}

/// Whose attachments a list shows.
fn lists(demo: &mut Client, id: &str) {
    demo.as_admin(|admin| {
        for filter in ["--all-projects", "--project demo"] {
            assert_eq!(admin.column(&format!("volume attachment list {filter}"), "ID"), [id], "{filter}");
        }
        assert_eq!(admin.show("volume attachment list --project admin"), json!([]));
    });
    let own = text(&demo.show("token issue")["project_id"]);
    let refused = demo.fail(&format!("volume attachment list --project {own}"));
    assert!(refused.contains("Invalid filters project_id are found"), "{refused}");
}

/// A volume in a server is the server's to let go.
pub fn of_server(demo: &mut Client) {
    demo.run("server add volume ship bay");
    demo.once("volume show bay", "in-use");
    let id = demo.column("volume attachment list", "ID").remove(0);
    let kept = demo.fail(&format!("volume attachment delete {id}"));
    assert!(kept.contains("409") && kept.contains("using the Compute API"), "{kept}");
    demo.run("volume set --size 2 bay");
    expect(&demo.once("volume show bay", "in-use"), &[("size", json!(2))]);
    let rows = demo.show("volume list");
    assert_eq!(rows[0]["Attached to"][0]["device"], "/dev/vdb");
    // An administrator is told the host, a member is not.
    assert_eq!(rows[0]["Attached to"][0]["host_name"], Json::Null);
    demo.run("server remove volume ship bay");
    demo.once("volume show bay", "available");
    demo.run("server delete --wait ship");
    demo.run("image delete hull");
    demo.run("volume delete bay");
    demo.until_gone("volume list", "bay");
}
