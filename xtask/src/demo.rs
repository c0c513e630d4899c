//! The demo: a cloud with one server, reached over IPv4 and IPv6, and the commands to go on with.

use crate::clock::{self, Stopwatch};
use crate::cloud::{Cloud, Family};
use crate::project::{self, Failure, Outcome, failed};

const SERVER: &str = "demo";
/// A server that was there before may be booting again.
const REACHABLE_SECONDS: f64 = 120.0;

/// Brings the cloud and its server up; with `--once` takes them down again.
pub fn run(arguments: &[String]) -> Outcome {
    let once = match arguments {
        [] => false,
        [flag] if flag == "--once" => true,
        _ => return Err(Failure::Usage("demo takes --once or nothing".into())),
    };
    let cloud = Cloud::demo();
    let watch = Stopwatch::start();
    let shown = show(&cloud, watch);
    if shown.is_err() {
        explain(&cloud);
    }
    if once {
        say(watch, "taking everything down again");
        let down = cloud.down(true);
        shown?;
        down?;
        say(watch, "nothing is left");
        return Ok(());
    }
    shown?;
    print_next(&cloud);
    Ok(())
}

/// Takes the demo's cloud down.
pub fn down(arguments: &[String]) -> Outcome {
    let purge = match arguments {
        [] => false,
        [flag] if flag == "--purge" => true,
        _ => return Err(Failure::Usage("down takes --purge or nothing".into())),
    };
    let cloud = Cloud::demo();
    if !cloud.exists() {
        println!("there is no demo in {}", cloud.folder().display());
        return Ok(());
    }
    cloud.down(purge)
}

fn say(watch: Stopwatch, text: &str) {
    println!("[{:5.1} s] {text}", watch.seconds());
}

fn show(cloud: &Cloud, watch: Stopwatch) -> Outcome {
    if cloud.is_up() {
        say(watch, &format!("the cloud in {} is up already", cloud.folder().display()));
    } else {
        say(watch, &format!("starting a cloud in {}", cloud.folder().display()));
        let ready = cloud.up()?;
        say(watch, &ready);
    }
    match cloud.status(SERVER) {
        Ok(status) => wake(cloud, watch, &status)?,
        Err(_) => {
            say(watch, "making a server and waiting until its ssh answers");
            let requested = watch.seconds();
            cloud.launch(SERVER)?;
            say(watch, &format!("ssh answered {:.1} s after the request", watch.seconds() - requested));
        }
    }
    for (family, name) in [(Family::V4, "IPv4"), (Family::V6, "IPv6")] {
        let mut last = failed("nothing was tried");
        let said = clock::poll(REACHABLE_SECONDS, || match cloud.ssh(SERVER, family, &["uname", "-a"]) {
            Ok(said) if said.contains("Linux") => Some(said),
            Ok(said) => {
                last = failed(format!("`uname -a` over {name} answered {said:?}"));
                None
            }
            Err(why) => {
                last = why;
                None
            }
        });
        let said = said.ok_or(last)?;
        say(watch, &format!("over {name}, its host key checked against the console: {}", said.trim()));
    }
    let status = cloud.status(SERVER)?;
    println!("\n{}", status.trim_end());
    if let Some(seconds) = ssh_seconds(&status) {
        println!("\nFrom the request to ssh it took {seconds} s.");
    }
    println!(
        "\n$ {} server list\n{}",
        cloud.openstack_line(),
        cloud.openstack(&["server", "list"])?.trim_end()
    );
    Ok(())
}

/// When the server's ssh first answered, from its timeline.
fn ssh_seconds(status: &str) -> Option<&str> {
    let line = status.lines().find(|line| line.contains("ssh banner"))?;
    line.split_whitespace().next()
}

/// Makes sure that a server of an earlier demo runs.
fn wake(cloud: &Cloud, watch: Stopwatch, status: &str) -> Outcome {
    let state = status.lines().next().unwrap_or_default();
    say(watch, &format!("the server is there already: {state}"));
    if state.ends_with("SHUTOFF") {
        say(watch, "starting it");
        cloud.openstack(&["server", "start", SERVER])?;
    }
    Ok(())
}

/// What there is to see of a demo that failed: the server's timeline and its console.
fn explain(cloud: &Cloud) {
    let told = [
        ("timeline", cloud.status(SERVER)),
        ("console", cloud.console(SERVER)),
        ("log", Ok(cloud.log_end())),
    ];
    for (what, told) in told {
        match told {
            Ok(text) => eprintln!("\n---- {what} of {SERVER}\n{}", text.trim_end()),
            Err(why) => eprintln!("\n---- no {what} of {SERVER}: {why}"),
        }
    }
}

fn print_next(cloud: &Cloud) {
    let cuttle = project::target().join("debug/cuttle");
    let root = if project::is_root() { "" } else { "sudo " };
    let openstack = cloud.openstack_line();
    println!("\nGo on with any of these:\n");
    let verb =
        |name: &str| format!("{root}{} {name} --data-dir {}", cuttle.display(), cloud.folder().display());
    println!("  {} {SERVER}", verb("ssh"));
    println!("  {} {SERVER}", verb("console"));
    println!("  {} second --wait ssh", verb("launch"));
    let on_demo = [format!("server show {SERVER}"), format!("console log show {SERVER}")];
    for command in ["image list", "flavor list", "network list"].map(String::from).iter().chain(&on_demo) {
        println!("  {openstack} {command}");
    }
    println!(
        "  {openstack} server create --image cuttle-guest --flavor m1.nano \
         --network auto_allocated_network --wait third"
    );
    println!(
        "\nThe log is {}. To stop: ./x down; to delete the data as well: ./x down --purge",
        cloud.log().display()
    );
}
