//! An endpoint's data, and how its URL is completed.

use serde::{Deserialize, Serialize};

use crate::api::Extra;
use crate::ids::{EndpointId, RegionId, ServiceId};

/// Who an endpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interface {
    /// Everybody.
    Public,
    /// The cloud's own services.
    Internal,
    /// Operators.
    Admin,
}

/// An endpoint: where a service is reached in a region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// The service.
    pub service_id: ServiceId,
    /// The region.
    pub region_id: Option<RegionId>,
    /// Who it is for.
    pub interface: Interface,
    /// Where, with `$(…)s` in place of what depends on the client.
    pub url: String,
    /// Whether the catalog shows it.
    pub enabled: bool,
    /// Whatever else the client wanted remembered.
    #[serde(default)]
    pub extra: Extra,
}

/// What is to become different.
#[derive(Debug, Clone, Default)]
pub struct EndpointChange {
    /// The service.
    pub service_id: Option<ServiceId>,
    /// The region.
    pub region_id: Option<Option<RegionId>>,
    /// Whether the region is made if it is not there.
    pub makes_region: bool,
    /// Who it is for.
    pub interface: Option<Interface>,
    /// Where.
    pub url: Option<String>,
    /// Whether the catalog shows it.
    pub enabled: Option<bool>,
    /// What else there was.
    pub extra: Extra,
}

impl Interface {
    /// All of them.
    pub const ALL: [Interface; 3] = [Interface::Public, Interface::Internal, Interface::Admin];

    /// `public`, `internal` or `admin`.
    pub fn name(self) -> &'static str {
        match self {
            Interface::Public => "public",
            Interface::Internal => "internal",
            Interface::Admin => "admin",
        }
    }

    /// The interface of this name.
    pub fn named(name: &str) -> Option<Interface> {
        Interface::ALL.into_iter().find(|interface| interface.name() == name)
    }
}

/// What an endpoint's URL may leave open.
#[derive(Debug, Clone, Copy, Default)]
pub struct Substitutions<'s> {
    /// Scheme, host and port as the client spelled them: `public_url`.
    pub public_url: &'s str,
    /// The token's project: `project_id` and `tenant_id`.
    pub project_id: Option<&'s str>,
    /// The token's user: `user_id`.
    pub user_id: Option<&'s str>,
}

/// Why a URL cannot be completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incomplete {
    /// It needs a project and the token has none.
    NeedsProject,
    /// It names something that nobody knows, or is no template.
    Malformed,
}

/// Whether the text can be a URL at all: a scheme and something after it, or one of our own that follow the client.
pub fn is_address(url: &str) -> bool {
    if url.starts_with('/') || url.starts_with("$(public_url)s") || url.starts_with("%(public_url)s") {
        return true;
    }
    let is_scheme = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b))
    };
    url.split_once(':').is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty())
}

/// Completes a URL; both `$(name)s` and `%(name)s` are templates. A path is below the client's own address.
pub fn complete(url: &str, with: &Substitutions<'_>) -> Result<String, Incomplete> {
    let mut out = String::with_capacity(url.len() + 48);
    if url.starts_with('/') {
        out.push_str(with.public_url);
    }
    let mut rest = url;
    while let Some(at) = rest.find(['$', '%']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let Some(inner) = from[1..].strip_prefix('(') else {
            // A percent-encoded character or a lone dollar is itself.
            out.push_str(&from[..1]);
            rest = &from[1..];
            continue;
        };
        let (name, after) = inner.split_once(")s").ok_or(Incomplete::Malformed)?;
        out.push_str(match name {
            "public_url" => with.public_url,
            "project_id" | "tenant_id" => with.project_id.ok_or(Incomplete::NeedsProject)?,
            "user_id" => with.user_id.ok_or(Incomplete::NeedsProject)?,
            _ => return Err(Incomplete::Malformed),
        });
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Completes what depends on the client's address alone and leaves the rest as it is, for operators to see.
pub fn with_address(url: &str, public_url: &str) -> String {
    let url = url.replace("$(public_url)s", public_url).replace("%(public_url)s", public_url);
    if url.starts_with('/') { format!("{public_url}{url}") } else { url }
}
