//! What a node should have for a server: the VM's document, a pure function of the row.

use std::net::IpAddr;

use agent_api::block::ImageSource;
use agent_api::compute::{Metadata, RootDisk, Vm, VmVolume};
use serde_json::{Value as Json, json};

use super::model::ZONE;
use super::{Address, DiskState, Nic, Server};

/// The document of the server's VM.
pub(crate) fn vm(server: &Server) -> Vm {
    let root_disk = server.image.as_ref().map(|image| RootDisk {
        image: ImageSource { id: image.id, format: image.format.clone() },
        size_gib: image.root_gib,
        snapshots: server.imagings.iter().map(|imaging| imaging.snapshot_id).collect(),
    });
    let wanted = server.disks.iter().filter(|disk| disk.state != DiskState::Detaching);
    let mut volumes: Vec<VmVolume> = wanted
        .map(|disk| VmVolume { id: disk.volume_id, device: disk.device.clone(), boot: disk.boot })
        .collect();
    volumes.sort_by(|a, b| (!a.boot, &a.device).cmp(&(!b.boot, &b.device)));
    let nic = |nic: &Nic| agent_api::compute::Nic { port_id: nic.port_id, mac: nic.mac, mtu: nic.mtu };
    let properties = server.image.as_ref().map(|image| image.properties.clone());
    Vm {
        id: server.id,
        name: server.name.clone(),
        vcpus: server.flavor.vcpus,
        ram_mib: server.flavor.ram_mib,
        power: server.power,
        root_disk,
        volumes,
        nics: server.nics.iter().map(nic).collect(),
        metadata: metadata(server),
        config_drive: server.config_drive,
        reboot: server.reboot.clone(),
        image_properties: properties.unwrap_or_default(),
    }
}

fn metadata(server: &Server) -> Metadata {
    let addresses = || server.nics.iter().flat_map(|nic| &nic.addresses);
    let keys = server.key.iter().map(|key| (key.name.clone(), "ssh".to_owned(), key.public_key.clone()));
    Metadata {
        project_id: Some(server.project_id.clone()),
        hostname: server.hostname.clone(),
        keys: keys.collect(),
        meta: server.metadata.clone(),
        user_data: server.user_data.clone(),
        admin_pass: server.admin_pass.clone(),
        availability_zone: ZONE.to_owned(),
        launch_index: server.launch_index,
        flavor: server.flavor.name.clone(),
        image_id: server.image.as_ref().map(|image| image.id),
        created_at: server.created_at,
        network_data: network_data(&server.nics),
        floating_ips: addresses().flat_map(|address| address.floating.clone()).collect(),
        fixed_ips: addresses().map(|address| address.ip).collect(),
        passwords_cleared: server.passwords_cleared,
    }
}

/// `network_data.json` as cloud-init reads it.
pub(crate) fn network_data(nics: &[Nic]) -> Json {
    let mut networks = Vec::new();
    let mut resolvers: Vec<IpAddr> = Vec::new();
    for nic in nics {
        let mut auto_done = false;
        for address in &nic.addresses {
            // Addresses by SLAAC are one network however many prefixes are announced.
            let slaac = is_slaac(address);
            if slaac && std::mem::replace(&mut auto_done, true) {
                continue;
            }
            let id = format!("network{}", networks.len());
            networks.push(network(&id, nic, address));
            let new = address.subnet.dns.iter().filter(|ip| !resolvers.contains(ip)).copied();
            let new: Vec<IpAddr> = new.collect();
            resolvers.extend(new);
        }
    }
    let services: Vec<Json> =
        resolvers.iter().map(|ip| json!({"type": "dns", "address": ip.to_string()})).collect();
    json!({"links": nics.iter().map(link).collect::<Vec<_>>(), "networks": networks, "services": services})
}

fn link_id(nic: &Nic) -> String {
    format!("tap{}", &nic.port_id.to_string()[..11])
}

fn link(nic: &Nic) -> Json {
    json!({
        "id": link_id(nic),
        "vif_id": nic.port_id.to_string(),
        "type": "bridge",
        "mtu": nic.mtu,
        "ethernet_mac_address": nic.mac.to_string(),
    })
}

fn is_slaac(address: &Address) -> bool {
    address.ip.is_ipv6() && address.subnet.ipv6_mode.as_deref().is_some_and(|mode| mode != "dhcpv6-stateful")
}

fn network(id: &str, nic: &Nic, address: &Address) -> Json {
    let subnet = &address.subnet;
    let mut view = json!({
        "id": id,
        "link": link_id(nic),
        "network_id": nic.network_id.to_string(),
    });
    let family = if address.ip.is_ipv4() { "ipv4" } else { "ipv6" };
    match (&subnet.ipv6_mode, address.ip.is_ipv4()) {
        (Some(mode), false) => {
            view["type"] = json!(format!("ipv6_{mode}"));
            // Stateless ones are told apart by their type; the address is what the guest will form.
            view["ip_address"] = json!(address.ip.to_string());
            return view;
        }
        (_, true) if subnet.dhcp => {
            view["type"] = json!("ipv4_dhcp");
            return view;
        }
        _ => {}
    }
    view["type"] = json!(family);
    view["ip_address"] = json!(address.ip.to_string());
    view["netmask"] = json!(subnet.cidr.netmask().to_string());
    let any: IpAddr = if family == "ipv4" { IpAddr::from([0_u8; 4]) } else { IpAddr::from([0_u8; 16]) };
    let mut routes: Vec<Json> = Vec::new();
    if let Some(gateway) = subnet.gateway {
        routes.push(
            json!({"network": any.to_string(), "netmask": any.to_string(), "gateway": gateway.to_string()}),
        );
    }
    for (to, via) in &subnet.routes {
        routes.push(json!({
            "network": to.network().to_string(),
            "netmask": to.netmask().to_string(),
            "gateway": via.to_string(),
        }));
    }
    view["routes"] = json!(routes);
    view["services"] = json!(
        subnet.dns.iter().map(|ip| json!({"type": "dns", "address": ip.to_string()})).collect::<Vec<_>>()
    );
    view
}
