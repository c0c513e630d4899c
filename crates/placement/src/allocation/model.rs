//! What an allocation and a consumer are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use types::{ProjectId, ResourceProviderId, UserId};

/// An amount that a consumer has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocation {
    /// The row's own id.
    pub id: String,
    /// The consumer, a server's id.
    pub consumer_id: String,
    /// The provider.
    pub provider_id: ResourceProviderId,
    /// The resource class.
    pub class: String,
    /// How much.
    pub used: u64,
}

/// Who has allocations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumer {
    /// A server's id.
    pub id: String,
    /// The project that is counted.
    pub project_id: ProjectId,
    /// The user.
    pub user_id: UserId,
    /// Grows with every write of its allocations.
    pub generation: i64,
}

/// Amounts by provider and class.
pub(crate) type Wanted = BTreeMap<ResourceProviderId, BTreeMap<String, u64>>;
