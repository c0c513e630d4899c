//! What every hypervisor must do.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use hypervisor::{Detach, Disk, Error, Exchange, Hypervisor, Mirrored, Power, VmEvent, VmEventKind, VmSpec};
use types::{CopyId, ServerId, VolumeId};

/// Expands the suite for one implementation; `$place` makes a [`Place`] or says why there is none.
#[macro_export]
macro_rules! hypervisor_suite {
    ($name:ident, $place:expr) => {
        mod $name {
            $crate::hypervisor_suite!(@ $place;
                a_vm_runs_once_it_is_started
                the_power_button_shuts_down
                a_stopped_vm_can_start_again
                a_vm_can_be_paused
                the_reset_button_begins_anew
                disks_come_and_go
                a_disk_of_the_start_can_be_detached
                disks_only_grow
                a_disk_is_exchanged_for_its_mirror
                an_interrupted_exchange_comes_to_its_end
                a_mirrored_disk_can_be_detached
                only_shared_disks_are_in_several_vms
                a_vm_is_adopted
                a_vm_that_switched_itself_off_is_adopted
                what_has_no_body_takes_no_commands
                a_removed_vm_is_absent
                impossible_vms_are_refused
            );
        }
    };
    (@ $place:expr; $($case:ident)*) => {$(
        #[test]
        fn $case() {
            match $place {
                Ok(place) => $crate::suite::$case(&place),
                Err(reason) => println!("skipped: {}: {reason}", concat!(module_path!(), "::", stringify!($case))),
            }
        }
    )*};
}

/// Where VMs run, and go on running while hypervisors come and go.
pub trait Place {
    /// A hypervisor that has adopted nothing yet.
    fn hypervisor(&self, events: std::sync::mpsc::Sender<VmEvent>) -> Box<dyn Hypervisor>;
    /// A VM whose guest greets, honours the power button and lets go of disks.
    fn spec(&self) -> VmSpec;
    /// A disk that nobody uses.
    fn disk(&self) -> Disk;
    /// What the guest writes when it starts.
    fn greeting(&self) -> &'static str;
}

/// A hypervisor and its events.
pub struct Bench {
    pub hypervisor: Box<dyn Hypervisor>,
    pub events: Receiver<VmEvent>,
}

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

impl Bench {
    pub fn new(place: &dyn Place) -> Bench {
        let (sender, events) = channel();
        Bench { hypervisor: place.hypervisor(sender), events }
    }

    /// With one VM, whose guest has greeted.
    pub fn with_vm(place: &dyn Place) -> (Bench, VmSpec) {
        let (mut bench, spec) = (Bench::new(place), place.spec());
        bench.hypervisor.start(&spec, Vec::new()).unwrap();
        bench.await_greetings(spec.server, place.greeting(), 1);
        (bench, spec)
    }

    pub fn power(&mut self, server: ServerId) -> Power {
        self.hypervisor.observe(server).unwrap().power
    }

    /// Asks again after each event, and now and then.
    pub fn wait<T>(&mut self, what: &str, mut ask: impl FnMut(&mut Bench) -> Option<T>) -> T {
        let begin = runtime::monotonic();
        loop {
            if let Some(found) = ask(self) {
                return found;
            }
            assert!(begin.elapsed() < PATIENCE, "still waiting: {what}");
            let _ = self.events.recv_timeout(Duration::from_millis(20));
        }
    }

    pub fn await_power(&mut self, server: ServerId, wanted: &Power) {
        self.wait("power", |bench| (bench.power(server) == *wanted).then_some(()));
    }

    pub fn await_greetings(&mut self, server: ServerId, greeting: &str, count: usize) {
        self.wait("greeting", |bench| {
            let console = bench.hypervisor.console_tail(server, 1 << 16).unwrap();
            (String::from_utf8_lossy(&console).matches(greeting).count() >= count).then_some(())
        });
    }

    pub fn await_detached(&mut self, server: ServerId, volume: VolumeId) {
        self.wait("detached", |bench| {
            (bench.hypervisor.detach_disk(server, volume).unwrap() == Detach::Gone).then_some(())
        });
    }

    pub fn disks(&mut self, server: ServerId) -> Vec<VolumeId> {
        self.hypervisor.observe(server).unwrap().disks.into_iter().collect()
    }

    /// Waits for an event; others that come before it are passed over.
    pub fn await_event(&mut self, server: ServerId, kind: VmEventKind) {
        let begin = runtime::monotonic();
        while begin.elapsed() < PATIENCE {
            match self.events.recv_timeout(Duration::from_millis(20)) {
                Ok(event) if event == (VmEvent { server, kind }) => return,
                _ => {}
            }
        }
        panic!("no {kind:?}");
    }
}

fn sorted(mut volumes: Vec<VolumeId>) -> Vec<VolumeId> {
    volumes.sort();
    volumes
}

pub fn a_vm_runs_once_it_is_started(place: &dyn Place) {
    let (mut bench, spec) = (Bench::new(place), place.spec());
    assert_eq!(bench.power(spec.server), Power::Absent);
    for _ in 0..2 {
        bench.hypervisor.start(&spec, Vec::new()).unwrap();
        assert_eq!(bench.power(spec.server), Power::Running);
    }
    bench.await_greetings(spec.server, place.greeting(), 1);
    assert_eq!(bench.disks(spec.server), sorted(spec.disks.iter().map(|disk| disk.volume).collect()));
    assert_eq!(bench.hypervisor.console_tail(spec.server, 2).unwrap(), b"\r\n");
}

pub fn the_power_button_shuts_down(place: &dyn Place) {
    let (mut bench, spec) = Bench::with_vm(place);
    bench.hypervisor.power_button(spec.server).unwrap();
    bench.await_power(spec.server, &Power::ShutDown);
    assert_eq!(bench.disks(spec.server), []);
    let console = bench.hypervisor.console_tail(spec.server, 1 << 16).unwrap();
    assert!(String::from_utf8_lossy(&console).contains(place.greeting()), "the console stays");
}

pub fn a_stopped_vm_can_start_again(place: &dyn Place) {
    let (mut bench, spec) = Bench::with_vm(place);
    for _ in 0..2 {
        bench.hypervisor.stop(spec.server).unwrap();
        assert_eq!(bench.power(spec.server), Power::ShutDown);
    }
    bench.hypervisor.start(&spec, Vec::new()).unwrap();
    assert_eq!(bench.power(spec.server), Power::Running);
    bench.await_greetings(spec.server, place.greeting(), 2);
}

pub fn a_vm_can_be_paused(place: &dyn Place) {
    let (mut bench, spec) = Bench::with_vm(place);
    for _ in 0..2 {
        bench.hypervisor.pause(spec.server).unwrap();
        assert_eq!(bench.power(spec.server), Power::Paused);
    }
    bench.hypervisor.start(&spec, Vec::new()).unwrap();
    assert_eq!(bench.power(spec.server), Power::Paused, "starting is not resuming");
    for _ in 0..2 {
        bench.hypervisor.resume(spec.server).unwrap();
        assert_eq!(bench.power(spec.server), Power::Running);
    }
    bench.await_event(spec.server, VmEventKind::Paused);
    bench.await_event(spec.server, VmEventKind::Resumed);
}

pub fn the_reset_button_begins_anew(place: &dyn Place) {
    let (mut bench, spec) = Bench::with_vm(place);
    bench.hypervisor.reset(spec.server).unwrap();
    bench.await_event(spec.server, VmEventKind::Reset);
    bench.await_greetings(spec.server, place.greeting(), 2);
    assert_eq!(bench.power(spec.server), Power::Running);
}

pub fn disks_come_and_go(place: &dyn Place) {
    let (mut bench, spec) = Bench::with_vm(place);
    let (server, boot) = (spec.server, spec.disks[0].volume);
    let (first, second) = (place.disk(), place.disk());
    for _ in 0..2 {
        bench.hypervisor.attach_disk(server, &first).unwrap();
        bench.hypervisor.attach_disk(server, &second).unwrap();
        assert_eq!(bench.disks(server), sorted(vec![boot, first.volume, second.volume]));
    }
    bench.hypervisor.detach_disk(server, first.volume).unwrap();
    bench.await_detached(server, first.volume);
    assert_eq!(bench.disks(server), sorted(vec![boot, second.volume]));
    assert_eq!(bench.hypervisor.detach_disk(server, first.volume).unwrap(), Detach::Gone);
    bench.hypervisor.attach_disk(server, &first).unwrap();
    assert_eq!(bench.disks(server), sorted(vec![boot, first.volume, second.volume]));
}

pub fn a_disk_of_the_start_can_be_detached(place: &dyn Place) {
    let (mut bench, mut spec) = (Bench::new(place), place.spec());
    let data = place.disk();
    spec.disks.push(data.clone());
    bench.hypervisor.start(&spec, Vec::new()).unwrap();
    bench.await_greetings(spec.server, place.greeting(), 1);
    bench.await_detached(spec.server, data.volume);
    assert_eq!(bench.disks(spec.server), [spec.disks[0].volume]);
}

pub fn disks_only_grow(place: &dyn Place) {
    let (mut bench, spec) = Bench::with_vm(place);
    let disk = place.disk();
    let server = spec.server;
    let missing = bench.hypervisor.resize_disk(server, disk.volume, 1 << 30).unwrap_err();
    assert!(matches!(missing, Error::NoDisk { .. }), "{missing}");
    bench.hypervisor.attach_disk(server, &disk).unwrap();
    for _ in 0..2 {
        bench.hypervisor.resize_disk(server, disk.volume, 1 << 30).unwrap();
    }
    let refused = bench.hypervisor.resize_disk(server, disk.volume, 1 << 20).unwrap_err();
    assert!(matches!(refused, Error::Spec(_)), "{refused}");
}

pub fn a_vm_is_adopted(place: &dyn Place) {
    let (bench, spec) = Bench::with_vm(place);
    drop(bench);
    let mut bench = Bench::new(place);
    assert_eq!(bench.hypervisor.adopt().unwrap(), [spec.server]);
    assert_eq!(bench.hypervisor.adopt().unwrap(), [spec.server]);
    assert_eq!(bench.power(spec.server), Power::Running);
    bench.await_greetings(spec.server, place.greeting(), 1);
    let disk = place.disk();
    bench.hypervisor.attach_disk(spec.server, &disk).unwrap();
    bench.hypervisor.power_button(spec.server).unwrap();
    bench.await_power(spec.server, &Power::ShutDown);
}

pub fn a_vm_that_switched_itself_off_is_adopted(place: &dyn Place) {
    let (mut bench, spec) = Bench::with_vm(place);
    bench.hypervisor.power_button(spec.server).unwrap();
    drop(bench);
    let mut bench = Bench::new(place);
    bench.hypervisor.adopt().unwrap();
    bench.await_power(spec.server, &Power::ShutDown);
    drop(bench);
    let mut bench = Bench::new(place);
    assert_eq!(bench.hypervisor.adopt().unwrap(), [spec.server]);
    assert_eq!(bench.power(spec.server), Power::ShutDown, "it is remembered");
}

pub fn what_has_no_body_takes_no_commands(place: &dyn Place) {
    let (mut bench, spec) = (Bench::new(place), place.spec());
    let check = |bench: &mut Bench| {
        let h = &mut bench.hypervisor;
        let disk = place.disk();
        for result in [
            h.power_button(spec.server),
            h.reset(spec.server),
            h.pause(spec.server),
            h.resume(spec.server),
            h.attach_disk(spec.server, &disk),
            h.resize_disk(spec.server, disk.volume, 1 << 30),
        ] {
            assert!(matches!(result, Err(Error::State { .. })), "{result:?}");
        }
        assert_eq!(h.detach_disk(spec.server, disk.volume).unwrap(), Detach::Gone);
        h.stop(spec.server).unwrap();
    };
    check(&mut bench);
    bench.hypervisor.start(&spec, Vec::new()).unwrap();
    bench.hypervisor.stop(spec.server).unwrap();
    check(&mut bench);
}

pub fn a_removed_vm_is_absent(place: &dyn Place) {
    let (mut bench, spec) = Bench::with_vm(place);
    for _ in 0..2 {
        bench.hypervisor.remove(spec.server).unwrap();
        assert_eq!(bench.power(spec.server), Power::Absent);
        assert_eq!(bench.hypervisor.console_tail(spec.server, 100).unwrap(), b"");
    }
    assert_eq!(Bench::new(place).hypervisor.adopt().unwrap(), []);
}

/// What a disk is that several VMs may have.
fn shared(mut disk: Disk) -> Disk {
    if disk.blockdev["driver"] == "raw" {
        disk.blockdev = disk.blockdev["file"].take();
    }
    Disk { shared: true, ..disk }
}

pub fn only_shared_disks_are_in_several_vms(place: &dyn Place) {
    let (mut bench, first) = Bench::with_vm(place);
    let second = place.spec();
    bench.hypervisor.start(&second, Vec::new()).unwrap();
    let (ours, theirs) = (first.server, second.server);
    for disk in [place.disk(), Disk { read_only: true, ..place.disk() }] {
        let disk = shared(disk);
        bench.hypervisor.attach_disk(ours, &disk).unwrap();
        bench.hypervisor.attach_disk(theirs, &disk).unwrap();
        for server in [ours, theirs] {
            assert!(bench.disks(server).contains(&disk.volume));
            if !disk.read_only {
                bench.hypervisor.resize_disk(server, disk.volume, 2 << 20).unwrap();
            }
        }
        // Whoever wants it alone does not get it, and whoever has it alone does not share it.
        let mut third = place.spec();
        third.disks.push(Disk { shared: false, ..disk.clone() });
        if !disk.read_only {
            assert!(bench.hypervisor.start(&third, Vec::new()).is_err());
            assert_eq!(bench.power(third.server), Power::Absent);
        }
        bench.hypervisor.detach_disk(ours, disk.volume).unwrap();
        bench.await_detached(ours, disk.volume);
        assert!(bench.disks(theirs).contains(&disk.volume), "what one lets go of the other keeps");
        bench.hypervisor.detach_disk(theirs, disk.volume).unwrap();
        bench.await_detached(theirs, disk.volume);
    }
    let alone = place.disk();
    bench.hypervisor.attach_disk(ours, &alone).unwrap();
    assert!(bench.hypervisor.attach_disk(theirs, &alone).is_err());
    assert!(bench.hypervisor.attach_disk(theirs, &shared(alone.clone())).is_err());
    assert!(!bench.disks(theirs).contains(&alone.volume));
    // As QEMU, which asks the file's locks.
    assert!(bench.disks(ours).contains(&alone.volume));
}

pub fn impossible_vms_are_refused(place: &dyn Place) {
    let mut bench = Bench::new(place);
    let mut check = |change: fn(&mut VmSpec)| {
        let mut spec = place.spec();
        change(&mut spec);
        let refused = bench.hypervisor.start(&spec, Vec::new()).unwrap_err();
        assert!(matches!(refused, Error::Spec(_)), "{refused}");
        assert_eq!(bench.power(spec.server), Power::Absent);
    };
    check(|spec| spec.vcpus = 0);
    check(|spec| spec.disks.push(spec.disks[0].clone()));
    check(|spec| spec.disks[0].blockdev = "no node".into());
    // Its tables would be ruined by the second that writes.
    check(|spec| {
        spec.disks[0].shared = true;
        spec.disks[0].blockdev = serde_json::json!({ "driver": "qcow2", "file": spec.disks[0].blockdev });
    });
    check(|spec| {
        spec.nics.push(hypervisor::Nic {
            port: types::PortId(runtime::new_uuid()),
            mac: types::MacAddr::openstack(1),
            mtu: 1450,
        });
    });
}

/// A VM with a disk that has a mirror, which is equal.
fn mirrored(place: &dyn Place) -> (Bench, VmSpec, Exchange) {
    let (mut bench, spec) = Bench::with_vm(place);
    let volume = spec.disks[0].volume;
    let wanted = Exchange { volume, id: CopyId(runtime::new_uuid()), to: "there".to_owned() };
    mirror(&mut bench, &spec, &wanted, &spec_of_same_size(place));
    (bench, spec, wanted)
}

/// A disk as large as the first of a VM, with other content.
fn spec_of_same_size(place: &dyn Place) -> Disk {
    place.spec().disks.remove(0)
}

fn mirror(bench: &mut Bench, spec: &VmSpec, wanted: &Exchange, to: &Disk) {
    assert_eq!(bench.hypervisor.mirrored(spec.server, wanted.volume, wanted.id).unwrap(), None);
    bench.hypervisor.begin_mirror(spec.server, wanted.volume, (wanted.id, &to.blockdev)).unwrap();
    bench.wait("equal", |bench| {
        match bench.hypervisor.mirrored(spec.server, wanted.volume, wanted.id).unwrap() {
            Some(Mirrored::Equal) => Some(()),
            Some(Mirrored::Going { .. }) => None,
            other => panic!("{other:?}"),
        }
    });
}

fn recorded() -> std::io::Result<()> {
    Ok(())
}

pub fn a_disk_is_exchanged_for_its_mirror(place: &dyn Place) {
    let (mut bench, spec, mut wanted) = mirrored(place);
    let server = spec.server;
    // One that was ended is begun anew, and another takes its place.
    bench.hypervisor.end_mirror(server, wanted.volume).unwrap();
    bench.hypervisor.end_mirror(server, wanted.volume).unwrap();
    let to = spec_of_same_size(place);
    mirror(&mut bench, &spec, &wanted, &to);
    let before = std::mem::replace(&mut wanted.id, CopyId(runtime::new_uuid()));
    let to = spec_of_same_size(place);
    mirror(&mut bench, &spec, &wanted, &to);
    assert_eq!(bench.hypervisor.mirrored(server, wanted.volume, before).unwrap(), None);
    let mut times = 0;
    let done = bench.hypervisor.exchange_disk(server, &wanted, &mut || {
        times += 1;
        Ok(())
    });
    assert!(done.unwrap());
    assert_eq!((times, bench.power(server)), (1, Power::Running));
    assert_eq!(bench.hypervisor.exchanging(server), None);
    assert_eq!(bench.hypervisor.mirrored(server, wanted.volume, wanted.id).unwrap(), None);
    // It still is the same disk, and can go on to another place; also while the guest stands still.
    assert_eq!(bench.disks(server), [wanted.volume]);
    wanted.id = CopyId(runtime::new_uuid());
    bench.hypervisor.pause(server).unwrap();
    let to = spec_of_same_size(place);
    mirror(&mut bench, &spec, &wanted, &to);
    assert!(bench.hypervisor.exchange_disk(server, &wanted, &mut recorded).unwrap());
    assert_eq!(bench.power(server), Power::Paused);
    bench.hypervisor.resume(server).unwrap();
    bench.hypervisor.reset(server).unwrap();
    bench.await_greetings(server, place.greeting(), 2);
}

pub fn an_interrupted_exchange_comes_to_its_end(place: &dyn Place) {
    let (mut bench, spec, wanted) = mirrored(place);
    let server = spec.server;
    let full =
        bench.hypervisor.exchange_disk(server, &wanted, &mut || Err(std::io::Error::other("it is full")));
    assert_eq!(std::error::Error::source(&full.unwrap_err()).unwrap().to_string(), "it is full");
    for _ in 0..2 {
        // Whoever comes after must not let the guest go on before it is recorded.
        assert_eq!(bench.power(server), Power::Paused);
        assert_eq!(bench.hypervisor.exchanging(server).as_ref(), Some(&wanted));
        assert!(matches!(bench.hypervisor.resume(server), Err(Error::Exchanging)));
        drop(bench);
        bench = Bench::new(place);
        bench.hypervisor.adopt().unwrap();
    }
    assert!(bench.hypervisor.exchange_disk(server, &wanted, &mut recorded).unwrap());
    assert_eq!((bench.hypervisor.exchanging(server), bench.power(server)), (None, Power::Running));
    // One whose VM ended needs no end.
    let again = Exchange { id: CopyId(runtime::new_uuid()), ..wanted };
    mirror(&mut bench, &spec, &again, &spec_of_same_size(place));
    bench.hypervisor.exchange_disk(server, &again, &mut || Err(std::io::Error::other("again"))).unwrap_err();
    bench.hypervisor.stop(server).unwrap();
    assert_eq!(bench.hypervisor.exchanging(server), None);
    bench.hypervisor.start(&spec, Vec::new()).unwrap();
    assert_eq!((bench.hypervisor.exchanging(server), bench.power(server)), (None, Power::Running));
}

pub fn a_mirrored_disk_can_be_detached(place: &dyn Place) {
    let (mut bench, spec) = Bench::with_vm(place);
    let (disk, other) = (place.disk(), place.disk());
    bench.hypervisor.attach_disk(spec.server, &disk).unwrap();
    let wanted = Exchange { volume: disk.volume, id: CopyId(runtime::new_uuid()), to: "there".to_owned() };
    mirror(&mut bench, &spec, &wanted, &other);
    bench.await_detached(spec.server, disk.volume);
    bench.hypervisor.attach_disk(spec.server, &disk).unwrap();
    assert_eq!(bench.hypervisor.mirrored(spec.server, disk.volume, wanted.id).unwrap(), None);
}
