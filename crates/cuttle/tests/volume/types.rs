//! What volumes are of: types, who may use them, how they encrypt, and their QoS.

use serde_json::{Value as Json, json};

use crate::client::{Client, expect, expect_row, text};

pub fn of_volumes(admin: &mut Client) {
    let made = admin.show(
        "volume type create --description fast --property a=b --cacheable --availability-zone nova quick",
    );
    let properties = json!({"a": "b", "cacheable": "<is> True", "RESKEY:availability_zones": "nova"});
    expect(&made, &[("name", json!("quick")), ("description", json!("fast")), ("is_public", json!(true))]);
    assert_eq!(made["properties"], properties);
    admin.run("volume type set --name swift --description faster --property c=d quick");
    admin.run("volume type unset --property a --property cacheable swift");
    let shown = admin.show("volume type show swift");
    expect(&shown, &[("description", json!("faster")), ("access_project_ids", Json::Null)]);
    assert_eq!(shown["properties"], json!({"c": "d", "RESKEY:availability_zones": "nova"}));
    let long = admin.show("volume type list --long --public");
    expect_row(&long, &[("Name", json!("swift")), ("Description", json!("faster"))]);
    assert_eq!(admin.column("volume type list --default", "Name"), ["default"]);
    let absent = admin.fail("volume type unset --property a swift");
    assert!(absent.contains("has no extra specs with key a"), "{absent}");
    let twice = admin.fail("volume type create swift");
    assert!(twice.contains("409") && twice.contains("Volume Type swift already exists"), "{twice}");
    let some = admin.fail("volume type delete swift nothing");
    assert!(some.contains("1 of 2 volume types failed to delete"), "{some}");
    assert!(admin.fail("volume type show swift").contains("No Type found for swift"));
}

/// Who may use a type that not everybody may.
pub fn access(demo: &mut Client) {
    let refused = demo.fail("volume type create own");
    assert!(refused.contains("Policy doesn't allow volume_extension:type_create"), "{refused}");
    demo.as_admin(|admin| {
        admin.run("volume type create --private secret");
        assert_eq!(admin.column("volume type list --private", "Name"), ["secret"]);
    });
    assert_eq!(demo.column("volume type list", "Name"), ["default"]);
    demo.as_admin(|admin| {
        admin.run("volume type set --project demo secret");
        let project = text(&admin.show("project show demo")["id"]);
        assert_eq!(admin.show("volume type show secret")["access_project_ids"], json!([project]));
        let twice = admin.fail("volume type set --project demo secret");
        assert!(twice.contains("409"), "{twice}");
        let public = admin.fail("volume type set --project demo default");
        assert!(public.contains("not applicable to public volume type"), "{public}");
    });
    assert_eq!(demo.column("volume type list", "Name"), ["secret", "default"]);
    demo.as_admin(|admin| {
        admin.run("volume type unset --project demo secret");
        assert!(admin.fail("volume type unset --project demo secret").contains("404"));
        admin.run("volume type delete secret");
    });
}

pub fn encryption(demo: &mut Client) {
    let luks = json!({"provider": "luks", "cipher": "aes-xts-plain64", "key_size": 256, "control_location": "front-end"});
    let told = |of: &Json| {
        let mut of = of.clone();
        assert!(of.as_object_mut().unwrap().remove("encryption_id").is_some(), "{of}");
        of
    };
    let options = "--encryption-provider luks --encryption-cipher aes-xts-plain64 --encryption-key-size 256";
    demo.as_admin(|admin| {
        let made = admin.show(&format!("volume type create {options} locked"));
        assert_eq!(told(&made["encryption"]), luks);
        admin.run("volume type set --encryption-key-size 512 locked");
        let shown = admin.show("volume type show --encryption-type locked");
        assert_eq!(shown["encryption"]["key_size"], 512);
    });
    let volume = demo.show("volume create --size 1 --type locked vault");
    expect(&volume, &[("encrypted", json!(true)), ("type", json!("locked"))]);
    demo.once("volume show vault", "available");
    for (kind, is_encrypted) in [("default", false), ("locked", true)] {
        let refused = demo.fail(&format!("volume set --type {kind} vault"));
        assert!(refused.contains("Retype requires migration but is not allowed."), "{refused}");
        demo.run(&format!("volume set --type {kind} --migration-policy on-demand vault"));
        let volume = demo.once("volume show vault", "available");
        expect(&volume, &[("encrypted", json!(is_encrypted)), ("type", json!(kind))]);
    }
    let hidden = demo.fail("volume type list --encryption-type");
    assert!(hidden.contains("Policy doesn't allow volume_extension:volume_type_encryption:get"), "{hidden}");
    demo.as_admin(|admin| {
        let used = admin.fail("volume type unset --encryption-type locked");
        assert!(used.contains("Volume type in use"), "{used}");
    });
    demo.run("volume delete vault");
    demo.until_gone("volume list", "vault");
    demo.as_admin(|admin| {
        admin.run("volume type unset --encryption-type locked");
        let asked = admin.ask(&format!("volume type set {options} locked"));
        assert!(asked.code == 0 && asked.stderr.contains("creating new encryption type"), "{}", asked.stderr);
        let rows = admin.show("volume type list --encryption-type");
        let row = rows.as_array().unwrap().iter().find(|row| row["Name"] == "locked").unwrap();
        assert_eq!(told(&row["Encryption"]), luks);
        admin.run("volume type delete locked");
    });
}

pub fn qos(admin: &mut Client) {
    admin.run("volume type create held");
    let made = admin.show("volume qos create --consumer front-end --property read_iops_sec=10 slow");
    expect(&made, &[("name", json!("slow")), ("consumer", json!("front-end"))]);
    assert_eq!(made["properties"], json!({"read_iops_sec": "10"}));
    expect(&admin.show("volume qos create other"), &[("consumer", json!("both"))]);
    assert!(admin.fail("volume qos create slow").contains("QoS Specs slow already exists"));
    admin.run("volume qos associate slow held");
    expect_row(
        &admin.show("volume qos list"),
        &[("Name", json!("slow")), ("Associations", json!(["held"])), ("Consumer", json!("front-end"))],
    );
    let taken = admin.fail("volume qos associate other held");
    assert!(taken.contains("already associated with another qos specs"), "{taken}");
    assert!(admin.fail("volume qos delete slow").contains("Qos specs still in use"));
    admin.run("volume qos set --property read_iops_sec=20 --property write_iops_sec=30 slow");
    admin.run("volume qos unset --property read_iops_sec slow");
    let shown = admin.show("volume qos show slow");
    assert_eq!(
        (&shown["associations"], &shown["properties"]),
        (&json!(["held"]), &json!({"write_iops_sec": "30"}))
    );
    let absent = admin.fail("volume qos unset --property read_iops_sec slow");
    assert!(absent.contains("has no spec with key read_iops_sec"), "{absent}");
    admin.run("volume qos set --no-property --property size_iops_sec=9 slow");
    assert_eq!(admin.show("volume qos show slow")["properties"], json!({"size_iops_sec": "9"}));
    admin.run("volume qos disassociate --volume-type held slow");
    assert_eq!(admin.show("volume qos show slow").get("associations"), None);
    admin.run("volume qos associate other held");
    admin.run("volume qos disassociate --all other");
    admin.run("volume qos delete slow other");
    assert_eq!(admin.show("volume qos list"), json!([]));
    admin.run("volume type delete held");
}
