//! Every image command of the `openstack` client on a simulated cloud; which there are is read from the client.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::client::{Client, every_command, expect, expect_row, openstack, text};
use crate::cloud::{Cloud, Folder, said, wait_for};

#[test]
fn every_image_command_works() {
    every_command("every_image_command_works", "openstack.image.v2", |client, (cloud, openstack)| {
        let folder = cloud.folder();
        image(client, folder);
        members(client);
        imports(client, folder);
        of_volume(client);
        client.as_admin(|admin| {
            tasks(admin);
            cache(admin);
            namespaces(admin);
            objects(admin, (cloud, openstack));
            properties(admin);
            resource_types(admin);
        });
        away(client);
    });
}

#[test]
fn the_client_fills_and_empties_a_cache() {
    let openstack = match openstack() {
        Ok(path) => path,
        Err(why) => return println!("skipped: the_client_fills_and_empties_a_cache: {why}"),
    };
    let cloud = Cloud::configured("image_cache_max_size = 8000\n");
    let figures =
        cloud.metrics("# TYPE cuttle_image_cache_max_bytes gauge\ncuttle_image_cache_max_bytes 8000\n");
    assert!(figures.contains("cuttle_image_cache_images 0\n"), "{figures}");
    let file = cloud.folder().write("image", BYTES);
    let mut admin = Client::start(&openstack, &cloud.dir().join("clouds.yaml"));
    admin.as_admin(|admin| {
        admin.run(&format!("image create --disk-format raw --container-format bare --file {file} reef"));
        assert_eq!(admin.show("cached image list"), json!([]));
        let fill = |admin: &mut Client| {
            admin.run("cached image queue reef");
            wait_for(|| match admin.show("cached image list") {
                rows if rows[0]["State"] == "cached" => Ok(rows),
                rows => Err(rows.to_string()),
            })
        };
        let id = admin.column("image list --name reef", "ID").remove(0);
        let rows = fill(admin);
        expect_row(&rows, &[("ID", json!(id)), ("Size", json!(5000)), ("Hits", json!(0))]);
        let saved = cloud.folder().path("saved");
        admin.run(&format!("image save --file {saved} reef"));
        assert!(std::fs::read(&saved).unwrap() == BYTES, "the image came back changed");
        expect_row(&admin.show("cached image list"), &[("ID", json!(id)), ("Hits", json!(1))]);
        admin.run("cached image delete reef");
        assert_eq!(admin.show("cached image list"), json!([]));
        for clear in ["cached image clear", "cached image clear --cache"] {
            fill(admin);
            admin.run("cached image clear --queue");
            assert_eq!(admin.column("cached image list", "State"), ["cached"]);
            admin.run(clear);
            assert_eq!(admin.show("cached image list"), json!([]));
        }
        // There are no commands for these.
        let script = "import openstack\n\
                      image = openstack.connect('cuttle-admin').image\n\
                      image.clean_cache()\n\
                      print(image.prune_cache())";
        let output = cloud.python(&openstack, script);
        assert!(said(&output).contains("'total_bytes_pruned': 0"), "{}", said(&output));
        fill(admin);
        admin.run("image delete reef");
        wait_for(|| match admin.show("cached image list") {
            rows if rows == json!([]) => Ok(()),
            rows => Err(rows.to_string()),
        });
    });
}

const BYTES: &[u8] = &[7; 5000];

fn image(demo: &mut Client, folder: &Folder) {
    let file = folder.write("image", BYTES);
    let made = demo.show(&format!(
        "image create --disk-format raw --container-format bare --min-disk 1 --min-ram 64 --property colour=blue \
         --tag deep --protected --file {file} reef"
    ));
    expect(
        &made,
        &[
            ("name", json!("reef")),
            ("status", json!("active")),
            ("size", json!(5000)),
            ("virtual_size", json!(5000)),
            ("min_disk", json!(1)),
            ("min_ram", json!(64)),
            ("protected", json!(true)),
            ("visibility", json!("shared")),
            ("tags", json!(["deep"])),
        ],
    );
    assert_eq!(made["properties"]["colour"], "blue");
    assert!(demo.fail("image delete reef").contains("protected"));
    demo.run(
        "image set --name atoll --min-disk 2 --min-ram 128 --property colour=red --tag blue --architecture x86_64 \
         --os-distro debian --os-version 12 --hidden --unprotected reef",
    );
    let shown = demo.show("image show --human-readable atoll");
    expect(&shown, &[("min_disk", json!(2)), ("protected", json!(false)), ("size", json!("5K"))]);
    expect(
        &shown["properties"],
        &[("colour", json!("red")), ("architecture", json!("x86_64")), ("os_distro", json!("debian"))],
    );
    assert_eq!(demo.column("image list --hidden", "Name"), ["atoll"]);
    assert!(demo.column("image list", "Name").is_empty());
    demo.run("image set --unhidden atoll");
    let found = demo.show(
        "image list --long --shared --name atoll --status active --tag blue --property colour=red --sort name:desc",
    );
    expect_row(
        &found,
        &[("Name", json!("atoll")), ("Size", json!(5000)), ("Checksum", made["checksum"].clone())],
    );
    demo.run("image unset --tag deep --property colour atoll");
    let shown = demo.show("image show atoll");
    expect(&shown, &[("tags", json!(["blue"]))]);
    assert_eq!(shown["properties"]["colour"], Json::Null);
    let saved = folder.path("saved");
    demo.run(&format!("image save --file {saved} atoll"));
    assert!(std::fs::read(&saved).unwrap() == BYTES, "the image came back changed");
    assert!(demo.fail("image set --public atoll").contains("403"));
    demo.as_admin(|admin| {
        let id = text(&made["id"]);
        admin.run(&format!("image set --deactivate {id}"));
        assert!(admin.show(&format!("image show {id}"))["status"] == "deactivated");
        admin.run(&format!("image set --activate {id}"));
    });
    demo.run("image set --community atoll");
    assert_eq!(demo.as_admin(|admin| admin.column("image list --community", "Name")), ["atoll"]);
    demo.run("image set --shared atoll");
    let pages = demo.column("image list --limit 1 --max-items 1", "Name");
    assert_eq!(pages, ["atoll"]);
}

fn members(demo: &mut Client) {
    // By id, for this user may not look names up.
    let admin_id = demo.as_admin(|admin| text(&admin.show("project show admin")["id"]));
    let member = demo.show(&format!("image add project atoll {admin_id}"));
    expect(&member, &[("member_id", json!(admin_id)), ("status", json!("pending"))]);
    assert_eq!(demo.column("image member list atoll", "Member ID"), [admin_id.as_str()]);
    let shown = demo.show(&format!("image member get atoll {admin_id}"));
    expect(&shown, &[("status", json!("pending"))]);
    let id = text(&demo.show("image show atoll")["id"]);
    demo.as_admin(|admin| {
        admin.run(&format!("image set --accept {id}"));
        assert_eq!(admin.column("image list --shared --member-status accepted", "Name"), ["atoll"]);
    });
    let shown = demo.show(&format!("image member get atoll {admin_id}"));
    expect(&shown, &[("status", json!("accepted"))]);
    demo.run(&format!("image remove project atoll {admin_id}"));
    assert!(demo.column("image member list atoll", "Member ID").is_empty());
}

/// The ways in which bytes come in beside an upload.
fn imports(demo: &mut Client, folder: &Folder) {
    let methods = demo.show("image import info")["import-methods"].clone();
    assert_eq!(methods, json!(["glance-direct", "web-download"]));
    let made = demo.show("image create --disk-format raw --container-format bare staged");
    expect(&made, &[("status", json!("queued"))]);
    let file = folder.path("image");
    demo.run(&format!("image stage --file {file} staged"));
    expect(&demo.show("image show staged"), &[("status", json!("uploading"))]);
    // It shows the image as it was before.
    demo.run("image import --method glance-direct --wait staged");
    expect(&demo.show("image show staged"), &[("status", json!("active")), ("size", json!(5000))]);
    demo.run(&format!(
        "image create --disk-format raw --container-format bare --import --file {file} imported"
    ));
    demo.once("image show imported", "active");
    expect_row(&demo.show("image stores list"), &[("ID", json!("cuttle")), ("Default", json!(true))]);
    let refused = demo.fail("image import --method web-download --uri http://127.0.0.1/x staged");
    assert!(refused.contains("queued"), "{refused}");
}

/// An image is made of a volume by this command, too.
fn of_volume(demo: &mut Client) {
    demo.run("volume create --size 1 bay");
    demo.once("volume show bay", "available");
    let made = demo.show("image create --disk-format raw --container-format bare --volume bay water");
    expect(&made, &[("image_name", json!("water")), ("status", json!("uploading"))]);
    demo.once("image show water", "active");
    demo.run("image delete water");
    demo.once("volume show bay", "available");
    demo.run("volume delete bay");
}

fn tasks(admin: &mut Client) {
    let rows = admin.show("image task list --type import --status success");
    assert_eq!(rows, json!([]), "imports have a type of their own");
    let rows = admin.show("image task list --status success --sort-key created_at --limit 1 --max-items 1");
    expect_row(&rows, &[("Type", json!("api_image_import")), ("Status", json!("success"))]);
    let id = text(&rows[0]["ID"]);
    expect(&admin.show(&format!("image task show {id}")), &[("id", json!(id)), ("status", json!("success"))]);
    let stores = admin.show("image stores list --detail");
    expect_row(&stores, &[("ID", json!("cuttle")), ("Properties", json!({}))]);
}

/// There is no cache, and the answers are those of a Glance without one.
fn cache(admin: &mut Client) {
    let none = "Caching via API is not supported at this site";
    let id = admin.column("image list --all --name atoll", "ID").remove(0);
    assert!(admin.fail("cached image list").contains(none));
    assert!(admin.fail(&format!("cached image queue {id}")).contains(none));
    assert!(admin.fail("cached image clear --cache").contains("Failed to clear"));
    // What is not in a cache is removed from it, says the client.
    admin.run(&format!("cached image delete {id}"));
}

fn namespaces(admin: &mut Client) {
    let made = admin.show(
        "image metadef namespace create --display-name Sea --description salt --public --protected sea",
    );
    expect(
        &made,
        &[
            ("namespace", json!("sea")),
            ("display_name", json!("Sea")),
            ("visibility", json!("public")),
            ("protected", json!(true)),
        ],
    );
    assert!(admin.fail("image metadef namespace delete sea").contains("failed to delete"));
    admin.run("image metadef namespace set --display-name Ocean --public --unprotected --tag wet sea");
    let shown = admin.show("image metadef namespace show sea");
    expect(&shown, &[("display_name", json!("Ocean")), ("protected", json!(false))]);
    assert_eq!(shown["tags"], json!([{"name": "wet"}]));
    assert_eq!(admin.column("image metadef namespace list --visibility public", "namespace"), ["sea"]);
    admin.run("image metadef namespace unset --tag wet sea");
    assert_eq!(admin.show("image metadef namespace show sea")["tags"], json!([]));
}

fn objects(admin: &mut Client, (cloud, openstack): (&Cloud, &Path)) {
    let made = admin.show("image metadef object create --namespace sea fish");
    expect(&made, &[("name", json!("fish"))]);
    admin.run("image metadef object update --name shark sea fish");
    assert_eq!(admin.column("image metadef object list sea", "name"), ["shark"]);
    expect(&admin.show("image metadef object show sea shark"), &[("name", json!("shark"))]);
    // An object gets its properties by the SDK only.
    let script = "import openstack\n\
                  image = openstack.connect('cuttle-admin').image\n\
                  image.create_metadef_object('sea', name='whale', properties=\
                  {'length': {'title': 'Length', 'type': 'number'}})";
    let output = cloud.python(openstack, script);
    assert!(output.status.success(), "{}", said(&output));
    let shown = admin.show("image metadef object property show sea whale length");
    expect(&shown, &[("name", json!("length")), ("title", json!("Length")), ("type", json!("number"))]);
    admin.run("image metadef object delete sea shark whale");
    assert!(admin.column("image metadef object list sea", "name").is_empty());
}

fn properties(admin: &mut Client) {
    let made =
        admin.show("image metadef property create --name depth --title Depth --type string --schema {} sea");
    expect(&made, &[("name", json!("depth")), ("title", json!("Depth")), ("type", json!("string"))]);
    admin.run("image metadef property set --title Deep sea depth");
    expect(&admin.show("image metadef property show sea depth"), &[("title", json!("Deep"))]);
    assert_eq!(admin.column("image metadef property list sea", "title"), ["Deep"]);
    admin.run("image metadef property delete sea depth");
    assert!(admin.column("image metadef property list sea", "name").is_empty());
}

fn resource_types(admin: &mut Client) {
    let names = admin.column("image metadef resource type list", "Name");
    assert!(names.contains(&"OS::Nova::Server".to_owned()), "{names:?}");
    let association = "image metadef resource type association";
    let made =
        admin.show(&format!("{association} create --properties-target scheduler sea OS::Nova::Server"));
    expect(&made, &[("name", json!("OS::Nova::Server")), ("properties_target", json!("scheduler"))]);
    assert_eq!(admin.column(&format!("{association} list sea"), "Name"), ["OS::Nova::Server"]);
    let found = admin.column("image metadef namespace list --resource-types OS::Nova::Server", "namespace");
    assert_eq!(found, ["sea"]);
    admin.run(&format!("{association} delete sea OS::Nova::Server"));
    assert!(admin.column(&format!("{association} list sea"), "Name").is_empty());
    admin.run("image metadef namespace delete sea");
    assert!(admin.column("image metadef namespace list", "namespace").is_empty());
}

fn away(demo: &mut Client) {
    demo.run("image delete atoll staged imported");
    assert!(demo.column("image list", "Name").is_empty());
}
