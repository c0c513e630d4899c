//! The demo against a stub of `cuttle`: what it calls, what it shows, what it says when something fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A cloud that remembers what was asked of it. `broken` names the subcommand that fails.
const CUTTLE: &str = r#"#!/bin/sh
command=$1; shift
dir=$2; shift 2
echo "$command $*" >>"$CUTTLE_CACHE/asked"
case $command in
    "$BROKEN") echo "cuttle: it is broken" >&2; exit 1;;
    up) touch "$dir/clouds.yaml" "$CUTTLE_CACHE/is-up"; echo "ready http://127.0.0.1:5000"; exec sleep 0.1;;
    status)
        [ -e "$CUTTLE_CACHE/is-up" ] || exit 1
        [ $# = 0 ] || { [ -e "$dir/server" ] || exit 1; echo "demo is $(cat "$dir/server")"; echo "  1.00 s  ssh banner"; };;
    launch) echo ACTIVE >"$dir/server"; echo "server demo is requested";;
    ssh) echo "Linux demo 6.1";;
    console) echo "the console ends here";;
    down) rm -f "$CUTTLE_CACHE/is-up"; [ "$1" != --purge ] || rm -rf "$dir";;
esac
"#;

struct Stage {
    folder: PathBuf,
}

/// Makes a program, by a process of its own: one that this process has written may still be open, for writing, in what
/// another test is just starting, and then it cannot be run.
fn install(from: &Path, to: &Path) {
    assert!(Command::new("install").arg("-m755").arg(from).arg(to).status().unwrap().success());
}

impl Stage {
    fn new(name: &str) -> Stage {
        let folder = std::env::temp_dir().join(format!("cuttle-demo-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("debug")).unwrap();
        // The demo takes the cuttle that was built beside it.
        install(Path::new(env!("CARGO_BIN_EXE_xtask")), &folder.join("debug/xtask"));
        let client = "#!/bin/sh\necho \"openstack $*\" >>\"$CUTTLE_CACHE/asked\"\n\
                      case $* in *start*) echo ACTIVE >\"$CUTTLE_CACHE/demo/server\";; esac\necho a table\n";
        for (name, text) in [("cuttle", CUTTLE), ("openstack", client)] {
            let written = folder.join(name);
            fs::write(&written, text).unwrap();
            install(&written, &folder.join("debug").join(name));
        }
        Stage { folder }
    }

    fn run(&self, arguments: &[&str], broken: &str) -> (Output, String) {
        let mut command = Command::new(self.folder.join("debug/xtask"));
        command.args(arguments).env("CUTTLE_CACHE", &self.folder).env("BROKEN", broken);
        command.env("CUTTLE_OPENSTACK", self.folder.join("debug/openstack"));
        let output = command.output().unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output, said)
    }

    fn asked(&self) -> String {
        fs::read_to_string(self.folder.join("asked")).unwrap_or_default()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Without root the demo would call sudo, which is not for a test to do.
fn may_run(test: &str) -> bool {
    let is_root =
        fs::read_to_string("/proc/self/status").unwrap().lines().any(|l| l.starts_with("Uid:\t0\t0"));
    if !is_root {
        println!("skipped: {test}: needs root");
    }
    is_root
}

#[test]
fn a_demo_shows_both_families_and_how_to_go_on() {
    if !may_run("a_demo_shows_both_families_and_how_to_go_on") {
        return;
    }
    let stage = Stage::new("new");
    let (output, said) = stage.run(&["demo"], "");
    assert!(output.status.success(), "{said}");
    for part in [
        "ready http://127.0.0.1:5000",
        "over IPv4",
        "over IPv6",
        "From the request to ssh it took 1.00 s.",
        "a table",
        "OS_CLIENT_CONFIG_FILE=",
        "./x down",
    ] {
        assert!(said.contains(part), "{part} in:\n{said}");
    }
    let first = stage.asked();
    assert!(first.contains("launch demo --wait ssh") && first.contains("ssh -6 demo -- uname -a"), "{first}");

    // Again, with the server stopped meanwhile: nothing is made twice.
    fs::write(stage.folder.join("demo/server"), "SHUTOFF").unwrap();
    let (output, said) = stage.run(&["demo"], "");
    assert!(output.status.success(), "{said}");
    let second = stage.asked()[first.len()..].to_string();
    assert!(
        !second.contains("launch") && !second.contains("up ") && second.contains("server start demo"),
        "{second}"
    );
}

#[test]
fn once_takes_everything_down() {
    if !may_run("once_takes_everything_down") {
        return;
    }
    let stage = Stage::new("once");
    let (output, said) = stage.run(&["demo", "--once"], "");
    assert!(output.status.success(), "{said}");
    assert!(stage.asked().trim_end().ends_with("down --purge"), "{}", stage.asked());
    assert!(!stage.folder.join("demo").exists());
}

#[test]
fn a_failure_shows_timeline_and_console() {
    if !may_run("a_failure_shows_timeline_and_console") {
        return;
    }
    let stage = Stage::new("fails");
    let (output, said) = stage.run(&["demo", "--once"], "launch");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the console ends here") && said.contains("it is broken"), "{said}");
    assert!(stage.asked().trim_end().ends_with("down --purge"), "{}", stage.asked());

    let (output, said) = stage.run(&["demo"], "up");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("`cuttle up` ended with exit status: 1") && said.contains("it is broken"),
        "{said}"
    );
}
