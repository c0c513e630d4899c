//! Wrong use of `cuttle`: the exit code, and words that say what is wrong and what to do.

use std::net::TcpListener;
use std::process::{Command, Output};

use crate::cloud::{Cloud, Folder, cuttle, said};

fn check(output: &Output, code: i32, parts: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is missing in:\n{said}");
    }
    assert!(!said.contains("panicked") && !said.starts_with("ready "), "{said}");
}

#[test]
fn wrong_arguments_exit_with_2() {
    let table: [(&[&str], &[&str]); 8] = [
        (&[], &["Usage: cuttle", "launch"]),
        (&["--nonsense"], &["--nonsense", "Usage"]),
        (&["upp"], &["unrecognized subcommand 'upp'", "'up'"]),
        (&["up", "--listen", "nowhere"], &["nowhere", "ADDRESS:PORT"]),
        (&["up", "--simulate"], &["--simulate", "--sim"]),
        (&["launch"], &["<NAME>"]),
        (&["launch", "web", "--wait", "forever"], &["forever", "no, active, ssh"]),
        (&["ssh", "-4", "-6", "web"], &["cannot be used with"]),
    ];
    for (arguments, parts) in table {
        check(&cuttle().args(arguments).output().unwrap(), 2, parts);
    }
}

#[test]
fn a_configuration_that_is_not_usable_is_named() {
    let folder = Folder::new("config");
    let missing = folder.path("none.toml");
    let unreadable = folder.path("");
    let table: [(String, &[&str]); 7] = [
        (missing.clone(), &["cannot read the configuration", &missing, "No such file", "--config"]),
        (unreadable, &["cannot read the configuration", "directory"]),
        (folder.write("broken.toml", b"token_seconds = "), &["broken.toml is not usable", "line 1"]),
        (folder.write("unknown.toml", b"acelerator = 'kvm'"), &["unknown field `acelerator`", "accelerator"]),
        (folder.write("type.toml", b"token_seconds = 'long'"), &["type.toml", "invalid type"]),
        (folder.write("value.toml", b"accelerator = 'xen'"), &["accelerator = \"xen\"", "auto, kvm, tcg"]),
        (
            folder.write("cache.toml", b"image_cache_max_size = 0"),
            &["image_cache_max_size = 0", "leave it out"],
        ),
    ];
    for (config, parts) in table {
        let mut command = cuttle();
        command.args(["up", "--sim", "--listen", "127.0.0.1:0", "--data-dir", &folder.path("data")]);
        check(&command.args(["--config", &config]).output().unwrap(), 1, parts);
    }
    assert!(!folder.0.join("data").exists(), "nothing is made for a cloud that cannot start");
}

#[test]
fn an_address_that_cannot_be_listened_on_is_named() {
    let folder = Folder::new("listen");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let table: [(&str, &[&str]); 2] = [
        (&address, &["cannot listen on", &address, "--listen", "in use"]),
        ("0.0.0.0:0", &["0.0.0.0 is not a loopback address", "127.0.0.1"]),
    ];
    for (address, parts) in table {
        let mut command = cuttle();
        command.args(["up", "--sim", "--data-dir", &folder.path("data"), "--listen", address]);
        check(&command.output().unwrap(), 1, parts);
    }
}

#[test]
fn verbs_without_a_cloud_say_how_to_get_one() {
    let folder = Folder::new("none");
    let dir = folder.path("nothing");
    for arguments in [
        ["status"].as_slice(),
        &["launch", "web"],
        &["ssh", "web"],
        &["console", "web"],
        &["exec", "--", "true"],
        &["down"],
    ] {
        let mut command = cuttle();
        command.arg(arguments[0]).args(["--data-dir", &dir]).args(&arguments[1..]);
        check(&command.output().unwrap(), 1, &["there is no cloud in", &dir, "cuttle up"]);
    }
    // To remove what is not there is done already.
    let purge = cuttle().args(["down", "--purge", "--data-dir", &dir]).output().unwrap();
    check(&purge, 0, &["there is no cloud in"]);
}

#[test]
fn a_simulated_cloud_is_not_mistaken_for_a_real_one() {
    let cloud = Cloud::simulated();
    check(&cloud.ask("ssh", &["web"]), 1, &["there is no server named web"]);
    check(&cloud.ask("console", &["web"]), 1, &["there is no server named web"]);
    check(&cloud.ask("status", &["web"]), 1, &["there is no server named web"]);
    check(&cloud.ask("launch", &["web"]), 1, &["there is no image named cuttle-guest"]);
    check(&cloud.ask("exec", &["--", "true"]), 1, &["is a simulated cloud", "no network to enter"]);
    let again = cloud.ask("up", &["--sim", "--listen", "127.0.0.1:0"]);
    check(&again, 1, &["another `cuttle up` runs on", "--data-dir"]);
    if nix::unistd::geteuid().is_root() {
        let real = cloud.ask("up", &["--listen", "127.0.0.1:0"]);
        check(&real, 1, &["holds a simulated cloud, and a real one was asked for", "cuttle down --purge"]);
    }
    let status = cloud.run("status", &[]);
    assert!(status.contains("(simulated)") && status.contains("is up, simulated"), "{status}");
    let down = cloud.run("down", &[]);
    assert!(down.is_empty(), "{down}");
    check(&cloud.ask("launch", &["web"]), 1, &["cannot reach the cloud", "is `cuttle up"]);
    check(&cloud.ask("status", &[]), 1, &["agent     not running", "API       does not answer"]);
}

#[test]
fn who_is_not_root_is_told_so() {
    let folder = Folder::new("user");
    let data = folder.path("data");
    let mut command = if nix::unistd::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        // The build's folder may be closed to others.
        let copy = folder.path("cuttle");
        std::fs::copy(env!("CARGO_BIN_EXE_cuttle"), &copy).unwrap();
        command.arg(copy);
        command
    } else {
        cuttle()
    };
    let output = command.args(["up", "--listen", "127.0.0.1:0", "--data-dir", &data]).output().unwrap();
    check(&output, 1, &["real VMs need root for now", "sudo", "--sim"]);
    assert!(!folder.0.join("data").exists());
}

#[test]
fn a_missing_qemu_is_named_before_anything_is_made() {
    let test = "a_missing_qemu_is_named_before_anything_is_made";
    if !nix::unistd::geteuid().is_root() {
        return println!("skipped: {test}: needs root");
    }
    let folder = Folder::new("bare");
    let mut command = cuttle();
    command.env("PATH", folder.path("")).args(["up", "--listen", "127.0.0.1:0"]);
    let output = command.args(["--data-dir", &folder.path("data")]).output().unwrap();
    check(&output, 1, &["qemu-system-x86_64", "apt-get install qemu-system-x86", "nft", "--sim"]);
    assert!(!folder.0.join("data").exists());
    let doctor = cuttle().env("PATH", folder.path("")).arg("doctor").output().unwrap();
    check(&doctor, 1, &["BAD   QEMU", "apt-get install qemu-system-x86", "BAD   qemu-img", "BAD   nftables"]);
}

#[test]
fn what_holds_secrets_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let cloud = Cloud::simulated();
    for name in ["cuttle.db", "cuttle.db-wal", "cloud.json", "clouds.yaml", "openrc"] {
        let mode = std::fs::metadata(cloud.dir().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} has mode {mode:o}");
    }
}
