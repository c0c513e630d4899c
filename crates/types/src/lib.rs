//! The nouns that all crates share. No input or output, no clock, no chance: only values and how they are spelled.

mod addr;
mod id;
mod mac;
mod secret;
#[cfg(test)]
mod tests;
mod time;

pub use addr::{AddressFamily, IpRange, eui64};
pub use id::{
    AttachmentId, BackupId, CopyId, DomainId, EncryptionId, EncryptionKeyId, FlavorId, FloatingIpId,
    GroupSnapshotId, HostId, ImageId, InvalidId, MessageId, NetworkId, PortId, ProjectId, QosSpecsId,
    ResourceProviderId, RoleId, RouterId, SecurityGroupId, SecurityGroupRuleId, ServerGroupId, ServerId,
    SnapshotId, SubnetId, SubnetPoolId, TransferId, UserId, VolumeGroupId, VolumeGroupTypeId, VolumeId,
    VolumeTypeId,
};
pub use ipnet::{IpNet, Ipv4Net, Ipv6Net};
pub use mac::{InvalidMac, MacAddr};
pub use secret::Secret;
pub use time::{InvalidTime, Timestamp};
