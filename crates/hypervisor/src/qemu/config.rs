//! A VM as QEMU's command line. Pure: the same input gives the same arguments.
//!
//! Places on the PCI bus are fixed where guests name things after them: a network card keeps its slot
//! whatever other devices come and go. On q35 every disk has a root port, for only there it can be taken out
//! while the VM runs, and more ports wait for disks that come later.

use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::path::Path;

use serde_json::{Value, json};
use types::VolumeId;

use super::probe::Features;
use super::rundir::RunDir;
use crate::Accelerator;
use crate::spec::{Disk, Machine, Nic, VmSpec};

const SLOT_SCREEN: u32 = 0x02;
const SLOT_RNG: u32 = 0x03;
const SLOT_CHANNEL: u32 = 0x04;
/// The last one; on q35 it is taken.
const SLOT_CONFIG_DRIVE_PC: u32 = 0x1f;
const SLOT_FIRST_NIC: u32 = 0x08;
const SLOT_FIRST_ROOT_PORT: u32 = 0x10;
const PORTS_PER_SLOT: u32 = 8;
/// Root ports for disks that come while the VM runs.
const SPARE_ROOT_PORTS: usize = 10;

/// What the command line is made of besides the VM itself.
pub struct Surroundings<'a> {
    /// Where the sockets are.
    pub run: &'a RunDir,
    /// What this QEMU can do.
    pub features: &'a Features,
    /// KVM or TCG.
    pub accelerator: Accelerator,
    /// The listening socket for QMP, open in the new process under this number.
    pub qmp: RawFd,
    /// The taps, likewise.
    pub taps: &'a [RawFd],
    /// Where the secrets of disks can be read, likewise.
    pub secrets: &'a BTreeMap<VolumeId, RawFd>,
}

/// The arguments, without the program's own name.
pub fn arguments(spec: &VmSpec, around: &Surroundings<'_>) -> Vec<String> {
    let mut args = Arguments(Vec::new());
    args.flag("-nodefaults");
    args.flag("-no-user-config");
    // The process stays when the guest switches itself off, so that this can be told from a crash.
    args.flag("-no-shutdown");
    args.add("-name", format!("guest={},debug-threads=on", comma_safe(&spec.name)));
    board(&mut args, spec, around);
    identity(&mut args, spec);
    channels(&mut args, spec, around);
    for (index, (nic, tap)) in spec.nics.iter().zip(around.taps).enumerate() {
        network_card(&mut args, nic, *tap, SLOT_FIRST_NIC + index as u32);
    }
    let for_config_drive = usize::from(spec.config_drive.is_some());
    let ports = match spec.machine {
        Machine::Q35 => spec.disks.len() + SPARE_ROOT_PORTS + for_config_drive,
        Machine::Pc => 0,
    };
    for index in 0..ports as u32 {
        let (slot, function) = (SLOT_FIRST_ROOT_PORT + index / PORTS_PER_SLOT, index % PORTS_PER_SLOT);
        let place = format!("addr={slot:#04x}.{function:#x},multifunction=on");
        let id = root_port(index as usize);
        args.add("-device", format!("pcie-root-port,id={id},bus=pcie.0,chassis={},{place}", index + 1));
    }
    for (index, disk) in spec.disks.iter().enumerate() {
        if let Some(fd) = around.secrets.get(&disk.volume) {
            args.add("-object", secret_object(disk.volume, "file", &format!("/dev/fd/{fd}")).to_string());
        }
        args.add("-object", disk.throttle_object().to_string());
        args.add("-blockdev", disk.named_blockdev().to_string());
        let bus = if ports == 0 { String::new() } else { format!(",bus={}", root_port(index)) };
        let boot = disk.boot_index.map(|index| format!(",bootindex={index}")).unwrap_or_default();
        let (id, node, serial) = (disk_id(disk), Disk::node_name(disk.volume), disk.serial());
        let share = if disk.shared { ",share-rw=on" } else { "" };
        args.add("-device", format!("virtio-blk-pci,id={id},drive={node},serial={serial}{bus}{boot}{share}"));
    }
    if let Some(path) = &spec.config_drive {
        // After all others, so that the first disk is /dev/vda: guests count in the order of the bus.
        let place = match ports.checked_sub(1) {
            Some(last) => format!("bus={}", root_port(last)),
            None => format!("addr={SLOT_CONFIG_DRIVE_PC:#04x}"),
        };
        config_drive(&mut args, path, &place);
    }
    args.0
}

/// The name of a root port.
pub fn root_port(index: usize) -> String {
    format!("port{index}")
}

fn disk_id(disk: &Disk) -> String {
    device_id(disk.volume)
}

/// The name of the device that shows a volume.
pub fn device_id(volume: VolumeId) -> String {
    format!("disk-{volume}")
}

/// A secret as an object of QEMU, which has it as `data` or reads it from a `file`.
pub fn secret_object(volume: VolumeId, from: &str, what: &str) -> Value {
    json!({ "qom-type": "secret", "id": Disk::secret_name(volume), from: what })
}

struct Arguments(Vec<String>);

impl Arguments {
    fn flag(&mut self, flag: &str) {
        self.0.push(flag.to_owned());
    }

    fn add(&mut self, flag: &str, value: impl Into<String>) {
        self.flag(flag);
        self.0.push(value.into());
    }
}

/// In QEMU's options a comma in a value is written twice.
fn comma_safe(text: &str) -> String {
    text.replace(',', ",,")
}

fn path_safe(path: &Path) -> String {
    comma_safe(&path.to_string_lossy())
}

fn board(args: &mut Arguments, spec: &VmSpec, around: &Surroundings<'_>) {
    let (machine, no_sleep) = match spec.machine {
        Machine::Q35 => ("q35,sata=off,smbus=off,usb=off,vmport=off,hpet=off", "ICH9-LPC"),
        Machine::Pc => ("pc,usb=off,vmport=off,hpet=off", "PIIX4_PM"),
    };
    args.add("-machine", machine);
    let (accelerator, cpu) = match around.accelerator {
        Accelerator::Kvm => ("kvm", "host"),
        Accelerator::Tcg => ("tcg,thread=multi", "max"),
    };
    args.add("-accel", accelerator);
    args.add("-cpu", spec.cpu_model.as_deref().unwrap_or(cpu));
    args.add("-smp", format!("{0},sockets={0},cores=1,threads=1", spec.vcpus));
    args.add("-m", format!("{}M", spec.ram_mib));
    // A VM that sleeps cannot be told from one that hangs.
    args.add("-global", format!("{no_sleep}.disable_s3=1"));
    args.add("-global", format!("{no_sleep}.disable_s4=1"));
    args.add("-rtc", "base=utc");
    args.add("-boot", "strict=on");
    args.add("-display", "none");
    if around.features.sandbox {
        args.add("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    }
    if spec.screen {
        args.add("-device", format!("VGA,id=screen,addr={SLOT_SCREEN:#04x}"));
        args.add("-vnc", format!("unix:{}", path_safe(&around.run.vnc_socket())));
    }
}

/// By the names of maker and product cloud-init knows that it is to look for OpenStack's metadata.
fn identity(args: &mut Arguments, spec: &VmSpec) {
    let server = spec.server;
    args.add("-uuid", server.to_string());
    args.add(
        "-smbios",
        format!(
            "type=1,manufacturer=OpenStack Foundation,product=OpenStack Nova,version={},serial={server},uuid={server},family=Virtual Machine",
            env!("CARGO_PKG_VERSION")
        ),
    );
    let generation = spec.generation_id.unwrap_or(server.0);
    args.add("-device", format!("vmgenid,guid={generation}"));
}

fn channels(args: &mut Arguments, spec: &VmSpec, around: &Surroundings<'_>) {
    args.add("-chardev", format!("socket,id=qmp,fd={},server=on,wait=off", around.qmp));
    args.add("-mon", "chardev=qmp,mode=control");
    let (socket, log) = (path_safe(&around.run.console_socket()), path_safe(&spec.console_log));
    args.add(
        "-chardev",
        format!("socket,id=console,path={socket},server=on,wait=off,logfile={log},logappend=on"),
    );
    args.add("-serial", "chardev:console");
    args.add("-object", "rng-builtin,id=rng");
    args.add("-device", format!("virtio-rng-pci,rng=rng,addr={SLOT_RNG:#04x}"));
    if spec.guest_agent {
        let socket = path_safe(&around.run.agent_socket());
        args.add("-chardev", format!("socket,id=agent,path={socket},server=on,wait=off"));
        args.add("-device", format!("virtio-serial-pci,id=channel,addr={SLOT_CHANNEL:#04x}"));
        args.add("-device", "virtserialport,bus=channel.0,chardev=agent,name=org.qemu.guest_agent.0");
    }
}

fn network_card(args: &mut Arguments, nic: &Nic, tap: RawFd, slot: u32) {
    let Nic { port, mac, mtu } = nic;
    args.add("-netdev", format!("tap,id=net-{port},fd={tap}"));
    // No boot ROM: nothing here boots from the network, and the ROM is a file more that must be there.
    args.add(
        "-device",
        format!(
            "virtio-net-pci,id=nic-{port},netdev=net-{port},mac={mac},host_mtu={mtu},romfile=,addr={slot:#04x}"
        ),
    );
}

/// A virtio disk, for Debian's kernel for clouds has no driver for a CD on q35.
fn config_drive(args: &mut Arguments, path: &Path, place: &str) {
    let node = json!({
        "driver": "raw",
        "node-name": "config",
        "read-only": true,
        "file": { "driver": "file", "filename": path.to_string_lossy(), "read-only": true },
    });
    args.add("-blockdev", node.to_string());
    args.add("-device", format!("virtio-blk-pci,drive=config,serial=config-drive,{place}"));
}
