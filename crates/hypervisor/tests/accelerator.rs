//! KVM or TCG: a table.

use hypervisor::{Accelerator, AcceleratorChoice, choose_accelerator};

#[test]
#[cfg(target_arch = "x86_64")]
fn kvm_needs_the_device_and_the_flag() {
    use AcceleratorChoice::{Auto, Kvm, Tcg};

    let check = |choice, opens: bool, flags: &str, expected: Option<Accelerator>, why: &str| {
        let cpuinfo = format!("processor\t: 0\nvmx flags\t: not these\nflags\t\t: fpu {flags} sse2\n");
        let kvm = if opens { Ok(()) } else { Err("Permission denied".to_owned()) };
        match (choose_accelerator(choice, kvm, &cpuinfo), expected) {
            (Ok((found, reason)), Some(expected)) => {
                assert_eq!(found, expected, "{reason}");
                assert!(reason.contains(why), "{reason}");
            }
            (Err(e), None) => assert!(e.to_string().contains(why), "{e}"),
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
    };
    check(Auto, true, "vmx", Some(Accelerator::Kvm), "vmx");
    check(Auto, true, "svm", Some(Accelerator::Kvm), "svm");
    check(Auto, true, "", Some(Accelerator::Tcg), "neither vmx nor svm");
    check(Auto, true, "vmxx", Some(Accelerator::Tcg), "neither vmx nor svm");
    check(Auto, false, "vmx", Some(Accelerator::Tcg), "Permission denied");
    check(Tcg, true, "vmx", Some(Accelerator::Tcg), "configuration");
    check(Kvm, true, "vmx", Some(Accelerator::Kvm), "vmx");
    check(Kvm, true, "", None, "neither vmx nor svm");
    check(Kvm, false, "svm", None, "Permission denied");
}
