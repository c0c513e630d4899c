//! A service provider's data.

use serde::{Deserialize, Serialize};

use crate::ids::ServiceProviderId;

/// What a SAML answer begins with for a service provider unless told otherwise.
pub const RELAY_STATE_PREFIX: &str = "ss:mem:";

/// A service provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceProvider {
    /// Its id, which the operator chose.
    pub id: ServiceProviderId,
    /// Where one logs in there.
    pub auth_url: String,
    /// Where it takes assertions.
    pub sp_url: String,
    /// What it is.
    pub description: Option<String>,
    /// Whether tokens tell of it.
    pub enabled: bool,
    /// What the relay state begins with.
    pub relay_state_prefix: String,
}

/// What is to become different.
#[derive(Debug, Clone, Default)]
pub struct ServiceProviderChange {
    /// Where one logs in there.
    pub auth_url: Option<String>,
    /// Where it takes assertions.
    pub sp_url: Option<String>,
    /// What it is.
    pub description: Option<Option<String>>,
    /// Whether tokens tell of it.
    pub enabled: Option<bool>,
    /// What the relay state begins with.
    pub relay_state_prefix: Option<String>,
}
