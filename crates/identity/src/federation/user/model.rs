//! A federated user's data.

use serde::{Deserialize, Serialize};
use types::{Timestamp, UserId};

use crate::ids::{GroupId, IdentityProviderId, ProtocolId};

/// That a user here is somebody at an identity provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FederatedUser {
    /// The user.
    pub user_id: UserId,
    /// The provider.
    pub idp_id: IdentityProviderId,
    /// The protocol.
    pub protocol_id: ProtocolId,
    /// What the user is known by there.
    pub unique_id: String,
    /// What the user is called there.
    pub name: String,
}

/// Which somebody, as clients name one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The provider.
    pub idp_id: String,
    /// The protocol.
    pub protocol_id: String,
    /// What the user is known by there.
    pub unique_id: String,
}

/// Which federated users a list shows.
#[derive(Debug, Clone, Default)]
pub struct IdentityFilter {
    /// Of this provider.
    pub idp_id: Option<String>,
    /// Of this protocol.
    pub protocol_id: Option<String>,
    /// Known by this.
    pub unique_id: Option<String>,
}

impl IdentityFilter {
    /// Whether it asks for federated users at all.
    pub fn asks(&self) -> bool {
        self.idp_id.is_some() || self.protocol_id.is_some() || self.unique_id.is_some()
    }
}

/// That a login put a user into a group for some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiringMembership {
    /// The user.
    pub user_id: UserId,
    /// The group.
    pub group_id: GroupId,
    /// The provider, whose `authorization_ttl` says for how long.
    pub idp_id: IdentityProviderId,
    /// When the provider last said so.
    pub verified_at: Timestamp,
}
