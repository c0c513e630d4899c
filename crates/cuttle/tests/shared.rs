//! Two real guests that share a volume: what one writes the other reads, and neither takes it from the other.

use serde_json::Value as Json;

use crate::client::Client;
use crate::cloud::{Cloud, said, wait_for};
use crate::real::needs;

const TYPE: &str = r#"
import openstack
admin = openstack.connect(cloud="cuttle-admin")
admin.block_storage.create_type(name="shared", extra_specs={"multiattach": "<is> True"})
"#;
/// The guest's own cache holds what it read before.
const READ: &str =
    "sync; sudo blockdev --flushbufs /dev/vdb; sudo dd if=/dev/vdb bs=4096 count=1 2>/dev/null skip=";

/// Waits until the volume has this status and so many attachments.
fn until(client: &mut Client, status: &str, attachments: usize) -> Json {
    wait_for(|| {
        let shown = client.show("volume show board");
        let found = shown["attachments"].as_array().map_or(0, Vec::len);
        if shown["status"] == status && found == attachments { Ok(shown) } else { Err(shown.to_string()) }
    })
}

fn write(cloud: &Cloud, server: &str, block: u32, text: &str) {
    let command = format!("echo '{text}' | sudo dd of=/dev/vdb bs=4096 seek={block} conv=fsync,notrunc 2>&1");
    cloud.run("ssh", &[server, "--", &command]);
}

fn read(cloud: &Cloud, server: &str, block: u32) -> String {
    let said = cloud.run("ssh", &[server, "--", &format!("{READ}{block} | head -n 1")]);
    said.trim().to_owned()
}

#[test]
fn two_servers_write_to_one_volume_and_read_what_the_other_wrote() {
    let (openstack, guest) = match needs() {
        Ok(paths) => paths,
        Err(why) => {
            let name = "two_servers_write_to_one_volume_and_read_what_the_other_wrote";
            return println!("skipped: {name}: {why}");
        }
    };
    let cloud = Cloud::real(&guest);
    let made = cloud.python(&openstack, TYPE);
    assert!(made.status.success(), "{}", said(&made));
    let mut client = Client::start(&openstack, &cloud.dir().join("clouds.yaml"));
    client.run("volume create --type shared --size 1 board");
    assert_eq!(until(&mut client, "available", 0)["multiattach"], true);
    for server in ["one", "two"] {
        cloud.run("launch", &[server, "--wait", "ssh"]);
    }
    let old = client.fail("--os-compute-api-version 2.59 server add volume one board");
    assert!(old.contains("2.60"), "{old}");
    client.run("--os-compute-api-version 2.60 server add volume one board");
    until(&mut client, "in-use", 1);
    write(&cloud, "one", 0, "written before two came");
    client.run("--os-compute-api-version 2.60 server add volume two board");
    until(&mut client, "in-use", 2);

    assert_eq!(read(&cloud, "two", 0), "written before two came");
    for round in 0..5 {
        write(&cloud, "one", 1, &format!("one says {round}"));
        assert_eq!(read(&cloud, "two", 1), format!("one says {round}"));
        write(&cloud, "two", 2, &format!("two says {round}"));
        assert_eq!(read(&cloud, "one", 2), format!("two says {round}"));
    }
    // It grows in both.
    client.run("--os-volume-api-version 3.42 volume set --size 2 board");
    until(&mut client, "in-use", 2);
    for server in ["one", "two"] {
        let size = cloud.run("ssh", &[server, "--", "sudo blockdev --getsize64 /dev/vdb"]);
        assert_eq!(size.trim(), (2_u64 << 30).to_string(), "{server}");
    }
    // No snapshot is made of it meanwhile, and the volume stays as it was.
    client.run("--os-volume-api-version 3.66 volume snapshot create --volume board moment");
    wait_for(|| match client.show("volume snapshot show moment")["status"].as_str() {
        Some("error") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    client.run("volume snapshot delete moment");

    client.run("server remove volume one board");
    until(&mut client, "in-use", 1);
    let gone = cloud.ask("ssh", &["one", "--", "test ! -e /dev/vdb"]);
    assert!(gone.status.success(), "{}", said(&gone));
    write(&cloud, "two", 3, "two goes on alone");
    client.run("--os-compute-api-version 2.60 server add volume one board");
    until(&mut client, "in-use", 2);
    assert_eq!(read(&cloud, "one", 3), "two goes on alone");
    // One that goes leaves it to the other.
    client.run("server delete --wait one");
    until(&mut client, "in-use", 1);
    write(&cloud, "two", 4, "two is left");
    assert_eq!(read(&cloud, "two", 4), "two is left");
    client.run("server delete --wait two");
    until(&mut client, "available", 0);
    client.run("volume delete board");
    wait_for(|| match client.column("volume list", "Name").is_empty() {
        true => Ok(()),
        false => Err("the volume is still there".to_owned()),
    });
}
