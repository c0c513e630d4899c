//! An identity provider's data.

use serde::{Deserialize, Serialize};
use types::DomainId;

use crate::ids::IdentityProviderId;

/// An identity provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdentityProvider {
    /// Its id, which the operator chose.
    pub id: IdentityProviderId,
    /// The domain of the users who come from there.
    pub domain_id: DomainId,
    /// Whether anybody can log in by it.
    pub enabled: bool,
    /// What it is.
    pub description: Option<String>,
    /// What it calls itself, such as an issuer; each is one provider's alone.
    pub remote_ids: Vec<String>,
    /// For how many minutes after a login the user is in the groups that the mapping named; none or 0 for the life of
    /// the token alone.
    pub authorization_ttl: Option<i64>,
}

/// An identity provider to be.
#[derive(Debug, Clone)]
pub struct IdentityProviderDraft {
    /// Its id.
    pub id: IdentityProviderId,
    /// The domain of its users; a new one if none is named.
    pub domain_id: Option<DomainId>,
    /// The rest.
    pub change: IdentityProviderChange,
}

/// What is to become different.
#[derive(Debug, Clone, Default)]
pub struct IdentityProviderChange {
    /// Whether anybody can log in by it.
    pub enabled: Option<bool>,
    /// What it is.
    pub description: Option<Option<String>>,
    /// What it calls itself.
    pub remote_ids: Option<Vec<String>>,
    /// How long its users stay in groups.
    pub authorization_ttl: Option<Option<i64>>,
}

impl IdentityProvider {
    /// The same with what is to be different.
    pub fn apply(&mut self, change: IdentityProviderChange) {
        if let Some(enabled) = change.enabled {
            self.enabled = enabled;
        }
        if let Some(description) = change.description {
            self.description = description;
        }
        if let Some(remote_ids) = change.remote_ids {
            self.remote_ids = remote_ids;
        }
        if let Some(ttl) = change.authorization_ttl {
            self.authorization_ttl = ttl;
        }
    }
}

/// That a remote id is one provider's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemoteId {
    /// What the provider calls itself.
    pub remote_id: String,
    /// The provider.
    pub idp_id: IdentityProviderId,
}
