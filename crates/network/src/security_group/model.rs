//! What a security group and its rules are, and which rules make sense.

use serde::{Deserialize, Serialize};
use types::{AddressFamily, IpNet, ProjectId, SecurityGroupId, SecurityGroupRuleId};

use crate::Error;
use crate::resource::{Label, Resource, Standard};

/// A security group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// Its id.
    pub id: SecurityGroupId,
    /// Owner, name, times and the like.
    pub standard: Standard,
    /// Whether it is its project's default group.
    pub is_default: bool,
}

/// A rule: what it describes may pass. What no rule describes may not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Its id.
    pub id: SecurityGroupRuleId,
    /// Owner, times and the like; a rule has no name.
    pub standard: Standard,
    /// The group it belongs to.
    pub group_id: SecurityGroupId,
    /// What passes.
    pub allows: Pass,
}

/// What a rule lets pass. Two rules of a group never let the same pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// Towards the port or from it.
    pub direction: Direction,
    /// IPv4 or IPv6.
    pub ethertype: Ethertype,
    /// The IP protocol; any if absent.
    pub protocol: Option<Protocol>,
    /// The lowest port, or ICMP type.
    pub port_min: Option<u16>,
    /// The highest port, or ICMP code.
    pub port_max: Option<u16>,
    /// The other side; anybody if absent.
    pub remote: Option<Remote>,
}

/// Towards a port, or from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Towards it.
    Ingress,
    /// From it.
    Egress,
}

/// The address family of a rule, as the API spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ethertype {
    /// IPv4.
    #[serde(rename = "IPv4")]
    V4,
    /// IPv6.
    #[serde(rename = "IPv6")]
    V6,
}

impl Ethertype {
    /// The family.
    pub fn family(self) -> AddressFamily {
        match self {
            Ethertype::V4 => AddressFamily::V4,
            Ethertype::V6 => AddressFamily::V6,
        }
    }

    /// The API's spelling.
    pub fn name(self) -> &'static str {
        match self {
            Ethertype::V4 => "IPv4",
            Ethertype::V6 => "IPv6",
        }
    }
}

/// The other side of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Remote {
    /// An address or a prefix.
    Prefix(IpNet),
    /// The members of a group.
    Group(SecurityGroupId),
}

/// An IP protocol, as the client spelled it, and its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protocol {
    /// `tcp`, or `6`.
    pub spelled: String,
    /// 6.
    pub number: u8,
}

/// Protocols that have names.
const PROTOCOLS: [(&str, u8); 25] = [
    ("ah", 51),
    ("dccp", 33),
    ("egp", 8),
    ("esp", 50),
    ("gre", 47),
    ("hopopt", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ip", 0),
    ("ipip", 4),
    ("ipv6-encap", 41),
    ("ipv6-frag", 44),
    ("ipv6-icmp", 58),
    ("icmpv6", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("ipv6-route", 43),
    ("ospf", 89),
    ("pgm", 113),
    ("rsvp", 46),
    ("sctp", 132),
    ("tcp", 6),
    ("udp", 17),
    ("udplite", 136),
    ("vrrp", 112),
];

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// Protocols with port numbers: TCP, UDP, UDP-Lite, SCTP and DCCP.
const WITH_PORTS: [u8; 5] = [6, 17, 136, 132, 33];
/// Protocols that only IPv6 has.
const IPV6_ONLY: [&str; 7] =
    ["ipv6-encap", "ipv6-frag", "ipv6-icmp", "icmpv6", "ipv6-nonxt", "ipv6-opts", "ipv6-route"];

impl Protocol {
    /// Reads a name or a number; `any` and the like are no protocol.
    pub fn parse(text: &str) -> Result<Option<Protocol>, Error> {
        let spelled = text.trim().to_lowercase();
        if spelled == "any" || spelled.is_empty() {
            return Ok(None);
        }
        let named = PROTOCOLS.into_iter().find(|(name, _)| *name == spelled).map(|(_, number)| number);
        match named.or_else(|| spelled.parse().ok()) {
            Some(number) => Ok(Some(Protocol { spelled, number })),
            None => {
                let known: Vec<String> = PROTOCOLS.iter().map(|(name, _)| format!("'{name}'")).collect();
                Err(Error::SecurityGroupRuleInvalidProtocol { protocol: spelled, known: known.join(", ") })
            }
        }
    }

    /// The number as it is on the wire of this family: `icmp` means ICMPv6 there.
    pub fn number_in(&self, family: AddressFamily) -> u8 {
        if self.number == ICMP && family == AddressFamily::V6 { ICMPV6 } else { self.number }
    }

    fn is_icmp(&self) -> bool {
        self.number == ICMP || self.number == ICMPV6
    }
}

/// A port range as a client gave it, before it is known to fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Range {
    /// `port_range_min`.
    pub min: Option<i64>,
    /// `port_range_max`.
    pub max: Option<i64>,
}

/// A rule that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleDraft {
    /// The owner, if it is not the group's.
    pub project_id: Option<ProjectId>,
    /// Its description.
    pub label: Label,
    /// The group.
    pub group_id: SecurityGroupId,
    /// Towards the port or from it.
    pub direction: Direction,
    /// The family.
    pub ethertype: Ethertype,
    /// The protocol.
    pub protocol: Option<Protocol>,
    /// Ports or ICMP type and code.
    pub range: Range,
    /// The other side.
    pub remote: Option<Remote>,
}

impl RuleDraft {
    /// What the rule would let pass, if it makes sense.
    pub fn pass(&self) -> Result<Pass, Error> {
        self.check_family()?;
        let (port_min, port_max) = self.ports()?;
        Ok(Pass {
            direction: self.direction,
            ethertype: self.ethertype,
            protocol: self.protocol.clone(),
            port_min,
            port_max,
            remote: self.remote.clone(),
        })
    }

    fn check_family(&self) -> Result<(), Error> {
        let ethertype = self.ethertype.name();
        if let Some(protocol) = &self.protocol
            && self.ethertype == Ethertype::V4
            && (IPV6_ONLY.contains(&protocol.spelled.as_str()) || protocol.number == ICMPV6)
        {
            let protocol = protocol.spelled.clone();
            return Err(Error::SecurityGroupEthertypeConflictWithProtocol { ethertype, protocol });
        }
        match &self.remote {
            Some(Remote::Prefix(net)) if AddressFamily::of(net.addr()) != self.ethertype.family() => {
                Err(Error::SecurityGroupRuleParameterConflict { ethertype, cidr: net.to_string() })
            }
            _ => Ok(()),
        }
    }

    fn ports(&self) -> Result<(Option<u16>, Option<u16>), Error> {
        let Range { min, max } = self.range;
        if min.is_none() && max.is_none() {
            return Ok((None, None));
        }
        let Some(protocol) = &self.protocol else {
            return Err(Error::SecurityGroupProtocolRequiredWithPorts {});
        };
        if protocol.is_icmp() {
            return icmp(min, max);
        }
        if !WITH_PORTS.contains(&protocol.number) {
            return Err(Error::SecurityGroupInvalidProtocolForPort { protocol: protocol.spelled.clone() });
        }
        let port = |value: Option<i64>| {
            let port = value.unwrap_or(-1);
            let valid = u16::try_from(port).ok().filter(|port| *port > 0);
            valid.ok_or(Error::SecurityGroupInvalidPortValue { port })
        };
        match (min, max) {
            (Some(_), Some(_)) if min <= max => Ok((Some(port(min)?), Some(port(max)?))),
            _ => Err(Error::SecurityGroupInvalidPortRange {}),
        }
    }
}

fn icmp(kind: Option<i64>, code: Option<i64>) -> Result<(Option<u16>, Option<u16>), Error> {
    let byte = |field, attribute, value: Option<i64>| {
        let Some(value) = value else { return Ok(None) };
        let valid = u8::try_from(value).map(|value| Some(u16::from(value)));
        valid.map_err(|_| Error::SecurityGroupInvalidIcmpValue { field, attribute, value })
    };
    let kind = byte("type", "port-range-min", kind)?;
    let code = byte("code", "port-range-max", code)?;
    match (kind, code) {
        (None, Some(code)) => Err(Error::SecurityGroupMissingIcmpType { value: code.into() }),
        pair => Ok(pair),
    }
}

/// A group that somebody wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecurityGroupDraft {
    /// The owner, if it is not the caller's project.
    pub project_id: Option<ProjectId>,
    /// Name and description.
    pub label: Label,
}

/// What passes in a new group: everything that leaves.
pub(crate) fn egress() -> [Pass; 2] {
    [Ethertype::V4, Ethertype::V6].map(|ethertype| any(Direction::Egress, ethertype, None))
}

/// What passes in a default group as well: everything between its members.
pub(crate) fn between_members(group: SecurityGroupId) -> [Pass; 2] {
    [Ethertype::V4, Ethertype::V6]
        .map(|ethertype| any(Direction::Ingress, ethertype, Some(Remote::Group(group))))
}

fn any(direction: Direction, ethertype: Ethertype, remote: Option<Remote>) -> Pass {
    Pass { direction, ethertype, protocol: None, port_min: None, port_max: None, remote }
}

impl Resource for SecurityGroup {
    const SINGULAR: &'static str = "security_group";
    const PLURAL: &'static str = "security_groups";

    fn table() -> &'static store::Table<SecurityGroup> {
        &super::store::GROUPS
    }

    fn standard(&self) -> &Standard {
        &self.standard
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.standard
    }

    fn not_found(id: String) -> Error {
        Error::SecurityGroupNotFound { id }
    }
}

impl Resource for Rule {
    const SINGULAR: &'static str = "security_group_rule";
    const PLURAL: &'static str = "security_group_rules";

    fn table() -> &'static store::Table<Rule> {
        &super::store::RULES
    }

    fn standard(&self) -> &Standard {
        &self.standard
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.standard
    }

    fn not_found(id: String) -> Error {
        Error::SecurityGroupRuleNotFound { id }
    }
}
