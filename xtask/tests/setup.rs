//! `./x` on made-up machines: what it finds missing, and how it would install Rust.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../x");
/// The programs that the script may count on: those of a bare Debian.
const BARE: &str = "awk basename bash cat chmod cmp cp cut date df dirname echo env find flock fold grep head id ln ls mkdir mv nproc \
                    printf readlink rm sed sh sha256sum sleep sort stat tail timeout touch tr uname xargs true mktemp";

/// A cargo of any version, which builds an xtask that says what it was called with.
const CARGO: &str = "[ \"$1\" = --version ] && echo 'cargo 99.0.0 (stub)' || { mkdir -p \"$CARGO_TARGET_DIR/debug\"
    printf '#!/bin/sh\\necho handed over: $*' >\"$CARGO_TARGET_DIR/debug/xtask\"; chmod +x \"$CARGO_TARGET_DIR/debug/xtask\"; }";

/// A machine made of a folder of programs, and a home.
struct Machine {
    folder: PathBuf,
}

impl Machine {
    fn new(name: &str) -> Machine {
        let folder = std::env::temp_dir().join(format!("cuttle-setup-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        for sub in ["bin", "home"] {
            fs::create_dir_all(folder.join(sub)).unwrap();
        }
        let machine = Machine { folder };
        for program in BARE.split_whitespace() {
            let found = ["/usr/bin", "/bin"].iter().map(|d| Path::new(d).join(program)).find(|p| p.exists());
            let found = found.unwrap_or_else(|| panic!("this machine has no {program}"));
            std::os::unix::fs::symlink(found, machine.folder.join("bin").join(program)).unwrap();
        }
        machine
    }

    /// Puts a shell script in the place of a program.
    fn with(self, program: &str, script: &str) -> Machine {
        let path = self.folder.join("bin").join(program);
        let _ = fs::remove_file(&path);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn run(&self, arguments: &[&str]) -> (Output, String) {
        let mut command = Command::new("/bin/bash");
        // The script adds the system's own folders to the path; this is a machine that has none of them.
        command.arg(self.isolated_script()).args(arguments).env_clear();
        command.env("PATH", self.folder.join("bin")).env("HOME", self.folder.join("home"));
        command.env("CARGO_TARGET_DIR", self.folder.join("target"));
        let output = command.output().unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output, said)
    }

    /// The script beside copies of the files it reads, without the system's folders on its path.
    fn isolated_script(&self) -> PathBuf {
        let source = Path::new(SCRIPT).parent().unwrap();
        fs::create_dir_all(self.folder.join("project/xtask")).unwrap();
        for file in ["Cargo.toml", "xtask/openstack-requirements.txt"] {
            fs::copy(source.join(file), self.folder.join("project").join(file)).unwrap();
        }
        let text = fs::read_to_string(SCRIPT).unwrap();
        assert!(text.contains(":/usr/sbin:/sbin\""));
        let script = self.folder.join("project/x");
        fs::write(&script, text.replace(":/usr/sbin:/sbin\"", "\"")).unwrap();
        script
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn all_that_is_missing_is_listed_at_once_and_nothing_is_changed() {
    let machine = Machine::new("missing").with("uname", "[ \"$1\" = -m ] && echo sparc64 || echo Linux");
    let (output, said) = machine.run(&["demo"]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["Nothing was changed", "sparc64", "there is no apt-get", "qemu-system-x86", "syslinux"] {
        assert!(said.contains(part), "{part} in:\n{said}");
    }
    assert!(!machine.folder.join("target").exists());
}

#[test]
fn wrong_usage_is_told_apart() {
    let machine = Machine::new("usage");
    assert_eq!(machine.run(&["frobnicate"]).0.status.code(), Some(2));
    assert_eq!(machine.run(&["--help"]).0.status.code(), Some(0));
}

#[test]
fn rust_is_installed_where_it_is_too_old() {
    // The downloader is a stub that hands out a stub.
    let installer = format!(
        "mkdir -p \"$HOME/.cargo/bin\"; cat >\"$HOME/.cargo/bin/cargo\" <<'CARGO'\n#!/bin/sh\n{CARGO}\nCARGO\n\
         chmod +x \"$HOME/.cargo/bin/cargo\"; echo $* >\"$HOME/asked\""
    );
    let machine = Machine::new("rust").with("cc", "true").with(
        "curl",
        &format!("while [ \"$1\" != -o ]; do shift; done; cat >\"$2\" <<'SCRIPT'\n{installer}\nSCRIPT"),
    );
    let (output, said) = machine.run(&["check"]);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("by rustup's installer"), "{said}");
    assert!(said.contains("handed over: check"), "{said}");
    let asked = fs::read_to_string(machine.folder.join("home/asked")).unwrap();
    assert!(asked.contains("--no-modify-path") && asked.contains("clippy"), "{asked}");
}

#[test]
fn rust_from_the_real_installer() {
    println!("skipped: rust_from_the_real_installer: never downloaded in a test; a stub stands in for it");
}

#[test]
fn a_cargo_that_stays_too_old_is_said() {
    let machine = Machine::new("old")
        .with("cc", "true")
        .with("cargo", "echo 'cargo 1.60.0 (old)'")
        .with("rustup", "echo $* >\"$HOME/asked\"");
    let (output, said) = machine.run(&["check"]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("1.60.0"), "{said}");
    let asked = fs::read_to_string(machine.folder.join("home/asked")).unwrap();
    assert!(asked.starts_with("toolchain install stable"), "{asked}");
}

#[test]
fn a_part_of_qemu_from_elsewhere_goes_back_by_name() {
    let apt_get = "echo \"$*\" >>\"$HOME/apt\"
case \"$*\" in
    *update*) touch \"$HOME/.cache/cuttle/apt/lists/x_Packages\";;
    -s*qemu-utils=7.2*) ;;
    -s*) echo 'qemu-utils : Breaks: qemu-system-common'; exit 100;;
esac";
    let python = "case \"$*\" in *venv*) for last; do :; done; mkdir -p \"$last/bin\"; ln -sf /bin/true \"$last/bin/pip\";; esac";
    let machine = Machine::new("qemu")
        .with("cargo", CARGO)
        .with("id", "echo 0")
        .with("apt-get", apt_get)
        .with("apt-config", "true")
        .with("apt-cache", "[ \"$1\" != madison ] || echo \"$2 | 7.2 | somewhere\"")
        .with("dpkg-query", "echo 'installed qemu qemu-utils 10.0'; echo 'installed bash bash 5'")
        .with("dpkg", "[ \"$1\" = --compare-versions ] && [ \"$2\" = 10.0 ] || [ \"$1\" = --audit ]")
        .with("python3", python);
    fs::create_dir_all(machine.folder.join("project/guest")).unwrap();
    let build = machine.folder.join("project/guest/build");
    fs::write(&build, "#!/bin/sh\necho /the/image\n").unwrap();
    fs::set_permissions(&build, fs::Permissions::from_mode(0o755)).unwrap();
    let (output, said) = machine.run(&["demo", "--once"]);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("qemu-utils goes back from 10.0 to 7.2") && said.contains("To undo"), "{said}");
    assert!(said.contains("handed over: demo --once"), "{said}");
    let asked = fs::read_to_string(machine.folder.join("home/apt")).unwrap();
    let install = asked.lines().last().unwrap();
    assert!(install.starts_with("-y ") && install.contains("--no-remove --allow-downgrades"), "{asked}");
    assert!(install.contains("qemu-system-x86") && install.ends_with("qemu-utils=7.2"), "{asked}");

    // Again: everything is there, so there is nothing to list.
    let (output, said) = machine.with("cc", "true").run(&["check"]);
    assert!(output.status.success() && said.contains("handed over: check"), "{said}");
}
