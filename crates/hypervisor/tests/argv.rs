//! Command lines, compared with recorded ones. `BLESS=1` records them anew; the difference is to be reviewed.

use std::fs;
use std::path::Path;

use hypervisor::qemu::config::{Surroundings, arguments};
use hypervisor::qemu::probe::Features;
use hypervisor::qemu::rundir::RunDir;
use hypervisor::{Accelerator, Disk, Limits, Machine, Nic, VmSpec};
use serde_json::json;
use types::{MacAddr, PortId, ServerId, VolumeId};

fn full_spec() -> VmSpec {
    let id = |digit: &str| "00000000-0000-4000-8000-000000000000".replace('0', digit);
    let disk = |digit: &str, boot_index| Disk {
        volume: id(digit).parse::<VolumeId>().unwrap(),
        blockdev: json!({ "driver": "qcow2", "file": { "driver": "file", "filename": "/v/disk.qcow2" } }),
        boot_index,
        read_only: false,
        shared: false,
        limits: Limits::new(),
        secret: None,
    };
    let nic = |digit: &str, suffix| Nic {
        port: id(digit).parse::<PortId>().unwrap(),
        mac: MacAddr::openstack(suffix),
        mtu: 1450,
    };
    VmSpec {
        server: id("a").parse::<ServerId>().unwrap(),
        name: "web, the first".to_owned(),
        vcpus: 2,
        ram_mib: 512,
        machine: Machine::Q35,
        cpu_model: None,
        disks: vec![disk("1", Some(0)), Disk { read_only: true, ..disk("2", None) }],
        nics: vec![nic("3", 1), nic("4", 2)],
        config_drive: Some("/c,d/config.iso".into()),
        console_log: "/log/console.log".into(),
        screen: true,
        guest_agent: true,
        generation_id: None,
    }
}

fn check(golden: &str, spec: &VmSpec, accelerator: Accelerator, sandbox: bool) {
    let run = RunDir::new(Path::new("/run/c"), spec.server);
    let features = Features { version: (7, 2, 0), sandbox };
    let taps: Vec<i32> = (11..).take(spec.nics.len()).collect();
    let secret = |disk: &&Disk| disk.boot_index.is_some();
    let secrets = spec.disks.iter().filter(secret).map(|disk| (disk.volume, 20)).collect();
    let around =
        Surroundings { run: &run, features: &features, accelerator, qmp: 10, taps: &taps, secrets: &secrets };
    let mut lines = String::new();
    for argument in arguments(spec, &around) {
        let is_flag = argument.starts_with('-');
        lines += if lines.is_empty() {
            ""
        } else if is_flag {
            "\n"
        } else {
            " "
        };
        lines += &argument;
    }
    lines += "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(golden);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &lines).unwrap();
    }
    assert_eq!(lines, fs::read_to_string(&path).unwrap_or_default(), "{golden}");
}

#[test]
fn command_lines_are_as_recorded() {
    check("q35-tcg.args", &full_spec(), Accelerator::Tcg, true);
    let pc = VmSpec { machine: Machine::Pc, cpu_model: Some("Nehalem".to_owned()), ..full_spec() };
    check("pc-kvm.args", &pc, Accelerator::Kvm, true);
    let mut shared = full_spec();
    shared.disks[1].blockdev = json!({ "driver": "file", "filename": "/v/disk.raw" });
    shared.disks[1].shared = true;
    check("shared-tcg.args", &shared, Accelerator::Tcg, true);
    let mut bare = full_spec();
    (bare.disks, bare.nics, bare.config_drive) = (Vec::new(), Vec::new(), None);
    (bare.screen, bare.guest_agent) = (false, false);
    check("bare-kvm.args", &bare, Accelerator::Kvm, false);
}
