//! Which addresses may be asked for at all: the lists that an operator sets, under Glance's names.

use serde::Deserialize;
use types::IpNet;

/// What web-download may reach: the options of Glance's `import_filtering_opts`. Where both lists of a kind are given,
/// the one of what is allowed counts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImportFiltering {
    /// Schemes that may be used.
    pub allowed_schemes: Vec<String>,
    /// Schemes that may not.
    pub disallowed_schemes: Vec<String>,
    /// Hosts that may be asked; all if there are none.
    pub allowed_hosts: Vec<String>,
    /// Hosts that may not.
    pub disallowed_hosts: Vec<String>,
    /// Ports that may be used.
    pub allowed_ports: Vec<u16>,
    /// Ports that may not.
    pub disallowed_ports: Vec<u16>,
    /// Networks of this machine or of the site that may be asked all the same. Glance has no such list: it would ask
    /// any.
    pub allowed_networks: Vec<IpNet>,
}

impl Default for ImportFiltering {
    fn default() -> ImportFiltering {
        ImportFiltering {
            allowed_schemes: vec!["http".to_owned(), "https".to_owned()],
            disallowed_schemes: Vec::new(),
            allowed_hosts: Vec::new(),
            disallowed_hosts: Vec::new(),
            allowed_ports: vec![80, 443],
            disallowed_ports: Vec::new(),
            allowed_networks: Vec::new(),
        }
    }
}

/// An address that the lists let pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// All of it.
    pub(crate) uri: String,
    /// `http` or `https`.
    pub(crate) scheme: String,
    /// The host, in lower case; IPv6 without brackets.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
}

impl ImportFiltering {
    /// The address, if it may be asked for.
    pub(crate) fn target(&self, uri: &str) -> Option<Target> {
        let target = parse(uri)?;
        let passes = lets(&self.allowed_schemes, &self.disallowed_schemes, &target.scheme)
            && lets(&self.allowed_hosts, &self.disallowed_hosts, &target.host)
            && lets(&self.allowed_ports, &self.disallowed_ports, &target.port);
        passes.then_some(target)
    }
}

fn lets<T: PartialEq>(allowed: &[T], disallowed: &[T], value: &T) -> bool {
    if allowed.is_empty() { !disallowed.contains(value) } else { allowed.contains(value) }
}

/// Takes an address apart, narrowly: what another program could read otherwise is none.
fn parse(uri: &str) -> Option<Target> {
    if !uri.bytes().all(|byte| byte.is_ascii_graphic()) || uri.contains('\\') {
        return None;
    }
    let (scheme, rest) = uri.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    // A name and a password before the host would be sent along, and confuse who reads it.
    if authority.contains('@') {
        return None;
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, after.strip_prefix(':').or(if after.is_empty() { Some("") } else { None })?)
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let port = if port.is_empty() { default } else { port.parse().ok().filter(|port| *port > 0)? };
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let named = is_name(&host) || host.parse::<std::net::IpAddr>().is_ok();
    named.then(|| Target { uri: uri.to_owned(), scheme, host, port })
}

/// Whether it is a host's name, and no number that a resolver would take for an address: `127.1`, `0x7f000001`.
fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    let numeric = last.starts_with(|c: char| c.is_ascii_digit());
    host.len() <= 253 && host.split('.').all(label) && !numeric
}
