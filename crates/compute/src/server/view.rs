//! A server as clients see it, by microversion.

use std::collections::BTreeMap;

use policy::{Caller, Target};
use rest::{Microversion, Request};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use types::{HostId, ProjectId, Timestamp};

use super::model::ZONE;
use super::{Nic, Server};
use crate::policy::RULES;
use crate::{links, microversion};

/// What a view needs beside the row.
pub(crate) struct Around {
    /// Whether hosts are up, where the caller may know.
    pub(crate) host_status: BTreeMap<HostId, &'static str>,
    /// Whether this is one server and not a list.
    pub(crate) single: bool,
}

/// How a project sees a host: always the same, and not its name.
pub(crate) fn host_id(host: &HostId, project_id: &ProjectId) -> String {
    let mut digest = Sha256::new();
    digest.update(project_id.as_str());
    digest.update(host.as_str());
    // Nova's is 56 digits long, for it was SHA-224.
    digest.finalize().iter().take(28).map(|byte| format!("{byte:02x}")).collect()
}

/// Id, name and links.
pub(crate) fn brief(server: &Server, request: &Request) -> Json {
    let id = server.id.to_string();
    json!({"id": id, "name": server.name, "links": links::of(request, "servers", &id)})
}

/// The addresses by network.
pub(crate) fn addresses(nics: &[Nic], extended: bool) -> Json {
    let mut networks: BTreeMap<&str, Vec<Json>> = BTreeMap::new();
    for nic in nics {
        let list = networks.entry(&nic.network_name).or_default();
        for address in &nic.addresses {
            let fixed = std::iter::once((address.ip, "fixed"));
            let floating = address.floating.iter().map(|ip| (*ip, "floating"));
            for (ip, kind) in fixed.chain(floating) {
                let mut view = json!({"version": if ip.is_ipv4() { 4 } else { 6 }, "addr": ip.to_string()});
                if extended {
                    view["OS-EXT-IPS:type"] = json!(kind);
                    view["OS-EXT-IPS-MAC:mac_addr"] = json!(nic.mac.to_string());
                }
                list.push(view);
            }
        }
    }
    json!(networks)
}

fn flavor(server: &Server, request: &Request) -> Json {
    let flavor = &server.flavor;
    if request.version < microversion::FLAVOR_INLINE {
        let bookmark = links::bookmark(request, "flavors", flavor.id.as_str());
        return json!({"id": flavor.id, "links": [{"rel": "bookmark", "href": bookmark}]});
    }
    let mut view = json!({
        "original_name": flavor.name,
        "vcpus": flavor.vcpus,
        "ram": flavor.ram_mib,
        "disk": flavor.disk_gib,
        "ephemeral": flavor.ephemeral_gib,
        "swap": flavor.swap_mib,
    });
    if may("os_compute_api:servers:show:flavor-extra-specs", request.caller(), server) {
        view["extra_specs"] = json!(flavor.extra_specs);
    }
    view
}

fn image(server: &Server, request: &Request) -> Json {
    match server.image_id() {
        None => json!(""),
        Some(id) => {
            let id = id.to_string();
            let bookmark = links::bookmark(request, "images", &id);
            json!({"id": id, "links": [{"rel": "bookmark", "href": bookmark}]})
        }
    }
}

fn may(rule: &str, caller: &Caller, server: &Server) -> bool {
    RULES.allows(rule, caller, &Target::project(&server.project_id))
}

/// Everything.
pub(crate) fn full(server: &Server, request: &Request, around: &Around) -> Json {
    let (version, caller) = (request.version, request.caller());
    let mut view = brief(server, request);
    let built = !server.is_building();
    view["status"] = json!(server.status());
    view["tenant_id"] = json!(server.project_id);
    view["user_id"] = json!(server.user_id);
    view["metadata"] = json!(server.metadata);
    let host = server.host.as_ref();
    view["hostId"] = json!(host.map(|host| host_id(host, &server.project_id)).unwrap_or_default());
    view["image"] = image(server, request);
    view["flavor"] = flavor(server, request);
    view["created"] = json!(server.created_at.iso_z());
    view["updated"] = json!(server.updated_at.iso_z());
    // Nova hides addresses while a server is being made.
    view["addresses"] = if built { addresses(&server.nics, true) } else { json!({}) };
    view["accessIPv4"] = json!(server.access_ipv4.map(|ip| ip.to_string()).unwrap_or_default());
    view["accessIPv6"] = json!(server.access_ipv6.map(|ip| ip.to_string()).unwrap_or_default());
    view["OS-DCF:diskConfig"] = json!(if server.disk_config_manual { "MANUAL" } else { "AUTO" });
    if let Some(progress) = server.progress() {
        view["progress"] = json!(progress);
    }
    view["OS-EXT-AZ:availability_zone"] = json!(host.map_or("", |_| ZONE));
    view["config_drive"] = json!(if server.config_drive { "True" } else { "" });
    view["key_name"] = json!(server.key.as_ref().map(|key| &key.name));
    view["OS-SRV-USG:launched_at"] = json!(server.launched_at.map(Timestamp::iso_micros));
    view["OS-SRV-USG:terminated_at"] = Json::Null;
    view["OS-EXT-STS:task_state"] = json!(server.task_state());
    view["OS-EXT-STS:vm_state"] = json!(server.vm_state());
    view["OS-EXT-STS:power_state"] = json!(server.power_state());
    view["os-extended-volumes:volumes_attached"] = volumes(server, version);
    security_groups(&mut view, server);
    fault(&mut view, server, caller);
    newer(&mut view, server, request, around);
    view
}

fn volumes(server: &Server, version: Microversion) -> Json {
    let views = server.disks.iter().map(|disk| {
        let mut view = json!({"id": disk.volume_id.to_string()});
        if version >= microversion::EXTENDED_ATTRIBUTES {
            view["delete_on_termination"] = json!(disk.delete_on_termination);
        }
        view
    });
    views.collect()
}

fn security_groups(view: &mut Json, server: &Server) {
    // One for each port that has it, as Nova does.
    let names = server.nics.iter().flat_map(|nic| &nic.security_groups);
    let groups: Vec<Json> = names.map(|name| json!({"name": name})).collect();
    if !groups.is_empty() {
        view["security_groups"] = json!(groups);
    }
}

fn fault(view: &mut Json, server: &Server, caller: &Caller) {
    let Some(fault) = &server.fault else { return };
    let mut shown = json!({"code": fault.code, "created": fault.at.iso_z(), "message": fault.message});
    if let Some(details) = fault.details.as_ref().filter(|_| caller.is_admin() || fault.code != 500) {
        shown["details"] = json!(details);
    }
    view["fault"] = shown;
}

/// What came with microversions, in their order.
fn newer(view: &mut Json, server: &Server, request: &Request, around: &Around) {
    let (version, caller) = (request.version, request.caller());
    let operator = may("os_compute_api:os-extended-server-attributes", caller, server);
    if operator {
        extended(view, server, version);
    }
    if version >= microversion::LOCKED {
        view["locked"] = json!(server.lock.is_some());
    }
    if version >= microversion::HOST_STATUS && may("os_compute_api:servers:show:host_status", caller, server)
    {
        let status =
            server.host.as_ref().map(|host| around.host_status.get(host).copied().unwrap_or("UNKNOWN"));
        view["host_status"] = json!(status.unwrap_or_default());
    }
    if version >= microversion::DESCRIPTION {
        view["description"] = json!(server.description);
    }
    if version >= microversion::TAGS {
        view["tags"] = json!(server.tags);
    }
    if version >= microversion::TRUSTED_CERTS {
        view["trusted_image_certificates"] = Json::Null;
    }
    if version >= microversion::SERVER_GROUPS && around.single {
        let group = server.placement.group_id.map(|id| id.to_string());
        view["server_groups"] = json!(group.into_iter().collect::<Vec<_>>());
    }
    if version >= microversion::LOCKED_REASON {
        view["locked_reason"] = json!(server.lock.as_ref().and_then(|lock| lock.reason.as_ref()));
    }
    if version >= microversion::HOSTNAME && !operator {
        view["OS-EXT-SRV-ATTR:hostname"] = json!(server.hostname);
    }
    if version >= microversion::PINNED_ZONE {
        view["pinned_availability_zone"] = json!(server.placement.zone);
    }
}

/// What only operators see.
fn extended(view: &mut Json, server: &Server, version: Microversion) {
    view["OS-EXT-SRV-ATTR:host"] = json!(server.host);
    view["OS-EXT-SRV-ATTR:instance_name"] = json!(server.vm_name());
    view["OS-EXT-SRV-ATTR:hypervisor_hostname"] = json!(server.host);
    if version < microversion::EXTENDED_ATTRIBUTES {
        return;
    }
    view["OS-EXT-SRV-ATTR:hostname"] = json!(server.hostname);
    view["OS-EXT-SRV-ATTR:kernel_id"] = json!("");
    view["OS-EXT-SRV-ATTR:ramdisk_id"] = json!("");
    view["OS-EXT-SRV-ATTR:launch_index"] = json!(server.launch_index);
    view["OS-EXT-SRV-ATTR:reservation_id"] = json!(server.reservation_id);
    view["OS-EXT-SRV-ATTR:root_device_name"] = json!(server.root_device());
    view["OS-EXT-SRV-ATTR:user_data"] = json!(server.user_data);
}
