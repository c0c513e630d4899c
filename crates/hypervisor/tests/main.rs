//! The crate's tests: one suite for every hypervisor, tables for what is pure, and what only a real QEMU can
//! show. Without QEMU those are skipped, by name.

// A test may stop at what it did not expect, wherever in this crate it is; nothing here is for others.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod accelerator;
mod argv;
mod guest;
mod probe;
mod qemu;
mod qmp;
mod suite;

use std::sync::mpsc::Sender;

use hypervisor::fake::{Fake, GREETING, World};
use hypervisor::{Disk, Hypervisor, Limits, Machine, VmEvent, VmSpec};
use serde_json::json;
use types::{ServerId, VolumeId};

use suite::Place;

/// A world in memory.
struct FakePlace(World);

impl Place for FakePlace {
    fn hypervisor(&self, events: Sender<VmEvent>) -> Box<dyn Hypervisor> {
        Box::new(Fake::new(self.0.clone(), events))
    }

    fn spec(&self) -> VmSpec {
        plain_spec(self.disk())
    }

    fn disk(&self) -> Disk {
        null_disk()
    }

    fn greeting(&self) -> &'static str {
        GREETING
    }
}

fn fake() -> Result<FakePlace, String> {
    Ok(FakePlace(World::new()))
}

hypervisor_suite!(fake, crate::fake());
hypervisor_suite!(qemu_q35, crate::qemu::RealPlace::new(hypervisor::Machine::Q35));
hypervisor_suite!(qemu_pc, crate::qemu::RealPlace::new(hypervisor::Machine::Pc));

/// A disk without content.
fn null_disk() -> Disk {
    Disk {
        volume: VolumeId(runtime::new_uuid()),
        blockdev: json!({ "driver": "null-co", "size": 1 << 20, "read-zeroes": true }),
        boot_index: None,
        read_only: false,
        shared: false,
        limits: Limits::new(),
        secret: None,
    }
}

fn plain_spec(boot: Disk) -> VmSpec {
    VmSpec {
        server: ServerId(runtime::new_uuid()),
        name: "test".to_owned(),
        vcpus: 1,
        ram_mib: 64,
        machine: Machine::Q35,
        cpu_model: None,
        disks: vec![Disk { boot_index: Some(0), ..boot }],
        nics: Vec::new(),
        config_drive: None,
        console_log: "/dev/null".into(),
        screen: false,
        guest_agent: false,
        generation_id: None,
    }
}

#[test]
fn an_ordered_failure_happens_once() {
    let place = fake().unwrap();
    let mut bench = suite::Bench::new(&place);
    let spec = place.spec();
    place.0.fail_next("no memory");
    let failed = bench.hypervisor.start(&spec, Vec::new()).unwrap_err();
    assert_eq!(std::error::Error::source(&failed).unwrap().to_string(), "no memory");
    bench.hypervisor.start(&spec, Vec::new()).unwrap();
    assert_eq!(place.0.running(), [spec.server]);
}

#[test]
fn a_stubborn_fake_guest_stays() {
    let place = fake().unwrap();
    let (mut bench, spec) = suite::Bench::with_vm(&place);
    place.0.set_stubborn(true);
    bench.hypervisor.power_button(spec.server).unwrap();
    assert_eq!(bench.power(spec.server), hypervisor::Power::Running);
    place.0.set_stubborn(false);
    assert_eq!(bench.power(spec.server), hypervisor::Power::ShutDown);
    place.0.restart_host();
    assert_eq!(bench.power(spec.server), hypervisor::Power::ShutDown);
    bench.hypervisor.start(&spec, Vec::new()).unwrap();
    place.0.crash(spec.server, "cosmic ray");
    assert!(
        matches!(bench.power(spec.server), hypervisor::Power::Crashed { reason } if reason == "cosmic ray")
    );
}
