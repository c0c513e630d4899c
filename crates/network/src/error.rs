//! Everything the network service refuses, under the type names and in the words that Neutron's clients parse.

use std::fmt;

use policy::Denied;
use rest::{Fault, InvalidBody};
use store::TxError;

/// One line per fault: its status, its name, what it tells and how.
macro_rules! faults {
    ($($status:literal $name:ident { $($field:ident: $type:ty),* } $message:literal;)*) => {
        /// An error of the network service.
        #[derive(Debug)]
        pub enum Error {
            $(
                #[doc = $message]
                $name {
                    $(#[doc = concat!("Told as `", stringify!($field), "`.")] $field: $type,)*
                },
            )*
            /// A policy rule said no.
            PolicyNotAuthorized(Denied),
            /// The database.
            Store(store::Error),
        }

        impl Fault for Error {
            fn status(&self) -> u16 {
                match self {
                    $(Error::$name { .. } => $status,)*
                    Error::PolicyNotAuthorized(_) => 403,
                    Error::Store(_) => 500,
                }
            }

            fn name(&self) -> &'static str {
                match self {
                    $(Error::$name { .. } => stringify!($name),)*
                    Error::PolicyNotAuthorized(_) => "PolicyNotAuthorized",
                    Error::Store(_) => "HTTPInternalServerError",
                }
            }

            fn message(&self) -> String {
                match self {
                    $(Error::$name { $($field),* } => format!($message $(, $field = $field)*),)*
                    Error::PolicyNotAuthorized(denied) => {
                        format!("(rule:{}) is disallowed by policy", denied.rule)
                    }
                    Error::Store(_) => {
                        "Request Failed: internal server error while processing your request.".to_owned()
                    }
                }
            }

            fn detail(&self) -> Option<String> {
                match self {
                    Error::Store(error) => Some(error.to_string()),
                    _ => None,
                }
            }
        }
    };
}

faults! {
    // What cannot be understood.
    400 HTTPBadRequest { reason: String } "{reason}";
    400 BadRequest { resource: &'static str, reason: String } "Bad {resource} request: {reason}.";
    400 InvalidInput { reason: String } "Invalid input for operation: {reason}.";
    400 MalformedRequestBody { reason: String } "Malformed request body: {reason}.";

    // What is not there, or not for this caller to see.
    404 NetworkNotFound { id: String } "Network {id} could not be found.";
    404 SubnetNotFound { id: String } "Subnet {id} could not be found.";
    404 SubnetPoolNotFound { id: String } "Subnet pool {id} could not be found.";
    404 PortNotFound { id: String } "Port {id} could not be found.";
    404 RouterNotFound { id: String } "Router {id} could not be found";
    404 FloatingIPNotFound { id: String } "Floating IP {id} could not be found";
    404 SecurityGroupNotFound { id: String } "Security group {id} does not exist";
    404 SecurityGroupRuleNotFound { id: String } "Security group rule {id} does not exist";
    404 ExtensionNotFound { alias: String } "Extension with alias {alias} does not exist";
    404 AgentNotFound { id: String } "Agent {id} could not be found.";
    404 AvailabilityZoneNotFound { name: String } "AvailabilityZone {name} could not be found.";
    404 TagNotFound { tag: String } "Tag {tag} could not be found.";
    404 RouterInterfaceNotFound { router: String, port: String }
        "Router {router} does not have an interface with id {port}";
    404 RouterInterfaceNotFoundForSubnet { router: String, subnet: String }
        "Router {router} has no interface on subnet {subnet}";
    404 ExternalGatewayForFloatingIPNotFound { network: String, subnet: String, port: String }
        "External network {network} is not reachable from subnet {subnet}.  Therefore, cannot associate Port {port} with a Floating IP.";

    // Networks and subnets.
    409 NetworkInUse { id: String, reason: String } "Unable to complete operation on network {id}. {reason}.";
    409 InvalidSharedSetting { id: String }
        "Unable to reconfigure sharing settings for network {id}. Multiple projects are using it.";
    409 ExternalNetworkInUse { id: String }
        "External network {id} cannot be updated to be made non-external, since it has existing gateway ports.";
    409 TunnelIdInUse { id: u32 } "Unable to create the network. The tunnel ID {id} is in use.";
    409 DefaultExternalNetworkExists { id: String }
        "A default external network already exists: {id}.";
    503 NoNetworkAvailable {} "Unable to create the network. No network is available for allocation.";
    409 SubnetInUse { id: String, reason: String } "Unable to complete operation on subnet {id}: {reason}.";
    400 InvalidAllocationPool { pool: String } "The allocation pool {pool} is not valid.";
    409 OverlappingAllocationPools { one: String, other: String, cidr: String }
        "Found overlapping allocation pools: {one} {other} for subnet {cidr}.";
    400 OutOfBoundsAllocationPool { pool: String, cidr: String }
        "The allocation pool {pool} spans beyond the subnet cidr {cidr}.";
    409 GatewayConflictWithAllocationPools { ip: String, pool: String }
        "Gateway ip {ip} conflicts with allocation pool {pool}.";
    409 GatewayIpInUse { ip: String, port: String }
        "Current gateway ip {ip} already in use by port {port}. Unable to update.";
    400 HostRoutesExhausted { id: String, max: usize }
        "Unable to complete operation for {id}. The number of host routes exceeds the limit {max}.";
    400 DNSNameServersExhausted { id: String, max: usize }
        "Unable to complete operation for {id}. The number of DNS nameservers exceeds the limit {max}.";

    // Subnet pools.
    400 EmptySubnetPoolPrefixList {} "Empty subnet pool prefix list.";
    400 PrefixVersionMismatch {} "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.";
    400 IllegalSubnetPoolPrefixBounds { what: &'static str, length: u8, base: &'static str, base_length: u8 }
        "Illegal prefix bounds: {what}={length}, {base}={base_length}.";
    400 IllegalSubnetPoolPrefixUpdate { reason: String } "Illegal update to prefixes: {reason}.";
    400 MinPrefixSubnetAllocationError { length: u8, min: u8 }
        "Unable to allocate subnet with prefix length {length}, minimum allowed prefix is {min}.";
    400 MaxPrefixSubnetAllocationError { length: u8, max: u8 }
        "Unable to allocate subnet with prefix length {length}, maximum allowed prefix is {max}.";
    400 SubnetPoolDeleteError { reason: String } "Unable to delete subnet pool: {reason}.";
    409 SubnetPoolQuotaExceeded {} "Per-project subnet pool prefix quota exceeded.";
    500 SubnetAllocationError { reason: String } "Failed to allocate subnet: {reason}.";

    // Addresses.
    400 InvalidIpForNetwork { ip: String }
        "IP address {ip} is not a valid IP for any of the subnets on the specified network.";
    400 InvalidIpForSubnet { ip: String } "IP address {ip} is not a valid IP for the specified subnet.";
    400 AllocationOnAutoAddressSubnet { ip: String, subnet: String }
        "IPv6 address {ip} cannot be directly assigned to a port on subnet {subnet} as the subnet is configured for automatic addresses";
    409 IpAddressInUse { network: String, ip: String }
        "Unable to complete operation for network {network}. The IP address {ip} is in use.";
    409 IpAddressGenerationFailure { network: String }
        "No more IP addresses available on network {network}.";
    400 ExternalIpAddressExhausted { network: String }
        "Unable to find any IP address on external network {network}.";
    409 MacAddressInUse { network: String, mac: String }
        "Unable to complete operation for network {network}. The mac address {mac} is in use.";
    503 NetworkMacAddressGenerationFailure { network: String }
        "Unable to generate unique mac on network {network}.";

    // Ports.
    409 PortInUse { id: String, network: String, device: String }
        "Unable to complete operation on port {id} for network {network}. Port already has an attached device {device}.";
    409 PortBound { id: String, host: String }
        "Unable to complete operation on port {id}, port is already bound on host {host}.";
    409 ServicePortInUse { id: String, reason: String }
        "Port {id} cannot be deleted directly via the port API: {reason}.";
    409 AddressPairAndPortSecurityRequired {}
        "Port Security must be enabled in order to have allowed address pairs on a port.";
    400 DuplicateAddressPairInRequest { mac: String, ip: String }
        "Request contains duplicate address pair: mac_address {mac} ip_address {ip}.";
    400 AllowedAddressPairExhausted { max: usize }
        "The number of allowed address pair exceeds the maximum {max}.";
    409 PortSecurityPortHasSecurityGroup {}
        "Port has security group associated. Cannot disable port security or IP address until security group is removed.";
    400 PortSecurityAndIPRequiredForSecurityGroups {}
        "Port security must be enabled and port must have an IP address in order to use security groups.";

    // Routers.
    409 RouterInUse { id: String, reason: String } "Router {id} {reason}";
    409 RouterInterfaceInUseByFloatingIP { router: String, subnet: String }
        "Router interface for subnet {subnet} on router {router} cannot be deleted, as it is required by one or more floating IPs.";
    409 RouterInterfaceInUseByRoute { router: String, subnet: String }
        "Router interface for subnet {subnet} on router {router} cannot be deleted, as it is required by one or more routes.";
    409 RouterExternalGatewayInUseByFloatingIp { router: String, network: String }
        "Gateway cannot be updated for router {router}, since a gateway to external network {network} is required by one or more floating IPs.";
    400 SubnetMismatchForPort { port: String, subnet: String }
        "Subnet on port {port} does not match the requested subnet {subnet}.";
    400 InvalidRoutes { reason: String } "Invalid format for routes: {reason}.";
    400 RoutesExhausted { router: String, max: usize }
        "Unable to complete operation for {router}. The number of routes exceeds the maximum {max}.";

    // Floating IPs.
    409 FloatingIPPortAlreadyAssociated { address: String, id: String, port: String, fixed: String, network: String }
        "Cannot associate floating IP {address} ({id}) with port {port} using fixed IP {fixed}, as that fixed IP already has a floating IP on external network {network}.";

    // Security groups.
    409 SecurityGroupInUse { id: String } "Security Group {id} in use.";
    409 SecurityGroupCannotRemoveDefault {} "Insufficient rights for removing default security group.";
    409 SecurityGroupCannotUpdateDefault {} "Updating default security group not allowed.";
    409 SecurityGroupDefaultAlreadyExists {} "Default security group already exists.";
    409 SecurityGroupRuleExists { id: String } "Security group rule already exists. Rule id is {id}.";
    400 SecurityGroupRuleInvalidProtocol { protocol: String, known: String }
        "Security group rule protocol {protocol} not supported. Only protocol values [{known}] and integer representations [0 to 255] are supported.";
    400 SecurityGroupProtocolRequiredWithPorts {} "Must also specify protocol if port range is given.";
    400 SecurityGroupInvalidPortRange {} "For TCP/UDP protocols, port_range_min must be <= port_range_max";
    400 SecurityGroupInvalidPortValue { port: i64 } "Invalid value for port {port}";
    400 SecurityGroupInvalidProtocolForPort { protocol: String }
        "Ports cannot be specified for protocol {protocol}. Ports are only supported for tcp, udp, udplite, sctp, dccp.";
    400 SecurityGroupInvalidIcmpValue { field: &'static str, attribute: &'static str, value: i64 }
        "Invalid value for ICMP {field} ({attribute}) {value}. It must be 0 to 255.";
    400 SecurityGroupMissingIcmpType { value: i64 }
        "ICMP code (port-range-max) {value} is provided but ICMP type (port-range-min) is missing.";
    400 SecurityGroupEthertypeConflictWithProtocol { ethertype: &'static str, protocol: String }
        "Invalid ethertype {ethertype} for protocol {protocol}.";
    400 SecurityGroupMultipleRemoteEntites {}
        "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.";
    400 SecurityGroupRuleParameterConflict { ethertype: &'static str, cidr: String }
        "Conflicting value ethertype {ethertype} for CIDR {cidr}";

    // Quotas and auto-allocated topologies.
    409 OverQuota { what: String } "Quota exceeded for resources: {what}.";
    409 AutoAllocationFailure { reason: String } "Deployment error: {reason}.";
    412 RevisionNumberConstraintFailed { expected: i64, current: i64 }
        "Constrained to {expected}, but current revision is {current}";
}

impl Error {
    /// A body's attribute that is not as it must be.
    pub(crate) fn invalid(attribute: &str, reason: impl fmt::Display) -> Error {
        Error::HTTPBadRequest { reason: format!("Invalid input for {attribute}. Reason: {reason}.") }
    }

    /// An operation that makes no sense.
    pub(crate) fn input(reason: impl fmt::Display) -> Error {
        Error::InvalidInput { reason: reason.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Store(error) => Some(error),
            _ => None,
        }
    }
}

impl TxError for Error {
    fn store_error(&self) -> Option<&store::Error> {
        match self {
            Error::Store(error) => Some(error),
            _ => None,
        }
    }
}

impl From<store::Error> for Error {
    /// Operations look for clashes before they write, so that a unique index refuses a row only when somebody else's
    /// was faster. The transaction is run again, and then sees it.
    fn from(error: store::Error) -> Error {
        Error::Store(match error {
            store::Error::Duplicate(index) => store::Error::Stale(index),
            other => other,
        })
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Error {
        Error::PolicyNotAuthorized(denied)
    }
}

impl From<InvalidBody> for Error {
    /// Says in Neutron's words what is wrong with a body. The first part of a field's path is the resource's name.
    fn from(error: InvalidBody) -> Error {
        if error.malformed {
            return Error::MalformedRequestBody { reason: error.problem };
        }
        let attribute = error.field.split_once('.').map_or(error.field.as_str(), |(_, rest)| rest);
        match error.problem.as_str() {
            "is required" => Error::HTTPBadRequest {
                reason: format!("Failed to parse request. Required attribute '{attribute}' not specified"),
            },
            problem if attribute.is_empty() => Error::HTTPBadRequest { reason: problem.to_owned() },
            problem => Error::invalid(attribute, format!("'{attribute}' {problem}")),
        }
    }
}

impl From<Error> for reconcile::StepError {
    fn from(error: Error) -> reconcile::StepError {
        match error {
            Error::Store(error) => reconcile::StepError::Store(error),
            other => reconcile::StepError::Failed(other.message()),
        }
    }
}
