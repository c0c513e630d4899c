//! The model's tables, and servers through their lives with a node whose reports are written by hand.

use agent_api::Kind;
use agent_api::compute::{Milestone, PostedPassword, Power, PowerSeen, VmSeen};
use serde_json::{Value as Json, json};
use types::ServerId;

use super::model::{STATUSES, hostname_of};
use super::{Phase, SERVERS, Server, Task};
use crate::tests::{ADMIN, MEMBER, NANO, OTHER, World, event_at};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ me";

fn row(world: &World, id: &str) -> Server {
    let id: ServerId = id.parse().unwrap();
    world.api.store.read_blocking(move |tx| SERVERS.load(tx, id)).unwrap().unwrap().into_inner()
}

#[test]
fn status_follows_phase_and_task() {
    let world = World::new();
    let id = world.server(&world.draft("web"));
    let mut server = row(&world, &id);
    let mut check = |phase: Phase,
                     task: Option<Task>,
                     status: &str,
                     vm_state: &str,
                     task_state: Option<&str>| {
        (server.phase, server.task) = (phase, task);
        assert_eq!((server.status(), server.vm_state(), server.task_state()), (status, vm_state, task_state));
        assert!(STATUSES.contains(&server.status()));
        let moving = task.is_some_and(|task| !task.is_imaging()) || server.is_building();
        assert_eq!(
            server.time_left(server.since).is_some(),
            moving,
            "what moves has a deadline, what rests has none"
        );
    };
    check(Phase::Scheduling, None, "BUILD", "building", Some("scheduling"));
    check(Phase::Volumes, None, "BUILD", "building", Some("block_device_mapping"));
    check(Phase::Spawning, None, "BUILD", "building", Some("spawning"));
    check(Phase::Spawning, Some(Task::Deleting), "BUILD", "building", Some("deleting"));
    check(Phase::Active, None, "ACTIVE", "active", None);
    check(Phase::Active, Some(Task::PoweringOff), "ACTIVE", "active", Some("powering-off"));
    check(Phase::Active, Some(Task::Rebooting), "REBOOT", "active", Some("rebooting"));
    check(Phase::Active, Some(Task::RebootingHard), "HARD_REBOOT", "active", Some("rebooting_hard"));
    check(Phase::Active, Some(Task::Pausing), "ACTIVE", "active", Some("pausing"));
    check(Phase::Active, Some(Task::Deleting), "ACTIVE", "active", Some("deleting"));
    check(Phase::Active, Some(Task::ImageUploading), "ACTIVE", "active", Some("image_uploading"));
    check(Phase::Stopped, None, "SHUTOFF", "stopped", None);
    check(Phase::Stopped, Some(Task::PoweringOn), "SHUTOFF", "stopped", Some("powering-on"));
    check(Phase::Paused, None, "PAUSED", "paused", None);
    check(Phase::Paused, Some(Task::Unpausing), "PAUSED", "paused", Some("unpausing"));
    check(Phase::Failed, None, "ERROR", "error", None);
    assert!(Task::ALL.iter().all(|task| task.deadline().is_some() != task.is_imaging()));
}

#[test]
fn power_states_are_libvirts() {
    let world = World::new();
    let id = world.server(&world.draft("web"));
    let mut server = row(&world, &id);
    let mut check = |seen: PowerSeen, expected: u8| {
        server.power_seen = seen;
        assert_eq!(server.power_state(), expected);
    };
    check(PowerSeen::Absent, 0);
    check(PowerSeen::Running, 1);
    check(PowerSeen::Paused, 3);
    check(PowerSeen::Shutdown, 4);
    check(PowerSeen::Crashed, 6);
}

#[test]
fn host_names_are_made_of_names() {
    let id: ServerId = "5a1ee7a4-3f5b-4cf1-9be6-6f3a54c8b5ba".parse().unwrap();
    let check = |name: &str, expected: &str| assert_eq!(hostname_of(name, id), expected, "{name}");
    check("web", "web");
    check("My Web_1", "my-web-1");
    check("web.example.org", "web-example-org");
    check("-é-", "server-5a1ee7a4-3f5b-4cf1-9be6-6f3a54c8b5ba");
    check(&"x".repeat(80), &"x".repeat(63));
}

#[test]
fn a_server_is_made_runs_and_goes() {
    let world = World::new();
    let network = world.network(MEMBER);
    world.post(MEMBER, "/os-keypairs", &json!({"keypair": {"name": "k", "public_key": KEY}}));
    let draft = json!({"server": {
        "name": "web", "imageRef": world.image_id, "flavorRef": NANO, "networks": [{"uuid": network}],
        "key_name": "k", "metadata": {"a": "b"}, "tags": ["t"], "user_data": "aGk=", "config_drive": true,
        "description": "words", "hostname": "host",
    }});
    world.is_silent.set(true);
    let id = world.server(&draft);
    assert_eq!(world.field(&id, "status"), "BUILD");
    assert_eq!(world.field(&id, "OS-EXT-STS:task_state"), "spawning");
    assert_eq!(world.field(&id, "addresses"), json!({}), "hidden while it is being made");
    world.is_silent.set(false);
    world.report_vms();
    assert_eq!(world.field(&id, "status"), "ACTIVE");
    assert_eq!(world.field(&id, "OS-EXT-STS:power_state"), 1);
    assert_eq!(world.field(&id, "addresses")["net"][0]["OS-EXT-IPS:type"], "fixed");
    assert_eq!(world.field(&id, "security_groups")[0]["name"], "default");
    let vm = world.vm(&id);
    assert_eq!((vm.metadata.hostname.as_str(), vm.config_drive), ("host", true));
    assert_eq!(vm.metadata.keys[0].2, KEY);
    assert_eq!(vm.metadata.network_data["networks"][0]["type"], "ipv4_dhcp");
    assert_eq!(vm.nics.len(), 1);
    assert_eq!(world.wanted(Kind::Port), 1);
    let ports = format!("/network/v2.0/ports?device_id={id}");
    assert_eq!(world.api.get(MEMBER, &ports).body["ports"][0]["status"], "ACTIVE");
    assert_eq!(world.call(MEMBER, "2.96", "DELETE", &format!("/servers/{id}"), &Json::Null).status, 204);
    world.converge();
    assert_eq!(world.get(MEMBER, &format!("/servers/{id}")).status, 404);
    assert_eq!(world.api.get(MEMBER, &ports).body["ports"], json!([]));
    assert_eq!(world.wanted(Kind::Vm) + world.wanted(Kind::Port), 0);
    let used = world.api.call(ADMIN, "GET", "/placement/usages?project_id=alpha", &[], &Json::Null);
    assert_eq!(used.body["usages"], json!({}));
    let checked = world.api.store.read_blocking(|tx| Ok::<_, store::Error>(placement::allocation::check(tx)));
    assert_eq!(checked.unwrap(), Ok(()));
}

#[test]
fn it_stops_starts_pauses_and_reboots() {
    let world = World::new();
    let id = world.server(&world.draft("web"));
    let check = |action: Json, status: &str, power: u8| {
        assert_eq!(world.act(&id, &action), 202, "{action}");
        world.converge();
        assert_eq!(
            (world.field(&id, "status"), world.field(&id, "OS-EXT-STS:power_state")),
            (json!(status), json!(power))
        );
        assert_eq!(world.field(&id, "OS-EXT-STS:task_state"), Json::Null);
    };
    check(json!({"os-stop": null}), "SHUTOFF", 4);
    assert_eq!(world.act(&id, &json!({"os-stop": null})), 409);
    check(json!({"os-start": null}), "ACTIVE", 1);
    assert_eq!(world.act(&id, &json!({"os-start": null})), 409);
    check(json!({"pause": null}), "PAUSED", 3);
    check(json!({"unpause": null}), "ACTIVE", 1);
    check(json!({"reboot": {"type": "SOFT"}}), "ACTIVE", 1);
    let before = world.vm(&id).reboot.unwrap();
    check(json!({"reboot": {"type": "HARD"}}), "ACTIVE", 1);
    let after = world.vm(&id).reboot.unwrap();
    assert!(after.hard && after.token != before.token, "each reboot has a token of its own");
    let actions = world.get(MEMBER, &format!("/servers/{id}/os-instance-actions")).body;
    let names: Vec<&str> = actions["instanceActions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["action"].as_str().unwrap())
        .collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["create", "pause", "reboot", "reboot", "start", "stop", "unpause"]);
}

#[test]
fn the_guests_own_doing_is_seen() {
    let world = World::new();
    let id = world.server(&world.draft("web"));
    world.happens(&id, |vm| vm.power = PowerSeen::Shutdown);
    assert_eq!(world.field(&id, "status"), "SHUTOFF");
    assert!(
        matches!(world.vm(&id).power, Power::Off { .. }),
        "nobody starts it again behind the guest's back"
    );
    assert_eq!(world.act(&id, &json!({"os-start": null})), 202);
    world.converge();
    assert_eq!(world.field(&id, "status"), "ACTIVE");
    let crash = |vm: &mut VmSeen| {
        vm.power = PowerSeen::Crashed;
        vm.trouble = Some("QEMU was ended by SIGKILL".to_owned());
    };
    world.happens(&id, crash);
    assert_eq!(world.field(&id, "status"), "SHUTOFF");
    let why = "The server ended unexpectedly on host node-1: QEMU was ended by SIGKILL";
    assert_eq!(world.field(&id, "fault")["message"], why);
    world.report_vms();
    assert_eq!(world.field(&id, "fault")["message"], why, "until it is started again");
    for action in ["os-start", "pause"] {
        assert_eq!(world.act(&id, &json!({ action: null })), 202);
        world.converge();
    }
    assert_eq!(world.field(&id, "status"), "PAUSED");
    assert_eq!(world.field(&id, "fault"), Json::Null);
    world.happens(&id, |vm| vm.power = PowerSeen::Crashed);
    assert_eq!(world.field(&id, "status"), "SHUTOFF", "one that stands still can die, too");
}

#[test]
fn a_server_that_stands_still_says_why() {
    let world = World::new();
    let id = world.server(&world.draft("web"));
    world.happens(&id, |vm| {
        vm.power = PowerSeen::Paused;
        vm.trouble = Some("no space".to_owned());
    });
    assert_eq!(
        (world.field(&id, "status"), world.field(&id, "OS-EXT-STS:power_state")),
        (json!("ACTIVE"), json!(3))
    );
    assert_eq!(world.field(&id, "fault")["message"], "The server stands still on host node-1: no space");
    world.happens(&id, |vm| (vm.power, vm.trouble) = (PowerSeen::Running, None));
    assert_eq!(world.field(&id, "fault"), Json::Null);
}

#[test]
fn a_guests_password_is_shown_and_cleared() {
    let world = World::new();
    let id = world.server(&world.draft("web"));
    let path = format!("/servers/{id}/os-server-password");
    let shown = || world.get("reader@alpha", &path).body["password"].clone();
    assert_eq!(shown(), "");
    let post = |cleared, text: &str| {
        let text = text.to_owned();
        world.happens(&id, |vm| vm.password = Some(PostedPassword { cleared, text }));
    };
    post(0, "c2VjcmV0");
    assert_eq!(shown(), "c2VjcmV0");
    let clear = |token: &str| world.call(token, "2.96", "DELETE", &path, &Json::Null).status;
    assert_eq!((clear("reader@alpha"), clear(OTHER), clear(MEMBER)), (403, 404, 204));
    world.converge();
    assert_eq!(world.vm(&id).metadata.passwords_cleared, 1);
    world.report_vms();
    assert_eq!(shown(), "", "a report of what was cleared brings nothing back");
    post(1, "bmV3");
    assert_eq!(shown(), "bmV3");
    assert_eq!(world.get(OTHER, &path).status, 404);
}

#[test]
fn the_record_goes_on_past_active() {
    let world = World::new();
    let id = world.server(&world.draft("web"));
    let at = runtime::now();
    world.happens(&id, |vm| {
        vm.timeline.extend(
            [Milestone::DhcpLease, Milestone::MetadataRead, Milestone::SshBanner].map(|e| event_at(e, at)),
        );
    });
    let path = format!("/servers/{id}/os-instance-actions");
    let request_id =
        world.get(MEMBER, &path).body["instanceActions"][0]["request_id"].as_str().unwrap().to_owned();
    let shown = world.get(MEMBER, &format!("{path}/{request_id}")).body["instanceAction"].clone();
    let events: Vec<&str> =
        shown["events"].as_array().unwrap().iter().map(|e| e["event"].as_str().unwrap()).collect();
    for event in [
        "guest_ssh_banner",
        "guest_metadata_read",
        "guest_dhcp_lease",
        "vm_started",
        "compute_choose_host",
        "compute__do_build_and_run_instance",
    ] {
        assert!(events.contains(&event), "{event} in {events:?}");
    }
    let banner = &shown["events"]
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["event"] == "guest_ssh_banner")
        .unwrap()
        .clone();
    assert_eq!(banner["finish_time"], at.iso_micros(), "at the time when the node saw it");
    assert!(shown["events"].as_array().unwrap().iter().all(|e| e["result"] == "Success"));
    assert_eq!(world.get(MEMBER, &format!("{path}/req-none")).status, 404);
    assert_eq!(world.get(OTHER, &path).status, 404);
}

#[test]
fn no_valid_host_says_what_each_filter_removed() {
    let world = World::new();
    let flavor = json!({"flavor": {"name": "huge", "id": "huge", "ram": 32768, "vcpus": 1, "disk": 1}});
    assert_eq!(world.post(ADMIN, "/flavors", &flavor).status, 200);
    let mut draft = world.draft("web");
    draft["server"]["flavorRef"] = json!("huge");
    let id = world.server(&draft);
    assert_eq!(world.field(&id, "status"), "ERROR");
    assert_eq!(
        world.field(&id, "fault")["message"],
        "No valid host was found. 1 host was considered; MEMORY_MB removed 1 (asked 32768, nearest is node-1 with 15872 free)."
    );
    assert_eq!(world.field(&id, "fault")["code"], 500);
    assert_eq!(world.act(&id, &json!({"os-start": null})), 409);
    assert_eq!(world.act(&id, &json!({"reboot": {"type": "HARD"}})), 409, "it never ran");
    assert_eq!(world.call(MEMBER, "2.96", "DELETE", &format!("/servers/{id}"), &Json::Null).status, 204);
    world.converge();
    assert_eq!(world.get(MEMBER, &format!("/servers/{id}")).status, 404);
}

#[test]
fn a_host_that_cannot_or_does_not_answer_leads_to_error() {
    let guard = runtime::simulate(7, runtime::now());
    let world = World::new();
    *world.refusal.borrow_mut() = Some("no disk space left".to_owned());
    let refused = world.server(&world.draft("web"));
    assert_eq!(world.field(&refused, "status"), "BUILD", "it may yet succeed");
    guard.advance(std::time::Duration::from_secs(21));
    world.converge();
    assert_eq!(world.field(&refused, "status"), "ERROR");
    assert_eq!(world.field(&refused, "fault")["message"], "Host node-1 cannot do it: no disk space left");
    *world.refusal.borrow_mut() = None;
    world.is_silent.set(true);
    // The node goes on being heard of; only of this VM it says nothing.
    let silent = world.server(&world.draft("web"));
    guard.advance(std::time::Duration::from_secs(601));
    world.converge();
    assert_eq!(world.field(&silent, "status"), "ERROR");
    assert_eq!(world.field(&silent, "fault")["message"], "spawning took longer than 600 s on host node-1");
}

#[test]
fn volumes_are_attached_and_detached_while_it_runs() {
    let world = World::new();
    let id = world.server(&world.draft("web"));
    let volume = json!({"volume": {"size": 1}});
    let volume = world.api.post(MEMBER, "/volume/v3/volumes", &volume).body["volume"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let status =
        || world.api.get(MEMBER, &format!("/volume/v3/volumes/{volume}")).body["volume"]["status"].clone();
    let path = format!("/servers/{id}/os-volume_attachments");
    let attach = json!({"volumeAttachment": {"volumeId": volume}});
    // It may still fail to be made.
    assert_eq!((status(), world.post(MEMBER, &path, &attach).status), (json!("creating"), 400));
    world.converge();
    assert_eq!(status(), "available");
    let attached = world.post(MEMBER, &path, &attach);
    assert_eq!(attached.status, 200);
    assert_eq!(attached.body["volumeAttachment"]["device"], "/dev/vdb");
    assert_eq!(world.post(MEMBER, &path, &attach).status, 400);
    world.converge();
    assert_eq!(status(), "in-use");
    assert_eq!(world.vm(&id).volumes.len(), 1);
    assert_eq!(world.field(&id, "os-extended-volumes:volumes_attached")[0]["id"], json!(volume));
    assert_eq!(
        world.call(MEMBER, "2.1", "GET", &format!("{path}/{volume}"), &Json::Null).body["volumeAttachment"]["id"],
        json!(volume)
    );
    let extended = world.api.call(
        MEMBER,
        "POST",
        &format!("/volume/v3/volumes/{volume}/action"),
        &[("openstack-api-version", "volume 3.42")],
        &json!({"os-extend": {"new_size": 3}}),
    );
    assert_eq!(extended.status, 202);
    world.converge();
    assert_eq!(status(), "in-use");
    let actions = world.get(ADMIN, &format!("/servers/{id}/os-instance-actions")).body;
    let newest = &actions["instanceActions"][0];
    let (_, request) = extended.headers.iter().find(|(name, _)| name == "x-openstack-request-id").unwrap();
    assert_eq!((&newest["action"], &newest["request_id"]), (&json!("extend_volume"), &json!(request)));
    let shown = world.get(ADMIN, &format!("/servers/{id}/os-instance-actions/{request}")).body;
    let event = &shown["instanceAction"]["events"][0];
    assert_eq!((&event["event"], &event["result"]), (&json!("compute_extend_volume"), &json!("Success")));
    assert_eq!(world.call(MEMBER, "2.96", "DELETE", &format!("{path}/{volume}"), &Json::Null).status, 202);
    world.converge();
    assert_eq!(status(), "available");
    assert_eq!(world.vm(&id).volumes.len(), 0);
    assert_eq!(world.call(MEMBER, "2.96", "DELETE", &format!("{path}/{volume}"), &Json::Null).status, 404);
    let unknown = json!({"volumeAttachment": {"volumeId": "5a1ee7a4-3f5b-4cf1-9be6-6f3a54c8b5ba"}});
    assert_eq!(world.post(MEMBER, &path, &unknown).status, 404);
}

#[test]
fn a_volume_is_in_several_servers_at_a_time() {
    let world = World::new();
    let kind = json!({"volume_type": {"name": "shared", "extra_specs": {"multiattach": "<is> True"}}});
    assert_eq!(world.api.post(ADMIN, "/volume/v3/types", &kind).status, 200);
    let volume = json!({"volume": {"size": 1, "volume_type": "shared"}});
    let volume = world.api.post(MEMBER, "/volume/v3/volumes", &volume).body["volume"]["id"].clone();
    let path_of = |id: &str| format!("/servers/{id}/os-volume_attachments");
    let shown = || {
        let view = world.api.get(MEMBER, &format!("/volume/v3/volumes/{}", volume.as_str().unwrap())).body;
        let servers = view["volume"]["attachments"].as_array().map_or(0, Vec::len);
        (view["volume"]["status"].as_str().unwrap_or("gone").to_owned(), servers)
    };
    let is = |status: &str, servers: usize| assert_eq!(shown(), (status.to_owned(), servers));
    let (first, second) = (world.server(&world.draft("a")), world.server(&world.draft("b")));
    // A client of old would take what it is given for its own.
    let attach = json!({"volumeAttachment": {"volumeId": volume}});
    let refused = world.call(MEMBER, "2.59", "POST", &path_of(&first), &attach);
    let text = "Multiattach volumes are only supported starting with compute API version 2.60.";
    assert_eq!((refused.status, &refused.body["badRequest"]["message"]), (400, &json!(text)));
    is("available", 0);
    let goes = json!({"volumeAttachment": {"volumeId": volume, "delete_on_termination": true}});
    assert_eq!(world.post(MEMBER, &path_of(&first), &goes).status, 200);
    is("reserved", 0);
    assert_eq!(world.post(MEMBER, &path_of(&second), &attach).status, 400, "the first is on its way");
    world.converge();
    is("in-use", 1);
    assert_eq!(world.post(MEMBER, &path_of(&first), &attach).status, 400, "it has it");
    let given = world.post(MEMBER, &path_of(&second), &attach);
    assert_eq!(given.status, 200, "{given:?}");
    world.converge();
    is("in-use", 2);
    for server in [&first, &second] {
        assert_eq!(world.vm(server).volumes.len(), 1);
        assert_eq!(world.field(server, "os-extended-volumes:volumes_attached")[0]["id"], volume);
    }
    let attachment =
        |id: &str| world.get(MEMBER, &path_of(id)).body["volumeAttachments"][0]["attachment_id"].clone();
    assert_ne!(attachment(&first), attachment(&second));

    // A server is made with what others have; an old client makes none so.
    let with = json!({"server": {
        "name": "c", "flavorRef": NANO, "imageRef": world.image_id, "networks": "none",
        "block_device_mapping_v2": [
            {"boot_index": 0, "uuid": world.image_id, "source_type": "image", "destination_type": "local"},
            {"boot_index": -1, "uuid": volume, "source_type": "volume", "destination_type": "volume"},
        ],
    }});
    let old = world.call(MEMBER, "2.59", "POST", "/servers", &with);
    assert_eq!((old.status, &old.body["badRequest"]["message"]), (400, &json!(text)));
    is("in-use", 2);
    let third = world.server(&with);
    assert_eq!((world.field(&third, "status"), world.vm(&third).volumes.len()), (json!("ACTIVE"), 1));
    is("in-use", 3);

    // The first goes, and takes nothing from the others, whatever was said when it got the volume.
    world.call(MEMBER, "2.96", "DELETE", &format!("/servers/{first}"), &Json::Null);
    world.converge();
    assert_eq!(world.get(MEMBER, &format!("/servers/{first}")).status, 404);
    is("in-use", 2);
    let volume_path = format!("{}/{}", path_of(&second), volume.as_str().unwrap());
    assert_eq!(world.call(MEMBER, "2.96", "DELETE", &volume_path, &Json::Null).status, 202);
    is("detaching", 2);
    world.converge();
    is("in-use", 1);
    assert_eq!((world.vm(&second).volumes.len(), world.vm(&third).volumes.len()), (0, 1));
    // The last that has it lets it go with itself, if that was said.
    assert_eq!(world.post(MEMBER, &path_of(&second), &goes).status, 200);
    world.converge();
    world.call(MEMBER, "2.96", "DELETE", &format!("/servers/{third}"), &Json::Null);
    world.converge();
    is("in-use", 1);
    world.call(MEMBER, "2.96", "DELETE", &format!("/servers/{second}"), &Json::Null);
    world.converge();
    is("gone", 0);
}

#[test]
fn all_servers_are_told_that_their_volume_grew() {
    let world = World::new();
    let kind = json!({"volume_type": {"name": "shared", "extra_specs": {"multiattach": "<is> True"}}});
    world.api.post(ADMIN, "/volume/v3/types", &kind);
    let volume = json!({"volume": {"size": 1, "volume_type": "shared"}});
    let volume = world.api.post(MEMBER, "/volume/v3/volumes", &volume).body["volume"]["id"].clone();
    let servers = [world.server(&world.draft("a")), world.server(&world.draft("b"))];
    for server in &servers {
        let attach = json!({"volumeAttachment": {"volumeId": volume}});
        let path = format!("/servers/{server}/os-volume_attachments");
        assert_eq!(world.post(MEMBER, &path, &attach).status, 200);
        world.converge();
    }
    let grown = world.api.call(
        MEMBER,
        "POST",
        &format!("/volume/v3/volumes/{}/action", volume.as_str().unwrap()),
        &[("openstack-api-version", "volume 3.42")],
        &json!({"os-extend": {"new_size": 2}}),
    );
    assert_eq!(grown.status, 202);
    world.converge();
    for server in &servers {
        let actions = world.get(ADMIN, &format!("/servers/{server}/os-instance-actions")).body;
        assert_eq!(actions["instanceActions"][0]["action"], "extend_volume", "{server}");
    }
}

#[test]
fn it_boots_from_a_volume_that_is_made_for_it() {
    let world = World::new();
    let draft = json!({"server": {
        "name": "web", "flavorRef": NANO, "imageRef": "", "networks": "none",
        "block_device_mapping_v2": [
            {"boot_index": 0, "uuid": world.image_id, "source_type": "image", "destination_type": "volume",
             "volume_size": 2, "delete_on_termination": true},
            {"boot_index": -1, "source_type": "blank", "destination_type": "volume", "volume_size": 1},
        ],
    }});
    let id = world.server(&draft);
    assert_eq!(world.field(&id, "status"), "ACTIVE");
    assert_eq!(world.field(&id, "image"), "");
    let vm = world.vm(&id);
    assert!(vm.root_disk.is_none() && vm.volumes[0].boot && !vm.volumes[1].boot);
    assert_eq!((vm.volumes[0].device.as_str(), vm.volumes[1].device.as_str()), ("/dev/vda", "/dev/vdb"));
    let count = || world.api.get(MEMBER, "/volume/v3/volumes").body["volumes"].as_array().unwrap().len();
    assert_eq!(count(), 2);
    world.call(MEMBER, "2.96", "DELETE", &format!("/servers/{id}"), &Json::Null);
    world.converge();
    assert_eq!(count(), 1, "the one goes with the server, the other stays");
    assert_eq!(world.wanted(Kind::Volume), 1);
}

#[test]
fn a_volume_that_cannot_go_does_not_keep_its_server() {
    let world = World::new();
    let id = world.server(&json!({"server": {
        "name": "web", "flavorRef": NANO, "imageRef": "", "networks": "none",
        "block_device_mapping_v2": [
            {"boot_index": 0, "uuid": world.image_id, "source_type": "image", "destination_type": "volume",
             "volume_size": 1, "delete_on_termination": true},
        ],
    }}));
    let volume = world.vm(&id).volumes[0].id;
    let snapshot = json!({"snapshot": {"volume_id": volume, "force": true}});
    assert_eq!(world.api.post(MEMBER, "/volume/v3/snapshots", &snapshot).status, 202);
    world.converge();
    assert_eq!(world.call(MEMBER, "2.96", "DELETE", &format!("/servers/{id}"), &Json::Null).status, 204);
    world.converge();
    assert_eq!(world.get(MEMBER, &format!("/servers/{id}")).status, 404);
    let shown = world.api.get(MEMBER, &format!("/volume/v3/volumes/{volume}")).body["volume"].clone();
    assert_eq!((&shown["status"], &shown["attachments"]), (&json!("available"), &json!([])));
}

#[test]
fn it_boots_from_a_snapshot_of_a_volume() {
    let world = World::new();
    let volume = json!({"volume": {"size": 1, "imageRef": world.image_id}});
    let volume = world.api.post(MEMBER, "/volume/v3/volumes", &volume).body["volume"]["id"].clone();
    world.converge();
    let snapshot = json!({"snapshot": {"volume_id": volume}});
    let snapshot = world.api.post(MEMBER, "/volume/v3/snapshots", &snapshot).body["snapshot"]["id"].clone();
    world.converge();
    let id = world.server(&json!({"server": {
        "name": "web", "flavorRef": NANO, "imageRef": "", "networks": "none",
        "block_device_mapping_v2": [
            {"boot_index": 0, "uuid": snapshot, "source_type": "snapshot", "destination_type": "volume"},
        ],
    }}));
    assert_eq!(world.field(&id, "status"), "ACTIVE");
    let made = world.vm(&id).volumes[0].id;
    let shown = world.api.get(MEMBER, &format!("/volume/v3/volumes/{made}")).body["volume"].clone();
    assert_eq!((&shown["snapshot_id"], &shown["status"]), (&snapshot, &json!("in-use")));
}

#[test]
fn a_claimed_port_outlives_its_server() {
    let world = World::new();
    let network = world.network(MEMBER);
    let port = world.api.post(MEMBER, "/network/v2.0/ports", &json!({"port": {"network_id": network}}));
    let port = port.body["port"]["id"].as_str().unwrap().to_owned();
    let mut draft = world.draft("web");
    draft["server"]["networks"] = json!([{"port": port}]);
    let id = world.server(&draft);
    assert_eq!(
        world.get(MEMBER, &format!("/servers/{id}/os-interface")).body["interfaceAttachments"][0]["port_id"],
        json!(port)
    );
    assert_eq!(world.post(MEMBER, "/servers", &draft).status, 409, "the port is in use");
    world.call(MEMBER, "2.96", "DELETE", &format!("/servers/{id}"), &Json::Null);
    world.converge();
    let left = world.api.get(MEMBER, &format!("/network/v2.0/ports/{port}")).body["port"].clone();
    assert_eq!((left["device_id"].clone(), left["status"].clone()), (json!(""), json!("DOWN")));
}

#[test]
fn a_project_without_networks_gets_one_on_demand() {
    let world = World::new();
    let outside = network::Outside::default();
    world.api.store.write_blocking(move |tx| network::bootstrap(tx, &"admin".into(), &outside)).unwrap();
    let mut draft = world.draft("web");
    draft["server"]["networks"] = json!("auto");
    let id = world.server(&draft);
    let families = |id: &str| -> Vec<Json> {
        let addresses = world.field(id, "addresses")["auto_allocated_network"].clone();
        addresses.as_array().unwrap().iter().map(|address| address["version"].clone()).collect()
    };
    assert_eq!(families(&id), [json!(4), json!(6)]);
    let second = world.server(&draft);
    assert_eq!(families(&second), [json!(4), json!(6)], "the second is on the same network");
}

#[test]
fn a_floating_ip_shows_among_the_addresses() {
    let world = World::new();
    let outside = network::Outside::default();
    world.api.store.write_blocking(move |tx| network::bootstrap(tx, &"admin".into(), &outside)).unwrap();
    let mut draft = world.draft("web");
    draft["server"]["networks"] = json!("auto");
    let id = world.server(&draft);
    let port =
        world.get(MEMBER, &format!("/servers/{id}/os-interface")).body["interfaceAttachments"][0]["port_id"]
            .clone();
    let public =
        world.api.get(MEMBER, "/network/v2.0/networks?name=public").body["networks"][0]["id"].clone();
    let floating = json!({"floatingip": {"floating_network_id": public, "port_id": port}});
    let floating = world.api.post(MEMBER, "/network/v2.0/floatingips", &floating);
    assert_eq!(floating.status, 201);
    world.converge();
    let kinds = || world.field(&id, "addresses").to_string().matches("floating").count();
    assert_eq!(kinds(), 1);
    let ip = floating.body["floatingip"]["id"].as_str().unwrap().to_owned();
    assert_eq!(world.api.delete(MEMBER, &format!("/network/v2.0/floatingips/{ip}")).status, 204);
    world.converge();
    assert_eq!(kinds(), 0);
}

#[test]
fn views_grow_with_the_microversion() {
    let world = World::new();
    let id = world.server(&world.draft("web"));
    let check = |token: &str, version: &str, present: &[&str], absent: &[&str]| {
        for path in [format!("/servers/{id}"), "/servers/detail".to_owned()] {
            let body = world.call(token, version, "GET", &path, &Json::Null).body;
            let view =
                if path.ends_with("detail") { body["servers"][0].clone() } else { body["server"].clone() };
            present.iter().for_each(|name| assert!(view.get(name).is_some(), "{version} {path} has {name}"));
            absent
                .iter()
                .for_each(|name| assert!(view.get(name).is_none(), "{version} {path} has no {name}"));
        }
    };
    let newer = [
        "locked",
        "description",
        "tags",
        "trusted_image_certificates",
        "locked_reason",
        "pinned_availability_zone",
    ];
    check(MEMBER, "2.1", &["OS-EXT-STS:vm_state", "accessIPv4", "key_name"], &newer);
    check(MEMBER, "2.9", &newer[..1], &newer[1..]);
    check(MEMBER, "2.19", &newer[..2], &newer[2..]);
    check(MEMBER, "2.26", &newer[..3], &newer[3..]);
    check(MEMBER, "2.63", &newer[..4], &newer[4..]);
    check(MEMBER, "2.73", &newer[..5], &newer[5..]);
    check(MEMBER, "2.96", &["OS-EXT-SRV-ATTR:hostname"], &["OS-EXT-SRV-ATTR:host", "host_status"]);
    check(MEMBER, "2.89", &[], &["OS-EXT-SRV-ATTR:hostname"]);
    let admin = |version: &str| {
        world.call(ADMIN, version, "GET", &format!("/servers/{id}"), &Json::Null).body["server"].clone()
    };
    assert_eq!(admin("2.1")["OS-EXT-SRV-ATTR:host"], "node-1");
    assert!(admin("2.1").get("OS-EXT-SRV-ATTR:root_device_name").is_none());
    assert_eq!(admin("2.3")["OS-EXT-SRV-ATTR:root_device_name"], "/dev/vda");
    assert_eq!(admin("2.16")["host_status"], "UP");
    let flavor = |version: &str| {
        world.call(MEMBER, version, "GET", &format!("/servers/{id}"), &Json::Null).body["server"]["flavor"]
            .clone()
    };
    assert_eq!(flavor("2.46")["id"], NANO);
    assert_eq!(flavor("2.47")["original_name"], "m1.nano");
}

#[test]
fn lists_filter_sort_and_page() {
    let world = World::new();
    for name in ["a-web", "b-web", "c-db"] {
        world.server(&world.draft(name));
    }
    let names = |path: &str| -> Vec<String> {
        let body = world.get(MEMBER, path).body;
        body["servers"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("/servers?name=web&sort_key=display_name&sort_dir=desc"), ["b-web", "a-web"]);
    assert_eq!(names("/servers?status=ACTIVE").len(), 3);
    assert_eq!(names("/servers?status=SHUTOFF").len(), 0);
    assert_eq!(names("/servers?flavor=42&locked=false").len(), 3);
    assert_eq!(names("/servers?changes-since=2999-01-01T00:00:00Z").len(), 0);
    assert_eq!(world.get(OTHER, "/servers").body["servers"], json!([]));
    assert_eq!(world.get(MEMBER, "/servers?all_tenants=1").status, 403);
    assert_eq!(world.get(ADMIN, "/servers?all_tenants=1").body["servers"].as_array().unwrap().len(), 3);
    let first = world.get(MEMBER, "/servers?limit=2&sort_key=display_name&sort_dir=asc");
    assert_eq!(first.body["servers"].as_array().unwrap().len(), 2);
    let next = first.body["servers_links"][0]["href"].as_str().unwrap().to_owned();
    let rest = names(next.split("/v2.1").nth(1).unwrap());
    assert_eq!(rest, ["c-db"]);
    for bad in [
        "status=SLEEPING",
        "limit=-1",
        "limit=x",
        "marker=none",
        "sort_key=colour",
        "colour=red",
        "_secret=1",
        "name=(",
        "changes-since=soon",
        "all_tenants=perhaps",
    ] {
        assert_eq!(world.get(ADMIN, &format!("/servers?{bad}")).status, 400, "{bad}");
    }
    assert_eq!(
        world.call(MEMBER, "2.1", "GET", "/servers?status=SLEEPING&colour=red", &Json::Null).body["servers"],
        json!([])
    );
    assert_eq!(world.get(MEMBER, "/servers?sort_key=host").status, 403);
}

#[test]
fn several_are_made_by_one_request() {
    let world = World::new();
    let mut draft = world.draft("web");
    draft["server"]["min_count"] = json!(2);
    draft["server"]["max_count"] = json!(40);
    world.server(&draft);
    let body = world.get(MEMBER, "/servers?sort_key=launch_index&sort_dir=asc").body;
    let names: Vec<&str> =
        body["servers"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 10, "as many as the quota leaves");
    assert_eq!(names[..2], ["web-1", "web-2"]);
    assert_eq!(world.post(MEMBER, "/servers", &draft).status, 403);
}

#[test]
fn groups_keep_apart() {
    let world = World::new();
    let group = world.post(
        MEMBER,
        "/os-server-groups",
        &json!({"server_group": {"name": "g", "policy": "anti-affinity"}}),
    );
    let group = group.body["server_group"]["id"].as_str().unwrap().to_owned();
    let mut draft = world.draft("web");
    draft["os:scheduler_hints"] = json!({"group": group});
    let first = world.server(&draft);
    let second = world.server(&draft);
    assert_eq!(world.field(&first, "status"), "ACTIVE");
    assert_eq!(world.field(&first, "server_groups"), json!([group]));
    let fault = world.field(&second, "fault")["message"].as_str().unwrap().to_owned();
    assert!(fault.contains("anti-affinity removed 1 (node-1 has a member of the group already)"), "{fault}");
    let shown = world.get(MEMBER, &format!("/os-server-groups/{group}")).body["server_group"].clone();
    assert_eq!(shown["members"].as_array().unwrap().len(), 2);
    draft["os:scheduler_hints"] = json!({"colour": "red"});
    assert_eq!(world.post(MEMBER, "/servers", &draft).status, 400);
    assert_eq!(world.get(OTHER, &format!("/os-server-groups/{group}")).status, 404);
}

#[test]
fn locks_hold_their_owner_off() {
    let world = World::new();
    let id = world.server(&world.draft("web"));
    assert_eq!(world.act(&id, &json!({"lock": {"locked_reason": "hands off"}})), 202);
    assert_eq!(world.field(&id, "locked_reason"), "hands off");
    assert_eq!(world.act(&id, &json!({"os-stop": null})), 409);
    assert_eq!(world.call(MEMBER, "2.96", "DELETE", &format!("/servers/{id}"), &Json::Null).status, 409);
    assert_eq!(world.act(&id, &json!({"unlock": null})), 202);
    let path = format!("/servers/{id}/action");
    assert_eq!(world.post(ADMIN, &path, &json!({"lock": null})).status, 202);
    assert_eq!(world.act(&id, &json!({"unlock": null})), 403, "an operator's lock is an operator's to open");
    assert_eq!(world.post(ADMIN, &path, &json!({"unlock": null})).status, 202);
    assert_eq!(world.act(&id, &json!({"os-resetState": {"state": "error"}})), 403);
    assert_eq!(world.post(ADMIN, &path, &json!({"os-resetState": {"state": "error"}})).status, 202);
    assert_eq!(world.field(&id, "status"), "ERROR");
    assert_eq!(world.act(&id, &json!({"reboot": {"type": "HARD"}})), 202);
    world.converge();
    assert_eq!(world.field(&id, "status"), "ACTIVE");
}

#[test]
fn metadata_and_tags_are_the_owners() {
    let world = World::new();
    let id = world.server(&world.draft("web"));
    let call = |method: &str, path: &str, body: Json| {
        world.call(MEMBER, "2.96", method, format!("/servers/{id}/{path}").trim_end_matches('/'), &body)
    };
    assert_eq!(call("POST", "metadata", json!({"metadata": {"a": "1", "b": "2"}})).status, 200);
    assert_eq!(call("PUT", "metadata/a", json!({"meta": {"a": "3"}})).body, json!({"meta": {"a": "3"}}));
    assert_eq!(call("PUT", "metadata/a", json!({"meta": {"b": "3"}})).status, 400);
    assert_eq!(call("DELETE", "metadata/b", Json::Null).status, 204);
    assert_eq!(call("DELETE", "metadata/b", Json::Null).status, 404);
    world.converge();
    assert_eq!(world.vm(&id).metadata.meta.get("a").map(String::as_str), Some("3"));
    assert_eq!(call("PUT", "metadata", json!({"metadata": {"a": 3}})).status, 400);
    assert_eq!(call("PUT", "tags/blue", Json::Null).status, 201);
    assert_eq!(call("PUT", "tags/blue", Json::Null).status, 204);
    assert_eq!(call("GET", "tags", Json::Null).body, json!({"tags": ["blue"]}));
    assert_eq!(call("DELETE", "tags/red", Json::Null).status, 404);
    assert_eq!(call("PUT", "tags", json!({"tags": ["a,b"]})).status, 400);
    assert_eq!(world.call(MEMBER, "2.25", "GET", &format!("/servers/{id}/tags"), &Json::Null).status, 404);
    assert_eq!(
        call("PUT", "", json!({"server": {"name": "new", "description": null}})).body["server"]["name"],
        "new"
    );
    assert_eq!(call("PUT", "", json!({"server": {"name": ""}})).status, 400);
}

#[test]
fn bad_servers_are_refused() {
    let world = World::new();
    let network = world.network(MEMBER);
    let nobody = "5a1ee7a4-3f5b-4cf1-9be6-6f3a54c8b5ba";
    let check = |change: Json, status: u16| {
        let mut draft = world.draft("web");
        for (key, value) in change.as_object().unwrap() {
            draft["server"][key] = value.clone();
        }
        let answer = world.post(MEMBER, "/servers", &draft);
        assert_eq!(answer.status, status, "{change} {:?}", answer.body);
    };
    check(json!({"name": 3}), 400);
    check(json!({"name": ""}), 400);
    check(json!({"imageRef": "x"}), 400);
    check(json!({"imageRef": nobody}), 400);
    check(json!({"imageRef": ""}), 400);
    check(json!({"flavorRef": "none"}), 400);
    check(json!({"flavorRef": null}), 400);
    check(json!({"networks": "some"}), 400);
    check(json!({"networks": [{"uuid": "x"}]}), 400);
    check(json!({"networks": [{"uuid": nobody}]}), 400);
    check(json!({"networks": [{"port": nobody}]}), 400);
    check(json!({"networks": [{"uuid": network, "fixed_ip": "10.9.9.9"}]}), 400);
    check(json!({"networks": [{"uuid": network, "colour": 1}]}), 400);
    check(json!({"networks": [3]}), 400);
    check(json!({"networks": null}), 400);
    check(json!({"networks": [{"uuid": network}], "security_groups": [{"name": "none"}]}), 400);
    check(json!({"security_groups": "x"}), 400);
    check(json!({"key_name": "none"}), 400);
    check(json!({"user_data": "???"}), 400);
    check(json!({"metadata": {"a": {}}}), 400);
    check(json!({"metadata": []}), 400);
    check(json!({"min_count": 0}), 400);
    check(json!({"min_count": 3, "max_count": 2}), 400);
    check(json!({"availability_zone": "mars"}), 400);
    check(json!({"availability_zone": "nova:node-1"}), 403);
    check(json!({"tags": ["a/b"]}), 400);
    check(json!({"personality": []}), 400);
    check(json!({"colour": "red"}), 400);
    check(json!({"accessIPv4": "::1"}), 400);
    check(json!({"OS-DCF:diskConfig": "SOME"}), 400);
    check(json!({"hostname": "a b"}), 400);
    check(json!({"block_device_mapping_v2": [{"source_type": "moon"}]}), 400);
    check(
        json!({"block_device_mapping_v2": [{"source_type": "volume", "uuid": nobody, "destination_type": "volume"}]}),
        400,
    );
    let patch = json!([{"op": "add", "path": "/cinder_encryption_key_id", "value": nobody}]).to_string();
    let headers = [("content-type", "application/openstack-images-v2.1-json-patch")];
    let image = format!("/image/v2/images/{}", world.image_id);
    assert_eq!(world.api.send(ADMIN, "PATCH", &image, &headers, patch.into_bytes()).status, 200);
    // It has the encrypted bytes of a volume.
    check(json!({}), 400);
    assert_eq!(world.post(MEMBER, "/servers", &json!({})).status, 400);
    assert_eq!(world.post(MEMBER, "/servers", &json!([])).status, 400);
    let malformed = world.api.send(MEMBER, "POST", "/compute/v2.1/servers", &[], b"{".to_vec());
    assert_eq!(malformed.status, 400);
    assert_eq!(
        world.get(MEMBER, "/servers").body["servers"],
        json!([]),
        "nothing is left of what was refused"
    );
    assert_eq!(world.api.get(MEMBER, "/network/v2.0/ports").body["ports"], json!([]));
}

#[test]
fn bad_actions_are_refused() {
    let world = World::new();
    let id = world.server(&world.draft("web"));
    let check = |action: Json, status: u16| assert_eq!(world.act(&id, &action), status, "{action}");
    check(json!({}), 400);
    check(json!([]), 400);
    check(json!({"dance": null}), 400);
    check(json!({"os-stop": null, "os-start": null}), 400);
    check(json!({"reboot": {}}), 400);
    check(json!({"reboot": null}), 400);
    check(json!({"reboot": {"type": "GENTLE"}}), 400);
    check(json!({"resize": {"flavorRef": "2"}}), 501);
    check(json!({"addSecurityGroup": {"name": "none"}}), 404);
    check(json!({"addSecurityGroup": {}}), 400);
    check(json!({"os-getConsoleOutput": {"length": "x"}}), 400);
    assert_eq!(
        world
            .api
            .post(MEMBER, &format!("/compute/v2.1/servers/{id}/action"), &json!({"os-getConsoleOutput": {}}))
            .status,
        503
    );
    for path in ["/servers/none", "/servers/5a1ee7a4-3f5b-4cf1-9be6-6f3a54c8b5ba"] {
        assert_eq!(world.get(MEMBER, path).status, 404);
        assert_eq!(world.post(MEMBER, &format!("{path}/action"), &json!({"os-stop": null})).status, 404);
        assert_eq!(world.call(MEMBER, "2.96", "DELETE", path, &Json::Null).status, 404);
    }
    assert_eq!(world.get(OTHER, &format!("/servers/{id}")).status, 404, "a foreign server is not there");
    assert_eq!(world.post(OTHER, &format!("/servers/{id}/action"), &json!({"os-stop": null})).status, 404);
    assert_eq!(
        world
            .call("reader@alpha", "2.96", "POST", &format!("/servers/{id}/action"), &json!({"os-stop": null}))
            .status,
        403
    );
    assert_eq!(world.get("reader@alpha", &format!("/servers/{id}")).status, 200);
}

#[test]
fn operators_see_hosts() {
    let world = World::new();
    world.server(&world.draft("web"));
    for path in [
        "/os-services",
        "/os-hypervisors",
        "/os-hypervisors/detail",
        "/os-availability-zone/detail",
        "/os-simple-tenant-usage",
    ] {
        assert_eq!(world.get(MEMBER, path).status, 403, "{path}");
        assert_eq!(world.get(ADMIN, path).status, 200, "{path}");
    }
    let statistics = world.call(ADMIN, "2.87", "GET", "/os-hypervisors/statistics", &Json::Null);
    assert_eq!(statistics.body["hypervisor_statistics"]["vcpus_used"], 1);
    assert_eq!(world.get(ADMIN, "/os-hypervisors/statistics").status, 404);
    let services = world.get(ADMIN, "/os-services?binary=nova-compute").body["services"].clone();
    let service = services[0]["id"].as_str().unwrap();
    let disable = json!({"status": "disabled", "disabled_reason": "broken fan"});
    assert_eq!(world.call(ADMIN, "2.96", "PUT", &format!("/os-services/{service}"), &disable).status, 200);
    let id = world.server(&world.draft("late"));
    let fault = world.field(&id, "fault")["message"].as_str().unwrap().to_owned();
    assert!(fault.contains("host enabled removed 1 (node-1 is disabled by the operator)"), "{fault}");
    assert_eq!(
        world.get(MEMBER, "/os-availability-zone").body["availabilityZoneInfo"][0]["zoneName"],
        "nova"
    );
    assert_eq!(world.get(MEMBER, "/extensions").status, 200);
    assert_eq!(world.api.get("", "/compute/").body["versions"][1]["version"], "2.96");
    assert_eq!(world.api.get("", "/compute/v2.1/").body["version"]["id"], "v2.1");
}

#[test]
fn old_clients_reach_security_groups_through_compute() {
    let world = World::new();
    let call = |method: &str, path: &str, body: Json| world.call(MEMBER, "2.35", method, path, &body);
    let draft = json!({"security_group": {"name": "g", "description": "words"}});
    let group = call("POST", "/os-security-groups", draft.clone());
    assert_eq!(group.status, 200);
    let id = group.body["security_group"]["id"].as_str().unwrap().to_owned();
    let rule = |change: Json| {
        let mut rule = json!({"parent_group_id": id, "ip_protocol": "tcp", "from_port": 22, "to_port": 22});
        change.as_object().unwrap().iter().for_each(|(key, value)| rule[key] = value.clone());
        call("POST", "/os-security-group-rules", json!({"security_group_rule": rule}))
    };
    let made = rule(json!({}));
    assert_eq!(made.body["security_group_rule"]["ip_range"]["cidr"], "0.0.0.0/0");
    assert_eq!(rule(json!({"from_port": 99})).status, 400);
    assert_eq!(rule(json!({"ip_protocol": "beer"})).status, 400);
    assert_eq!(rule(json!({"cidr": "x"})).status, 400);
    assert_eq!(rule(json!({"parent_group_id": "5a1ee7a4-3f5b-4cf1-9be6-6f3a54c8b5ba"})).status, 404);
    let shown = call("GET", &format!("/os-security-groups/{id}"), Json::Null);
    assert_eq!(
        shown.body["security_group"]["rules"].as_array().unwrap().len(),
        1,
        "only what comes in is shown"
    );
    assert_eq!(
        call("GET", "/os-security-groups", Json::Null).body["security_groups"].as_array().unwrap().len(),
        2
    );
    let rule_id = made.body["security_group_rule"]["id"].as_str().unwrap().to_owned();
    assert_eq!(call("DELETE", &format!("/os-security-group-rules/{rule_id}"), Json::Null).status, 202);
    assert_eq!(call("DELETE", &format!("/os-security-group-rules/{rule_id}"), Json::Null).status, 404);
    assert_eq!(call("DELETE", &format!("/os-security-groups/{id}"), Json::Null).status, 202);
    assert_eq!(call("GET", &format!("/os-security-groups/{id}"), Json::Null).status, 404);
    assert_eq!(world.get(MEMBER, "/os-security-groups").status, 404, "gone since 2.36");
}
