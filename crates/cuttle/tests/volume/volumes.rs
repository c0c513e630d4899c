//! Volumes themselves: made, found, changed, moved.

use serde_json::{Value as Json, json};

use crate::client::{Client, expect, expect_row, text};

pub fn life(demo: &mut Client) {
    let made = demo.show(
        "volume create --size 1 --description salt --property colour=blue --availability-zone nova --type default \
         --hint different_host=nowhere --bootable --read-only bay",
    );
    expect(
        &made,
        &[
            ("name", json!("bay")),
            ("description", json!("salt")),
            ("size", json!(1)),
            ("type", json!("default")),
            ("status", json!("creating")),
            ("availability_zone", json!("nova")),
            ("encrypted", json!(false)),
            ("multiattach", json!(false)),
            ("consumes_quota", json!(true)),
            ("properties", json!({"colour": "blue"})),
        ],
    );
    let shown = demo.once("volume show bay", "available");
    expect(
        &shown,
        &[("bootable", json!(true)), ("properties", json!({"colour": "blue", "readonly": "True"}))],
    );
    // Where it lies is the operator's.
    assert_eq!(shown["os-vol-host-attr:host"], Json::Null);
    let clone = demo.show("volume create --source bay cove");
    expect(&clone, &[("source_volid", made["id"].clone()), ("size", json!(1))]);
    demo.once("volume show cove", "available");
    let long = demo.show("volume list --long");
    let properties = ("Properties", json!({"colour": "blue", "readonly": "True"}));
    expect_row(
        &long,
        &[("Name", json!("bay")), ("Type", json!("default")), ("Bootable", json!(true)), properties],
    );
    let found = demo.column("volume list --name bay --status available --property colour=blue", "Name");
    assert_eq!(found, ["bay"]);
    assert!(demo.column("volume list --property colour=red", "Name").is_empty());
    assert_eq!(demo.column("volume list --limit 1", "Name"), ["cove", "bay"]);
    let cove = text(&clone["id"]);
    assert_eq!(demo.column(&format!("volume list --marker {cove}"), "Name"), ["bay"]);
    let summary = demo.show("volume summary");
    assert_eq!(summary, json!({"Total Count": 2, "Total Size": 2, "Metadata": {"colour": ["blue"]}}));
    demo.as_admin(|admin| {
        assert_eq!(admin.show("volume list"), json!([]));
        assert_eq!(admin.column("volume list --project demo --user demo", "Name"), ["cove", "bay"]);
        assert_eq!(admin.show("volume summary")["Total Count"], 0);
        assert_eq!(admin.show("volume summary --all-projects")["Total Count"], 2);
    });
}

pub fn change(demo: &mut Client) {
    demo.run(
        "volume set --name gulf --description salty --property depth=9 --image-property os=debian --non-bootable \
         --read-write bay",
    );
    let shown = demo.show("volume show gulf");
    expect(
        &shown,
        &[
            ("description", json!("salty")),
            ("bootable", json!(false)),
            ("volume_image_metadata", json!({"os": "debian"})),
            ("properties", json!({"colour": "blue", "depth": "9", "readonly": "False"})),
        ],
    );
    demo.run("volume set --size 2 gulf");
    expect(&demo.once("volume show gulf", "available"), &[("size", json!(2))]);
    demo.run("volume unset --property depth --image-property os gulf");
    let shown = demo.show("volume show gulf");
    expect(&shown, &[("properties", json!({"colour": "blue", "readonly": "False"}))]);
    assert_eq!(shown.get("volume_image_metadata"), None);
    demo.run("volume set --no-property --property salt=much gulf");
    expect(&demo.show("volume show gulf"), &[("properties", json!({"salt": "much", "readonly": "False"}))]);
    demo.as_admin(|admin| admin.run("volume type create wide"));
    demo.run("volume set --type wide --migration-policy on-demand gulf");
    expect(&demo.once("volume show gulf", "available"), &[("type", json!("wide"))]);
    demo.run("volume set --type default gulf");
    demo.once("volume show gulf", "available");
    demo.as_admin(|admin| admin.run("volume type delete wide"));
}

pub fn refused(demo: &mut Client) {
    let table = [
        ("volume create nothing", "--size is a required option"),
        ("volume create --size 0 none", "Invalid volume size provided for create request: 0"),
        ("volume create --size 70000 none", "from 1 to 65536"),
        ("volume create --size 2000 none", "VolumeSizeExceedsAvailableQuota"),
        ("volume create --size 1 --type nothing none", "Volume type with name nothing could not be found"),
        ("volume create --size 1 --availability-zone mars none", "Availability zone 'mars' is invalid"),
        ("volume create --size 1 --host here none", "only supported with --remote-source"),
        ("volume show nothing", "No Volume found for nothing"),
        ("volume set --size 2 gulf", "New size must be greater than 2 GB"),
        ("volume set --size 2000 gulf", "VolumeSizeExceedsAvailableQuota"),
        ("volume set --size 70000 gulf", "from 1 to 65536"),
        (
            "volume set --state error gulf",
            "Policy doesn't allow volume_extension:volume_admin_actions:reset_status",
        ),
        (
            "volume set --attached gulf",
            "Policy doesn't allow volume_extension:volume_admin_actions:reset_status",
        ),
        ("volume set --type nothing gulf", "No Type found for nothing"),
        ("volume unset --property depth gulf", "has no metadata with key depth"),
        ("volume unset --image-property os gulf", "cannot be found"),
        (
            "volume migrate --host vm@local#local gulf",
            "Policy doesn't allow volume_extension:volume_admin_actions",
        ),
        ("volume delete --force gulf", "Policy doesn't allow volume:force_delete"),
        ("volume delete nothing", "1 of 1 volumes failed to delete"),
    ];
    for (line, why) in table {
        let said = demo.fail(line);
        assert!(said.contains(why), "{line}: {said}");
    }
    let alone = demo.ask("volume set --migration-policy never gulf");
    assert!(alone.stderr.contains("will not work without '--type'"), "{}", alone.stderr);
    assert_eq!(demo.column("volume list", "Name"), ["cove", "gulf"]);
    expect(&demo.show("volume show gulf"), &[("size", json!(2)), ("status", json!("available"))]);
}

/// What an operator says of a volume, and where an operator moves it.
pub fn states(demo: &mut Client) {
    let id = text(&demo.show("volume show gulf")["id"]);
    demo.as_admin(|admin| {
        let place = text(&admin.show(&format!("volume show {id}"))["os-vol-host-attr:host"]);
        let here = admin.fail(&format!("volume migrate --host {place} {id}"));
        assert!(here.contains("destination host/cluster must be different than the current one"), "{here}");
        let nowhere = admin.fail(&format!("volume migrate --host nowhere@no#no {id}"));
        assert!(nowhere.contains("No available service named 'nowhere@no#no'"), "{nowhere}");
        admin.run(&format!("volume set --state error --attached {id}"));
        assert_eq!(admin.column("volume list --all-projects --status error", "ID"), [id.as_str()]);
        admin.run(&format!("volume set --state maintenance --detached {id}"));
    });
    expect(&demo.show("volume show gulf"), &[("status", json!("maintenance"))]);
    demo.as_admin(|admin| admin.run(&format!("volume delete --force {id}")));
    demo.run("volume delete cove");
    ["gulf", "cove"].iter().for_each(|name| demo.until_gone("volume list", name));
}
