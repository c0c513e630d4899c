//! Wishes for networks, ports, routers, floating IPs and security groups.

use serde_json::{Value as Json, json};

use super::{Client, Kind, Request, Then, Wish, create, member};
use crate::chance::Chance;

/// What is wished for, and how often.
pub(super) const WISHES: [(usize, Wish); 22] = [
    (3, create_network),
    (1, delete_network),
    (1, change_network),
    (5, create_subnet),
    (1, change_subnet),
    (1, delete_subnet),
    (6, create_port),
    (2, change_port),
    (3, bind_port),
    (2, delete_port),
    (3, create_router),
    (4, set_gateway),
    (1, change_router),
    (5, join),
    (2, leave),
    (1, delete_router),
    (4, create_floating_ip),
    (3, associate),
    (1, delete_floating_ip),
    (2, create_group),
    (3, create_rule),
    (1, delete_group_or_rule),
];
/// The most of a kind that one project wants.
const OWNED_MAX: usize = 6;

fn wanted(client: &Client, project: &'static str, kind: Kind) -> Option<()> {
    (client.count(project, kind) < OWNED_MAX).then_some(())
}

fn update(
    client: &Client,
    chance: &mut Chance,
    project: &'static str,
    kind: Kind,
    fields: Json,
) -> Option<Request> {
    let id = client.one(chance, project, kind)?;
    Some(Request::new(
        &member(project),
        "PUT",
        format!("{}/{id}", kind.path()),
        &json!({ kind.root(): fields }),
    ))
}

fn create_network(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    wanted(client, project, Kind::Network)?;
    Some(create(project, Kind::Network, json!({"name": format!("net-{}", chance.below(9))})))
}

fn delete_network(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    client.delete(chance, project, Kind::Network)
}

fn change_network(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let fields = json!({"admin_state_up": !chance.one_in(3), "name": "renamed"});
    update(client, chance, project, Kind::Network, fields)
}

fn create_subnet(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    wanted(client, project, Kind::Subnet)?;
    let network_id = client.one(chance, project, Kind::Network)?;
    // Few prefixes and small ones, so that they clash and run out.
    let prefix = chance.below(6);
    let fields = match chance.below(5) {
        0 => json!({"network_id": network_id, "ip_version": 6, "cidr": format!("fd00:{prefix}::/64"),
            "ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}),
        1 => json!({"network_id": network_id, "ip_version": 4, "use_default_subnetpool": true}),
        2 => json!({"network_id": network_id, "ip_version": 4, "cidr": format!("10.0.{prefix}.0/29")}),
        _ => json!({"network_id": network_id, "ip_version": 4, "cidr": format!("10.0.{prefix}.0/24")}),
    };
    Some(create(project, Kind::Subnet, fields))
}

fn change_subnet(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let fields = json!({"enable_dhcp": chance.one_in(2), "dns_nameservers": ["9.9.9.9"]});
    update(client, chance, project, Kind::Subnet, fields)
}

fn delete_subnet(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    client.delete(chance, project, Kind::Subnet)
}

fn create_port(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    wanted(client, project, Kind::Port)?;
    let mut fields = json!({"network_id": client.one(chance, project, Kind::Network)?});
    if chance.one_in(4) {
        let ip = format!("10.0.{}.{}", chance.below(6), 2 + chance.below(9));
        fields["fixed_ips"] = json!([{ "ip_address": ip }]);
    }
    if let (true, Some(group)) = (chance.one_in(3), client.one(chance, project, Kind::SecurityGroup)) {
        fields["security_groups"] = json!([group]);
    }
    Some(create(project, Kind::Port, fields))
}

fn change_port(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let fields = match chance.below(4) {
        0 => json!({"admin_state_up": chance.one_in(2)}),
        1 => {
            json!({"security_groups": client.one(chance, project, Kind::SecurityGroup).into_iter().collect::<Vec<_>>()})
        }
        2 => json!({"fixed_ips": [{"subnet_id": client.one(chance, project, Kind::Subnet)?}]}),
        _ => json!({"allowed_address_pairs": [{"ip_address": "10.0.0.77"}]}),
    };
    update(client, chance, project, Kind::Port, fields)
}

/// An administrator binds a port to a host by hand, or unbinds it.
fn bind_port(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let host = chance.pick(&["node-1", "node-1", "node-2", "node-3", "node-9", ""]).copied()?;
    let mut request = update(client, chance, project, Kind::Port, json!({"binding:host_id": host}))?;
    request.token = format!("admin@{project}");
    Some(request)
}

fn delete_port(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    client.delete(chance, project, Kind::Port)
}

fn create_router(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    wanted(client, project, Kind::Router)?;
    Some(create(project, Kind::Router, json!({"name": format!("router-{}", chance.below(9))})))
}

fn set_gateway(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let fields = match client.public.as_ref() {
        Some(public) if !chance.one_in(5) => json!({"external_gateway_info": {"network_id": public}}),
        _ => json!({"external_gateway_info": null}),
    };
    update(client, chance, project, Kind::Router, fields)
}

fn change_router(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let fields = json!({"admin_state_up": !chance.one_in(3)});
    update(client, chance, project, Kind::Router, fields)
}

fn join(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let router = client.one(chance, project, Kind::Router)?;
    let subnet = client.one(chance, project, Kind::Subnet)?;
    let path = format!("{}/{router}/add_router_interface", Kind::Router.path());
    let request = Request::new(&member(project), "PUT", path, &json!({"subnet_id": subnet}));
    Some(request.then(Then::Joined(router, subnet)))
}

fn leave(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let (router, subnet) = chance.pick(&client.legs).cloned()?;
    let path = format!("{}/{router}/remove_router_interface", Kind::Router.path());
    let request = Request::new(&member(project), "PUT", path, &json!({"subnet_id": subnet}));
    Some(request.then(Then::Left(router, subnet)))
}

fn delete_router(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    client.delete(chance, project, Kind::Router)
}

fn create_floating_ip(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    wanted(client, project, Kind::FloatingIp)?;
    let mut fields = json!({"floating_network_id": client.public.as_ref()?});
    if let (true, Some(port)) = (chance.one_in(2), client.one(chance, project, Kind::Port)) {
        fields["port_id"] = port.into();
    }
    Some(create(project, Kind::FloatingIp, fields))
}

fn associate(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let port = client.one(chance, project, Kind::Port).filter(|_| !chance.one_in(4));
    update(client, chance, project, Kind::FloatingIp, json!({ "port_id": port }))
}

fn delete_floating_ip(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    client.delete(chance, project, Kind::FloatingIp)
}

fn create_group(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    wanted(client, project, Kind::SecurityGroup)?;
    Some(create(project, Kind::SecurityGroup, json!({"name": format!("group-{}", chance.below(9))})))
}

fn create_rule(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let group = client.one(chance, project, Kind::SecurityGroup)?;
    let low = 1 + chance.below(500);
    let mut fields = json!({"security_group_id": group, "direction": "ingress", "ethertype": "IPv4",
        "protocol": "tcp", "port_range_min": low, "port_range_max": low + chance.below(9)});
    match chance.below(3) {
        0 => fields["remote_ip_prefix"] = json!("10.0.0.0/16"),
        1 => fields["remote_group_id"] = client.one(chance, project, Kind::SecurityGroup)?.into(),
        _ => {}
    }
    Some(create(project, Kind::SecurityGroupRule, fields))
}

fn delete_group_or_rule(client: &Client, chance: &mut Chance, project: &'static str) -> Option<Request> {
    let kind = if chance.one_in(3) { Kind::SecurityGroup } else { Kind::SecurityGroupRule };
    client.delete(chance, project, kind)
}
