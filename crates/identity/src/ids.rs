//! Ids that only the identity service knows, and keys made of several ids.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::Value;

macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                $name(id.to_owned())
            }
        }

        impl From<&$name> for Value {
            fn from(id: &$name) -> Value {
                Value::Text(id.0.clone())
            }
        }
    )*};
}

text_id! {
    /// A group of users.
    GroupId
    /// A region of the catalog; the operator may choose the id.
    RegionId
    /// A service of the catalog.
    ServiceId
    /// An endpoint of a service.
    EndpointId
    /// A group of endpoints.
    EndpointGroupId
    /// A limit that holds where no other is set.
    RegisteredLimitId
    /// A limit of one project or domain.
    LimitId
    /// A credential.
    CredentialId
    /// A policy document.
    PolicyId
    /// A trust.
    TrustId
    /// An identity provider; the operator chooses the id, as of the next three.
    IdentityProviderId
    /// A protocol spoken with an identity provider.
    ProtocolId
    /// A mapping.
    MappingId
    /// A service provider.
    ServiceProviderId
    /// A consumer of OAuth.
    ConsumerId
    /// A request token of OAuth.
    RequestTokenId
    /// An access token of OAuth.
    AccessTokenId
}

/// A fresh id: 32 hexadecimal digits, as Keystone's.
pub(crate) fn fresh() -> String {
    runtime::new_uuid().simple().to_string()
}

/// One key for several ids or for a name that is too long to be indexed: 64 hexadecimal digits.
pub(crate) fn key_of(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
