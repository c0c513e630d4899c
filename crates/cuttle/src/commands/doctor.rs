//! `cuttle doctor`: what this machine offers, what is missing and how to get it.

use std::path::Path;
use std::process::{Command, ExitCode};

use clap::Args;

use crate::cli::Which;
use crate::config::Config;
use crate::data_dir::DataDir;

/// The oldest QEMU that will do.
const QEMU_MIN: (u32, u32) = (7, 2);

/// The programs that Cuttle runs for real VMs, and how to get each.
const NEEDED: [(&str, &str); 3] = [
    ("qemu-system-x86_64", "apt-get install qemu-system-x86"),
    ("qemu-img", "apt-get install qemu-utils"),
    ("nft", "apt-get install nftables"),
];

/// Check what this machine offers and say what to install.
#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    which: Which,
    /// Mend what can be mended without asking: leftovers of clouds that do not run
    #[arg(long)]
    fix: bool,
}

/// What was found.
enum Finding {
    Good(String),
    /// Works, but worse than it could.
    Hint(String),
    /// Does not work: what, and what to do.
    Bad(String, String),
}

impl Doctor {
    /// Prints each check; fails if one is bad.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let mut bad = 0;
        for (name, finding) in checks() {
            match finding {
                Finding::Good(what) => println!("ok    {name}: {what}"),
                Finding::Hint(what) => println!("note  {name}: {what}"),
                Finding::Bad(what, fix) => {
                    bad += 1;
                    println!("BAD   {name}: {what}\n      {fix}");
                }
            }
        }
        if let Ok(dir) = DataDir::open(&self.which.data_dir) {
            bad += leftovers(&dir, self.fix)?;
        }
        Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

/// What real VMs cannot do without and this machine does not have, each with the command that brings it. Looks no
/// further than the path, for `cuttle up` asks at every start.
pub fn missing_programs() -> Vec<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let is_missing = |name: &str| !folders.iter().any(|folder| folder.join(name).is_file());
    let needed = NEEDED.iter().filter(|(name, _)| is_missing(name));
    needed.map(|(name, install)| format!("{name} is not installed: {install}")).collect()
}

fn checks() -> Vec<(&'static str, Finding)> {
    vec![
        ("root", root()),
        ("QEMU", qemu()),
        ("qemu-img", program("qemu-img", &["--version"], "apt-get install qemu-utils")),
        ("nftables", program("nft", &["--version"], "apt-get install nftables")),
        ("ssh", program("ssh", &["-V"], "apt-get install openssh-client")),
        ("accelerator", accelerator()),
        ("bridge filtering", bridge_filtering()),
        ("guest image", guest_image()),
    ]
}

fn root() -> Finding {
    if nix::unistd::geteuid().is_root() {
        Finding::Good("running as root".to_owned())
    } else {
        Finding::Bad(
            "not running as root; real VMs need it for now".to_owned(),
            "use sudo, or `cuttle up --sim`".to_owned(),
        )
    }
}

fn qemu() -> Finding {
    let install = "apt-get install qemu-system-x86".to_owned();
    let Ok(output) = Command::new("qemu-system-x86_64").arg("--version").output() else {
        return Finding::Bad("qemu-system-x86_64 is not installed".to_owned(), install);
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().skip_while(|word| *word != "version").nth(1).unwrap_or_default();
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found >= QEMU_MIN {
        Finding::Good(format!("version {version}"))
    } else {
        Finding::Bad(format!("version {version} is older than {}.{}", QEMU_MIN.0, QEMU_MIN.1), install)
    }
}

fn program(name: &str, arguments: &[&str], install: &str) -> Finding {
    match Command::new(name).args(arguments).output() {
        Ok(output) => {
            let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
            let text = String::from_utf8_lossy(&said).into_owned();
            Finding::Good(text.lines().next().unwrap_or_default().to_owned())
        }
        Err(_) => Finding::Bad(format!("{name} is not installed"), install.to_owned()),
    }
}

fn accelerator() -> Finding {
    let (name, reason) = agent::accelerator("auto");
    let text = format!("{name}: {reason}");
    if name == "kvm" { Finding::Good(text) } else { Finding::Hint(format!("{text}; VMs will be slow")) }
}

fn bridge_filtering() -> Finding {
    if Path::new("/proc/sys/net/bridge/bridge-nf-call-iptables").exists() {
        Finding::Good("br_netfilter is there".to_owned())
    } else {
        Finding::Hint(
            "br_netfilter is not loaded; `cuttle up` loads it and keeps it off for the host itself"
                .to_owned(),
        )
    }
}

fn guest_image() -> Finding {
    match Config::default().guest_image_path() {
        Some(path) if path.exists() => Finding::Good(path.display().to_string()),
        Some(path) => Finding::Bad(
            format!("{} is not there", path.display()),
            "run ./x demo once, which makes it".to_owned(),
        ),
        None => Finding::Hint("none; a fresh cloud has no image until one is uploaded".to_owned()),
    }
}

/// Namespaces of a cloud whose agent does not run.
fn leftovers(dir: &DataDir, fix: bool) -> anyhow::Result<u32> {
    let Ok(cloud) = dir.identity().id.parse::<linux_net::Cloud>() else { return Ok(0) };
    let running = crate::process::Process::of_file(&crate::agent_process::pid_file(dir)).is_some();
    let namespaces = linux_net::list_namespaces(cloud)?;
    if running || namespaces.is_empty() {
        return Ok(0);
    }
    println!("BAD   leftovers: the agent does not run, and {} namespaces are there", namespaces.len());
    if !fix {
        println!(
            "      run `cuttle up` to use them again, or `cuttle down` (or doctor --fix) to remove them"
        );
        return Ok(1);
    }
    agent::stop_everything(&crate::agent_process::settings(dir, &Config::default())?)?;
    linux_net::remove_everything(cloud)?;
    println!("      removed");
    Ok(0)
}
