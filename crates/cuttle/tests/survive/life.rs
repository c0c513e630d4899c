//! The life of one guest whose control plane, agent, QEMU and host end under it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::cloud::{Cloud, LONG, Who, alive, text, wait};
use super::cloud_test;

fn boot(cloud: &Cloud, name: &str) -> String {
    let body = cloud.server_body(name, &cloud.guest_image(), &cloud.network(Who::Demo));
    text(&cloud.post("/compute/v2.1/servers", &body)["server"]["id"])
}

/// A guest needs DHCP, router advertisements and metadata to come to its ssh server, and has them without `up`.
#[test]
fn guests_boot_without_a_control_plane() {
    cloud_test!("guests_boot_without_a_control_plane");
    let mut cloud = Cloud::new();
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        let server = boot(&cloud, "alone");
        let address = cloud.open_up(&server);
        cloud.wait_for_status(&server, "ACTIVE");
        cloud.signal_up(signal);
        wait("the guest greets", LONG, || cloud.greets(&address).then_some(()));
        cloud.start();
        wait("its milestones are told", LONG, || {
            let actions = cloud.get(&format!("/compute/v2.1/servers/{server}/os-instance-actions"));
            let request = text(&actions["instanceActions"][0]["request_id"]);
            let shown = cloud.get(&format!("/compute/v2.1/servers/{server}/os-instance-actions/{request}"));
            let shown = shown.to_string();
            let all = ["guest_dhcp_lease", "guest_metadata_read", "guest_ssh_banner"];
            all.iter().all(|milestone| shown.contains(milestone)).then_some(())
        });
        cloud.remove_all();
        cloud.assert_clean();
    }
}

#[test]
fn a_guest_outlives_its_agent_and_comes_back_after_its_qemu_and_its_host() {
    cloud_test!("a_guest_outlives_its_agent_and_comes_back_after_its_qemu_and_its_host");
    let mut cloud = Cloud::new();
    let server = boot(&cloud, "phoenix");
    let address = cloud.open_up(&server);
    wait("the guest greets", LONG, || cloud.greets(&address).then_some(()));

    // The agent: `up` starts another, which adopts the VM.
    let process = cloud.vms()[&server];
    let before = cloud.agent().unwrap();
    cloud.kill_agent();
    wait("another agent runs", std::time::Duration::from_secs(3), || {
        cloud.agent().filter(|pid| *pid != before)
    });
    assert!(cloud.greets(&address));
    assert_eq!(cloud.vms().get(&server), Some(&process));

    // The configuration: an `up` that goes by the same one adopts the agent, one that goes by another has it ended.
    let by_the_old = cloud.agent();
    cloud.signal_up(Signal::SIGTERM);
    cloud.start();
    assert_eq!(cloud.agent(), by_the_old);
    cloud.signal_up(Signal::SIGTERM);
    std::fs::write(cloud.config(), "password_cost = 4\n").unwrap();
    cloud.start();
    assert!(cloud.agent().is_some() && cloud.agent() != by_the_old);
    assert!(cloud.greets(&address));
    assert_eq!(cloud.vms().get(&server), Some(&process));

    // QEMU: the server is off, says so, and starts again.
    kill(Pid::from_raw(process), Signal::SIGKILL).unwrap();
    cloud.wait_for_status(&server, "SHUTOFF");
    let act = format!("/compute/v2.1/servers/{server}/action");
    cloud.post(&act, &json!({"os-start": null}));
    cloud.wait_for_status(&server, "ACTIVE");
    wait("the guest greets again", LONG, || cloud.greets(&address).then_some(()));

    // The host: every process, namespace and socket goes; the data stays.
    cloud.kill_up();
    cloud.kill_agent();
    for pid in cloud.vms().into_values() {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        wait("QEMU ends", LONG, || (!alive(pid)).then_some(()));
    }
    linux_net::remove_everything(cloud.id.parse().unwrap()).unwrap();
    std::fs::remove_dir_all(cloud.run_dir()).unwrap();
    cloud.start();
    cloud.wait_for_status(&server, "ACTIVE");
    wait("the guest greets after the host's reboot", LONG, || cloud.greets(&address).then_some(()));
    cloud.remove_all();
    cloud.assert_clean();
}
