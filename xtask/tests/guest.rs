//! The guest image keeps its promises, with QEMU and without Cuttle.

use std::process::Command;

#[test]
fn guest_image_keeps_its_promises() {
    let skipped = |why: &str| println!("skipped: guest_image_keeps_its_promises: {why}");
    if std::env::var_os("CUTTLE_TEST_HOST").is_none() {
        return skipped("boots three servers; asked for by --host");
    }
    let Some(image) = std::env::var_os("CUTTLE_GUEST_IMAGE") else {
        return skipped("there is no guest image; ./x test makes one");
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest/verify");
    let done = Command::new(script).arg(image).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
}
