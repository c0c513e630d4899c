//! What operators look at: messages of what failed, services, pools, filters.

use serde_json::{Value as Json, json};

use crate::client::{Client, expect, expect_row, field, text};
use crate::cloud::wait_for;

/// The client asks for messages in microversion 3.0, which has none, unless it is told another.
const SINCE: &str = "--os-volume-api-version 3.70";

pub fn messages(demo: &mut Client) {
    demo.as_admin(|admin| admin.run("volume type create --property volume_backend_name=nowhere lost"));
    demo.run("volume create --size 1 --type lost drift");
    let volume = demo.once("volume show drift", "error")["id"].clone();
    let list = format!("{SINCE} volume message list");
    wait_for(|| match demo.show(&list).as_array().map(Vec::len) {
        Some(1) => Ok(()),
        other => Err(format!("there are {other:?} messages")),
    });
    let rows = demo.show(&list);
    expect_row(
        &rows,
        &[
            ("Event ID", json!("VOLUME_VOLUME_001_003")),
            ("Resource Type", json!("VOLUME")),
            ("Resource UUID", volume),
            ("Message Level", json!("ERROR")),
            (
                "User Message",
                json!("schedule allocate volume:Could not find any available weighted backend."),
            ),
        ],
    );
    assert!(text(&rows[0]["Request ID"]).starts_with("req-"), "{rows}");
    let id = text(&rows[0]["ID"]);
    demo.as_admin(|admin| {
        assert_eq!(admin.column(&format!("{list} --project demo"), "ID"), [id.as_str()]);
    });
    // Of what is shown the client finds the id alone: it looks below "messages", and Cinder answers with a "message".
    let shown = demo.show(&format!("{SINCE} volume message show {id}"));
    assert_eq!(field(&shown, "id"), &json!(id));
    demo.run(&format!("{SINCE} volume message delete {id}"));
    let absent = demo.fail(&format!("{SINCE} volume message show {id}"));
    assert!(absent.contains(&format!("Message {id} could not be found")), "{absent}");
    assert!(demo.fail(&format!("{SINCE} volume message delete {id}")).contains("1 of 1 messages"));
    demo.run("volume delete drift");
    demo.until_gone("volume list", "drift");
    demo.as_admin(|admin| admin.run("volume type delete lost"));
}

pub fn services(admin: &mut Client) {
    let rows = admin.show("volume service list");
    expect_row(
        &rows,
        &[("Binary", json!("cinder-scheduler")), ("Status", json!("enabled")), ("State", json!("up"))],
    );
    expect_row(
        &rows,
        &[("Binary", json!("cinder-backup")), ("Status", json!("enabled")), ("State", json!("up"))],
    );
    let host = admin.column("volume service list --service cinder-volume", "Host").remove(0);
    let state = |admin: &mut Client| {
        let rows = admin.show(&format!("volume service list --host {host} --long"));
        (text(&rows[0]["Status"]), rows[0]["Disabled Reason"].clone())
    };
    admin.run(&format!("volume service set {host} cinder-volume --disable --disable-reason rest"));
    assert_eq!(state(admin), ("disabled".to_owned(), json!("rest")));
    admin.run(&format!("volume service set {host} cinder-volume --enable"));
    assert_eq!(state(admin), ("enabled".to_owned(), Json::Null));
    admin.run(&format!("volume host set {host} --disable"));
    assert_eq!(state(admin), ("disabled".to_owned(), json!("frozen")));
    admin.run(&format!("volume host set {host} --enable"));
    assert_eq!(state(admin).0, "enabled");
    let alone = admin.fail(&format!("volume service set {host} cinder-volume --disable-reason rest"));
    assert!(alone.contains("without --disable"), "{alone}");
    let unknown = admin.fail("volume host set nowhere --enable");
    assert!(unknown.contains("Service could not be found on host nowhere"), "{unknown}");
    assert!(admin.fail("volume service set nowhere cinder-volume --enable").contains("No Service found"));
}

pub fn logs(admin: &mut Client) {
    let levels = |admin: &mut Client, more: &str| {
        let rows = admin.show(&format!("block storage log level list --host cuttle {more}"));
        let rows = rows.as_array().unwrap().clone();
        assert!(!rows.is_empty() && rows.iter().all(|row| row["Host"] == "cuttle"), "{rows:?}");
        rows.into_iter()
            .map(|row| (text(&row["Binary"]), text(&row["Prefix"]), text(&row["Level"])))
            .collect::<Vec<_>>()
    };
    let of = |level: &str| ("cinder-api".to_owned(), "rest".to_owned(), level.to_owned());
    assert!(levels(admin, "").contains(&of("INFO")));
    admin.run("block storage log level set debug --log-prefix rest");
    assert_eq!(levels(admin, "--service cinder-api --log-prefix rest")[0], of("DEBUG"));
    assert!(
        levels(admin, "--service cinder-scheduler")
            .iter()
            .any(|(_, prefix, level)| prefix != "rest" && level == "INFO")
    );
    admin.run("block storage log level set INFO --service cinder-api --host cuttle");
    assert!(levels(admin, "").iter().all(|(_, _, level)| level == "INFO"));
    let refused = admin.fail("block storage log level set DEBUG --service cinder-volume");
    assert!(refused.contains("that of a host is set where its agent is started"), "{refused}");
}

/// The client asks only where a binary, a host and a cluster are named, be it by nothing.
pub fn cleanup(admin: &mut Client) {
    let clean = |admin: &mut Client, (binary, host): (&str, &str), more: &str| {
        admin.show(&format!("block storage cleanup --binary {binary} --host {host} {more}"))
    };
    let scheduler = ("cinder-scheduler", "cuttle");
    // Whoever is down has nobody to look at its work, and nobody is.
    assert_eq!(clean(admin, scheduler, "--cluster="), json!([]));
    let host = admin.column("volume service list --service cinder-volume", "Host").remove(0);
    let backend = ("cinder-volume", host.as_str());
    assert_eq!(clean(admin, backend, "--cluster= --down --resource-type Volume"), json!([]));
    let rows = clean(admin, scheduler, "--cluster= --up --enabled");
    let expected = [("Host", json!("cuttle")), ("Status", json!("Cleaning")), ("Cluster Name", Json::Null)];
    expect_row(&rows, &expected);
    let id = rows[0]["ID"].clone();
    expect_row(&clean(admin, scheduler, &format!("--cluster= --up --service-id {id}")), &expected);
    expect_row(&clean(admin, backend, "--cluster= --up"), &[("Binary", json!("cinder-volume"))]);
    assert_eq!(clean(admin, backend, "--cluster= --up --disabled"), json!([]));
    assert_eq!(clean(admin, backend, "--cluster none --up"), json!([]));
    let none = "00000000-0000-4000-8000-000000000000";
    expect_row(
        &clean(admin, backend, &format!("--cluster= --up --resource-id {none}")),
        &[("Host", json!(host))],
    );
}

pub fn storage(admin: &mut Client) {
    let pools = admin.show("volume backend pool list --long");
    let name = text(&pools[0]["Name"]);
    assert_eq!(admin.column("volume backend pool list", "Name"), [name.as_str()]);
    let capabilities = &pools[0]["Capabilities"];
    expect(
        capabilities,
        &[("vendor_name", json!("Open Source")), ("thin_provisioning_support", json!(true))],
    );
    let host = name.split('#').next().unwrap();
    let told = admin.show(&format!("volume backend capability show {host}"));
    expect_row(&told, &[("Key", json!("thin_provisioning")), ("Type", json!("boolean"))]);
    let unknown = admin.fail("volume backend capability show nowhere");
    assert!(unknown.contains("Can't find service: nowhere"), "{unknown}");
    // Backends are not clustered here.
    assert_eq!(admin.show("block storage cluster list --long"), json!([]));
    let absent = admin.fail("block storage cluster show none");
    assert!(absent.contains("'name': 'none'} could not be found"), "{absent}");
    let absent =
        admin.fail(&format!("{SINCE} block storage cluster set none --disable --disable-reason rest"));
    assert!(absent.contains("'name': 'none'} could not be found"), "{absent}");
}

pub fn filters(admin: &mut Client) {
    let rows = admin.show("block storage resource filter list");
    expect_row(&rows, &[("Resource", json!("backup")), ("Filters", json!(["name", "status", "volume_id"]))]);
    let shown = admin.show("block storage resource filter show volume");
    let filters = field(&shown, "filters").as_array().unwrap().clone();
    assert!(filters.contains(&json!("bootable")), "{shown}");
}
