//! What the rules say of a flow, in Rust. It finds the tracked connections that a change of rules no longer allows,
//! and is the model that the nft rules are compared with in tests.

use std::net::IpAddr;

use types::AddressFamily;

use super::{Direction, Filter, PortSpec, Remote, Rule, Traffic};
use crate::conntrack::Flow;

/// Whether a port's groups allow a new flow in this direction.
pub(crate) fn allows(filter: &Filter, port: &PortSpec, direction: Direction, flow: &Flow) -> bool {
    if !port.port_security {
        return true;
    }
    let groups = port.groups.iter().filter_map(|id| filter.groups.get(id));
    groups.flat_map(|group| &group.rules).any(|rule| rule_allows(filter, rule, direction, flow))
}

fn rule_allows(filter: &Filter, rule: &Rule, direction: Direction, flow: &Flow) -> bool {
    let far = match direction {
        Direction::Egress => flow.to,
        Direction::Ingress => flow.from,
    };
    rule.direction == direction
        && rule.family == AddressFamily::of(far)
        && traffic_matches(rule.traffic, flow)
        && remote_matches(filter, rule.remote, far)
}

fn traffic_matches(traffic: Traffic, flow: &Flow) -> bool {
    match traffic {
        Traffic::Any => true,
        Traffic::Protocol(protocol) => flow.protocol == protocol,
        Traffic::Ports { protocol, first, last } => {
            flow.protocol == protocol && flow.to_port.is_some_and(|port| (first..=last).contains(&port))
        }
        Traffic::Icmp { kind, code } => {
            flow.icmp.is_some_and(|(k, c)| k == kind && code.is_none_or(|code| code == c))
        }
    }
}

fn remote_matches(filter: &Filter, remote: Remote, far: IpAddr) -> bool {
    match remote {
        Remote::Anyone => true,
        Remote::Prefix(net) => net.contains(&far),
        Remote::Group(group) => {
            filter.groups.get(&group).is_some_and(|group| group.members.iter().any(|net| net.contains(&far)))
        }
    }
}
