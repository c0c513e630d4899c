//! Typed ids. A UUID id is `Copy` and is spelled with dashes; a text id is whatever its service hands out
//! (Keystone's are 32 hexadecimal digits, but `default` is a domain too, and flavors are named by operators).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A string that is no id of the wanted kind. APIs answer 404 to it, for no such object can exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a UUID")
    }
}

impl std::error::Error for InvalidId {}

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            /// Takes the hyphenated and the simple form.
            fn from_str(s: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(s).map($name).map_err(|_| InvalidId)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                $name(id)
            }
        }
    )*};
}

macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<Uuid> for $name {
            /// The 32 hexadecimal digits that Keystone would make of it.
            fn from(id: Uuid) -> Self {
                $name(id.simple().to_string())
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                $name(id.to_owned())
            }
        }
    )*};
}

uuid_id! {
    /// A server, and the VM on a host that is its body.
    ServerId
    /// An image.
    ImageId
    /// A volume.
    VolumeId
    /// A volume type.
    VolumeTypeId
    /// A snapshot of a volume: one that a user asked for, or one that Cuttle holds while it reads the volume.
    SnapshotId
    /// A backup of a volume.
    BackupId
    /// A copy of bytes on its way.
    CopyId
    /// QoS specs of volume types.
    QosSpecsId
    /// How the volumes of a type are encrypted.
    EncryptionId
    /// The key that a volume is encrypted with.
    EncryptionKeyId
    /// A message to a user.
    MessageId
    /// The attachment of a volume to a server.
    AttachmentId
    /// An offer of a volume to another project.
    TransferId
    /// A group of volumes.
    VolumeGroupId
    /// A type of groups of volumes.
    VolumeGroupTypeId
    /// A snapshot of a group of volumes.
    GroupSnapshotId
    /// A network.
    NetworkId
    /// A subnet.
    SubnetId
    /// A subnet pool.
    SubnetPoolId
    /// A port.
    PortId
    /// A router.
    RouterId
    /// A floating IP.
    FloatingIpId
    /// A security group.
    SecurityGroupId
    /// A rule of a security group.
    SecurityGroupRuleId
    /// A resource provider.
    ResourceProviderId
    /// A server group.
    ServerGroupId
}

text_id! {
    /// A project: what OpenStack once called a tenant.
    ProjectId
    /// A user.
    UserId
    /// A domain of projects and users.
    DomainId
    /// A role.
    RoleId
    /// A flavor; the operator may choose the id.
    FlavorId
    /// A compute host, by its name.
    HostId
}
