//! QEMU's answers about itself: a table.

use hypervisor::Error;
use hypervisor::qemu::probe::{Features, read_answers};

fn greeting(major: u32, minor: u32) -> String {
    format!(r#"{{"QMP":{{"version":{{"qemu":{{"micro":3,"minor":{minor},"major":{major}}}}}}}}}"#)
}

#[test]
fn versions_and_features_are_read() {
    let sandbox = r#"{"return":[{"option":"sandbox","parameters":[]}],"id":"sandbox"}"#;
    let none = r#"{"return":[],"id":"sandbox"}"#;
    let check =
        |said: String, expected: Features| assert_eq!(read_answers(&said).unwrap().unwrap(), expected);
    check(format!("{}\n{sandbox}\n", greeting(7, 2)), Features { version: (7, 2, 3), sandbox: true });
    check(format!("noise\n{}\n{none}\n", greeting(10, 0)), Features { version: (10, 0, 3), sandbox: false });
    assert!(read_answers("").is_none());
    let old = read_answers(&greeting(7, 1)).unwrap().unwrap_err();
    assert!(matches!(&old, Error::OldQemu { found } if found == "7.1.3"), "{old}");
    assert!(old.to_string().contains("at least 7.2"));
}
