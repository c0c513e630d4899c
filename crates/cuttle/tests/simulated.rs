//! The commands on a simulated cloud: no root, no QEMU.

use crate::client::{Client, openstack};
use crate::cloud::Cloud;
use crate::commands::{self, Stage};

/// Any valid key does: a simulated guest has no ssh server.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl test\n";

#[test]
fn every_command_works_on_a_simulated_cloud() {
    let openstack = match openstack() {
        Ok(path) => path,
        Err(why) => return println!("skipped: every_command_works_on_a_simulated_cloud: {why}"),
    };
    let cloud = Cloud::simulated();
    let image = cloud.folder().write("image.qcow2", &empty_qcow2());
    let key = cloud.folder().write("key.pub", KEY.as_bytes());
    let client = Client::start(&openstack, &cloud.dir().join("clouds.yaml"));
    let mut stage = Stage { cloud: &cloud, client, image: image.into(), key: key.into(), probe: &|_, _| {} };
    commands::run(&mut stage);
    let figures = cloud.metrics("# TYPE cuttle_storage_up gauge\ncuttle_storage_up{backend=\"local\"} 1\n");
    assert!(figures.contains("cuttle_storage_free_bytes{backend=\"local\"} "), "{figures}");
    let worries: Vec<String> =
        cloud.log().lines().filter(|line| line.contains(" ERROR ")).map(str::to_owned).collect();
    assert!(worries.is_empty(), "{worries:?}");
}

/// An image of 1 MiB with nothing in it: a header, an empty table of tables, and counts for the four clusters.
fn empty_qcow2() -> Vec<u8> {
    const CLUSTER: usize = 65536;
    let mut image = vec![0; 4 * CLUSTER];
    let mut header = b"QFI\xfb".to_vec();
    header.extend(2_u32.to_be_bytes());
    header.extend([0; 12]); // no backing file
    header.extend(16_u32.to_be_bytes()); // 64 KiB clusters
    header.extend((1_u64 << 20).to_be_bytes());
    header.extend(0_u32.to_be_bytes()); // not encrypted
    header.extend(1_u32.to_be_bytes()); // one entry in the table of tables
    header.extend((3 * CLUSTER as u64).to_be_bytes());
    header.extend((CLUSTER as u64).to_be_bytes()); // where the table of counts is
    header.extend(1_u32.to_be_bytes());
    header.extend([0; 12]); // no snapshots
    image[..header.len()].copy_from_slice(&header);
    // The table of counts names one block, in which four clusters are used once.
    image[CLUSTER..CLUSTER + 8].copy_from_slice(&(2 * CLUSTER as u64).to_be_bytes());
    for cluster in 0..4 {
        image[2 * CLUSTER + 2 * cluster + 1] = 1;
    }
    image
}
