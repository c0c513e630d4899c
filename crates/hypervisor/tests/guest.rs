//! A guest of one sector, for tests with a real QEMU: it says hello on the serial port, switches itself off
//! when the power button is pressed, and lets go of every device it is asked to.
//!
//! It runs in real mode right where the firmware puts it, without an interrupt.

use hypervisor::Machine;

/// What it writes when it starts.
pub const GREETING: &str = "hello from the boot sector\r\n";

/// The base of the ports by which ACPI's PCI hot-plug works on the two boards.
fn hotplug_ports(machine: Machine) -> u16 {
    match machine {
        Machine::Q35 => 0x0cc0,
        Machine::Pc => 0xae00,
    }
}

/// A disk image that boots it. The firmware finds no geometry for a disk much smaller than a megabyte.
pub fn image(machine: Machine) -> Vec<u8> {
    let hotplug = hotplug_ports(machine);
    let mut code = vec![
        0x31, 0xc0, //             xor ax, ax
        0x8e, 0xd8, //             mov ds, ax
        0xfa, //                   cli
        0xba, 0x02, 0x06, //       mov dx, 0x602       PM1_EN
        0xb8, 0x00, 0x01, //       mov ax, 0x100       the power button
        0xef, //                   out dx, ax
        0xbe, 0x4c, 0x7c, //       mov si, 0x7c4c      GREETING
        0xba, 0xf8, 0x03, //       mov dx, 0x3f8       COM1
        0xac, //             next: lodsb
        0x84, 0xc0, //             test al, al
        0x74, 0x03, //             jz loop
        0xee, //                   out dx, al
        0xeb, 0xf8, //             jmp next
        0xba, 0x00, 0x06, // loop: mov dx, 0x600       PM1_STS
        0xed, //                   in ax, dx
        0xa9, 0x00, 0x01, //       test ax, 0x100      pressed?
        0x74, 0x07, //             jz eject
        0xba, 0x04, 0x06, //       mov dx, 0x604       PM1_CNT
        0xb8, 0x00, 0x20, //       mov ax, 0x2000      sleep, state S5
        0xef, //                   out dx, ax
        0x66, 0x31, 0xdb, // eject: xor ebx, ebx
    ];
    let mov_dx = |code: &mut Vec<u8>, port: u16| {
        code.push(0xba);
        code.extend_from_slice(&port.to_le_bytes());
    };
    mov_dx(&mut code, hotplug + 0x10); //                        bus: mov dx, PCIHP + 0x10
    code.extend_from_slice(&[0x66, 0x89, 0xd8, 0x66, 0xef]); //       mov eax, ebx; out dx, eax
    mov_dx(&mut code, hotplug + 4); //                                mov dx, PCIHP + 4
    code.extend_from_slice(&[0x66, 0xed, 0x66, 0x85, 0xc0]); //       in eax, dx; test eax, eax
    code.extend_from_slice(&[0x74, 0x05]); //                         jz none
    mov_dx(&mut code, hotplug + 8); //                                mov dx, PCIHP + 8
    code.extend_from_slice(&[0x66, 0xef]); //                         out dx, eax
    code.extend_from_slice(&[0x43, 0x83, 0xfb, 0x28]); //       none: inc bx; cmp bx, 40
    code.extend_from_slice(&[0x72, 0xe3, 0xeb, 0xce]); //             jb bus; jmp loop
    assert_eq!(code.len(), 0x4c, "the greeting follows at a fixed place");
    code.extend_from_slice(GREETING.as_bytes());
    code.resize(510, 0);
    code.extend_from_slice(&[0x55, 0xaa]);
    code.resize(1 << 20, 0);
    code
}
