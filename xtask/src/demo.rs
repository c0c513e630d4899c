//! The demo: a cloud with one server, reached over IPv4 and IPv6, and the commands to go on with.

use crate::clock::Stopwatch;
use crate::cloud::{Cloud, Family};
use crate::project::{self, Failure, Outcome, failed};

const SERVER: &str = "demo";

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
    if cloud.has_server(SERVER) {
        say(watch, "the server is there already");
    } else {
        say(watch, "making a server and waiting until its ssh answers");
        let requested = watch.seconds();
        cloud.launch(SERVER)?;
        say(watch, &format!("ssh answered {:.1} s after the request", watch.seconds() - requested));
    }
    for (family, name) in [(Family::V4, "IPv4"), (Family::V6, "IPv6")] {
        let said = cloud.ssh(SERVER, family, &["uname", "-a"])?;
        if !said.contains("Linux") {
            return Err(failed(format!("`uname -a` over {name} answered {said:?}")));
        }
        say(watch, &format!("over {name}, its host key checked against the console: {}", said.trim()));
    }
    println!("\n{}", cloud.status(SERVER)?.trim_end());
    Ok(())
}

/// What there is to see of a demo that failed: the server's timeline and its console.
fn explain(cloud: &Cloud) {
    for (what, told) in [("timeline", cloud.status(SERVER)), ("console", cloud.console(SERVER))] {
        match told {
            Ok(text) => eprintln!("\n---- {what} of {SERVER}\n{}", text.trim_end()),
            Err(why) => eprintln!("\n---- no {what} of {SERVER}: {why}"),
        }
    }
}

fn print_next(cloud: &Cloud) {
    let client = std::env::var("CUTTLE_OPENSTACK");
    let client =
        client.unwrap_or_else(|_| project::cache().join("openstack/bin/openstack").display().to_string());
    let openstack =
        format!("OS_CLIENT_CONFIG_FILE={} {client} --os-cloud cuttle", cloud.clouds_yaml().display());
    let cuttle = format!("{} ", project::target().join("debug/cuttle").display());
    let folder = cloud.folder().display();
    let root = if project::is_root() { "" } else { "sudo " };
    println!("\nGo on with any of these:\n");
    println!("  {root}{cuttle}ssh --data-dir {folder} {SERVER}");
    for command in [
        "server list",
        &format!("server show {SERVER}"),
        &format!("console log show {SERVER}"),
        "image list",
        "network list",
    ] {
        println!("  {root}{openstack} {command}");
    }
    println!(
        "  {root}{openstack} server create --image cuttle-guest --flavor m1.nano --network auto --wait second"
    );
    println!(
        "\nThe log is {}. To stop: ./x down; to delete the data as well: ./x down --purge",
        cloud.log().display()
    );
}
