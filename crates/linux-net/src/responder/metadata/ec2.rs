//! `/latest/meta-data/...`: EC2's tree of small texts, as Nova fills it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::InstanceMetadata;
use crate::responder::http::Response;

/// Their names sort by age.
const VERSIONS: [&str; 9] = [
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
];
const LATEST: &str = "latest";

enum Node {
    Leaf(Vec<u8>),
    /// Entries by name. A folder with a label is listed under it, without the slash.
    Folder {
        label: Option<String>,
        entries: BTreeMap<String, Node>,
    },
}

/// The page at `path`, whose first word is a version.
pub fn page(instance: &InstanceMetadata, path: &[&str]) -> Option<Response> {
    let Some((version, rest)) = path.split_first() else {
        return Some(Response::text([&VERSIONS[..], &[LATEST]].concat().join("\n")));
    };
    let version = if *version == LATEST { VERSIONS[VERSIONS.len() - 1] } else { version };
    let version = VERSIONS.into_iter().find(|known| *known == version)?;
    let mut node = &tree(instance, version);
    for word in rest {
        let Node::Folder { entries, .. } = node else { return None };
        node = entries.get(*word)?;
    }
    Some(Response::text(print(node)))
}

fn print(node: &Node) -> Vec<u8> {
    let entries = match node {
        Node::Leaf(bytes) => return bytes.clone(),
        Node::Folder { entries, .. } => entries,
    };
    let line = |(name, node): (&String, &Node)| match node {
        Node::Leaf(_) => name.clone(),
        Node::Folder { label: Some(label), .. } => label.clone(),
        Node::Folder { label: None, .. } => format!("{name}/"),
    };
    entries.iter().map(line).collect::<Vec<_>>().join("\n").into_bytes()
}

fn leaf(text: impl Into<Vec<u8>>) -> Node {
    Node::Leaf(text.into())
}

fn folder<const N: usize>(entries: [(&str, Node); N]) -> Node {
    let entries = entries.into_iter().map(|(name, node)| (name.to_owned(), node)).collect();
    Node::Folder { label: None, entries }
}

fn tree(instance: &InstanceMetadata, version: &str) -> Node {
    let mut top = BTreeMap::from([("meta-data".to_owned(), meta_data(instance, version))]);
    if let Some(user_data) = &instance.user_data {
        top.insert("user-data".to_owned(), leaf(user_data.clone()));
    }
    Node::Folder { label: None, entries: top }
}

fn meta_data(instance: &InstanceMetadata, version: &str) -> Node {
    let mut entries = BTreeMap::new();
    let mut set = |since: &str, name: &str, node: Node| {
        if version >= since {
            entries.insert(name.to_owned(), node);
        }
    };
    let short = |prefix: &str, uuid: String| leaf(format!("{prefix}-{}", &uuid[..8]));
    let hostname = || leaf(instance.hostname.clone());
    let local = instance.fixed_ips.iter().find(|ip| matches!(ip, IpAddr::V4(_)));
    let public = instance.floating_ips.first();
    set("1.0", "instance-id", short("i", instance.server.to_string()));
    // EC2 images have an id even where a server was booted from a volume.
    let image = instance.image.map(|id| id.to_string()).unwrap_or_else(|| "00000000".to_owned());
    set("1.0", "ami-id", short("ami", image));
    set("1.0", "ami-launch-index", leaf(instance.launch_index.to_string()));
    set("1.0", "ami-manifest-path", leaf("FIXME"));
    set("1.0", "hostname", hostname());
    set("1.0", "local-ipv4", leaf(local.map(ToString::to_string).unwrap_or_default()));
    set("1.0", "reservation-id", leaf(instance.reservation.clone()));
    set("1.0", "security-groups", leaf(instance.security_groups.join("\n")));
    if let Some(keys) = public_keys(instance) {
        set("1.0", "public-keys", keys);
    }
    set("2007-01-19", "local-hostname", hostname());
    set("2007-01-19", "public-hostname", hostname());
    set("2007-01-19", "public-ipv4", leaf(public.map(ToString::to_string).unwrap_or_default()));
    set("2007-08-29", "instance-type", leaf(instance.flavor.clone()));
    let root = &instance.root_device;
    let disks = folder([("ami", leaf(root.clone())), ("root", leaf(format!("/dev/{root}")))]);
    set("2007-12-15", "block-device-mapping", disks);
    set("2008-02-01", "placement", folder([("availability-zone", leaf(instance.availability_zone.clone()))]));
    set("2008-09-01", "instance-action", leaf("none"));
    Node::Folder { label: None, entries }
}

/// EC2 knows keys by number and lists them as `0=name`.
fn public_keys(instance: &InstanceMetadata) -> Option<Node> {
    let ssh = instance.keys.iter().filter(|key| key.kind == "ssh");
    let numbered = ssh.enumerate().map(|(number, key)| {
        let entries = BTreeMap::from([("openssh-key".to_owned(), leaf(key.data.clone()))]);
        (number.to_string(), Node::Folder { label: Some(format!("{number}={}", key.name)), entries })
    });
    let entries: BTreeMap<_, _> = numbered.collect();
    (!entries.is_empty()).then_some(Node::Folder { label: None, entries })
}
