//! The metadata service without its sockets: what one server's pages hold, in OpenStack's and in EC2's format.

mod ec2;
mod openstack;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use serde_json::Value;
use types::{ImageId, PortId, ProjectId, ServerId};

use super::http::{Method, Request, Response};

/// The longest password a guest may post, Nova's limit.
const PASSWORD_LEN_MAX: usize = 1020;

/// Where the metadata of a port comes from when none was pushed for it. Called on the responder's one
/// thread, so it must not wait for anything.
pub trait MetadataSource: Send + Sync {
    /// The metadata of the server behind a port; `None` if there is none (a router's port, say).
    fn metadata(&self, port: PortId) -> Option<Arc<InstanceMetadata>>;
}

/// All that the pages about one server are made of.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceMetadata {
    /// The server.
    pub server: ServerId,
    /// Its display name.
    pub name: String,
    /// Its host name with domain.
    pub hostname: String,
    /// Its project.
    pub project: ProjectId,
    /// The public keys of its owner.
    pub keys: Vec<PublicKey>,
    /// The owner's own key-value pairs.
    pub meta: BTreeMap<String, String>,
    /// The owner's user data, decoded.
    pub user_data: Option<Vec<u8>>,
    /// Its availability zone.
    pub availability_zone: String,
    /// Its place among servers created by one request.
    pub launch_index: u32,
    /// OpenStack's description of links, networks and services.
    pub network_data: Value,
    /// The administrator's password, where it is handed to the guest.
    pub admin_pass: Option<String>,
    /// What the guest posted as its password, encrypted; empty if nothing.
    pub password: String,
    /// Fixed IPs of all its ports.
    pub fixed_ips: Vec<IpAddr>,
    /// Floating IPs.
    pub floating_ips: Vec<Ipv4Addr>,
    /// The flavor's name.
    pub flavor: String,
    /// The image; none if booted from a volume.
    pub image: Option<ImageId>,
    /// The reservation of the request that created it, `r-` and eight characters.
    pub reservation: String,
    /// Names of its security groups.
    pub security_groups: Vec<String>,
    /// The root disk's device name in the guest, such as `vda`.
    pub root_device: String,
    /// Entropy for the guest's first boot; left out if empty.
    pub random_seed: Vec<u8>,
    /// The operator's vendor data.
    pub vendor_data: Value,
    /// Vendor data by provider.
    pub vendor_data2: Value,
}

/// A public key for the guest's first user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// The keypair's name.
    pub name: String,
    /// `ssh` or `x509`.
    pub kind: String,
    /// The key as the file of authorized keys holds it.
    pub data: String,
}

/// What a request comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What is sent.
    pub response: Response,
    /// A password to be kept, if one was posted.
    pub posted: Option<String>,
}

impl From<Response> for Outcome {
    fn from(response: Response) -> Outcome {
        Outcome { response, posted: None }
    }
}

/// Answers a request from the server that `instance` describes.
pub fn answer(instance: &InstanceMetadata, request: &Request) -> Outcome {
    let path = tokens(&request.path);
    if let Some((version, "password")) = openstack::item(&path)
        && openstack::has_password(version)
    {
        return password(instance, request);
    }
    if !matches!(request.method, Method::Get | Method::Head) {
        return Response::refusal(405).into();
    }
    let page = match path.split_first() {
        Some((&"openstack", rest)) => openstack::page(instance, rest),
        Some((&"ec2", rest)) => ec2::page(instance, rest),
        _ => ec2::page(instance, &path),
    };
    page.unwrap_or_else(|| Response::refusal(404)).into()
}

/// The path's words with `.` and `..` resolved; doubled and trailing slashes mean nothing.
fn tokens(path: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    for word in path.split('/') {
        match word {
            "" | "." => {}
            ".." => drop(tokens.pop()),
            word => tokens.push(word),
        }
    }
    tokens
}

fn password(instance: &InstanceMetadata, request: &Request) -> Outcome {
    match request.method {
        Method::Get | Method::Head => Response::text(instance.password.clone()).into(),
        Method::Post if !instance.password.is_empty() => Response::refusal(409).into(),
        Method::Post => match std::str::from_utf8(&request.body) {
            Ok(text) if text.len() <= PASSWORD_LEN_MAX => {
                Outcome { response: Response::text(""), posted: Some(text.to_owned()) }
            }
            _ => Response::refusal(400).into(),
        },
        Method::Other => Response::refusal(400).into(),
    }
}
