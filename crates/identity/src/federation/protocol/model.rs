//! A protocol's data.

use serde::{Deserialize, Serialize};

use crate::ids::{IdentityProviderId, MappingId, ProtocolId};

/// A protocol spoken with an identity provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Protocol {
    /// Its id, unique for its provider.
    pub id: ProtocolId,
    /// The provider.
    pub idp_id: IdentityProviderId,
    /// The mapping of those who log in by it. It may be gone: then nobody can.
    pub mapping_id: MappingId,
    /// The attribute by which the provider says who it is; none for the usual one.
    pub remote_id_attribute: Option<String>,
}
