//! What a column can hold: nothing, a whole number or text. UUIDs are text, times are microseconds, flags are 0 and 1.

use std::net::IpAddr;

use types::{
    AttachmentId, BackupId, CopyId, DomainId, FlavorId, FloatingIpId, GroupSnapshotId, HostId, ImageId,
    MacAddr, MessageId, NetworkId, PortId, ProjectId, QosSpecsId, ResourceProviderId, RoleId, RouterId,
    SecurityGroupId, SecurityGroupRuleId, ServerGroupId, ServerId, SnapshotId, SubnetId, SubnetPoolId,
    Timestamp, TransferId, UserId, VolumeGroupId, VolumeGroupTypeId, VolumeId, VolumeTypeId,
};

/// The value of one column in one row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// SQL's NULL.
    Null,
    /// A 64-bit integer.
    Int(i64),
    /// A string.
    Text(String),
}

impl Value {
    /// The number, if it is one.
    pub fn int(&self) -> Option<i64> {
        match self {
            Value::Int(n) => Some(*n),
            Value::Null | Value::Text(_) => None,
        }
    }

    /// The text, if it is text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(t) => Some(t),
            Value::Null | Value::Int(_) => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Value {
        Value::Text(text.clone())
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Value {
        Value::Int(n)
    }
}

impl From<u32> for Value {
    fn from(n: u32) -> Value {
        Value::Int(n.into())
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Value {
        Value::Int(flag.into())
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Value {
        Value::Int(time.0)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

macro_rules! spelled {
    ($($name:ident)*) => {$(
        impl From<$name> for Value {
            fn from(value: $name) -> Value {
                Value::Text(value.to_string())
            }
        }
        impl From<&$name> for Value {
            fn from(value: &$name) -> Value {
                Value::Text(value.to_string())
            }
        }
    )*};
}

spelled! {
    AttachmentId BackupId DomainId FlavorId FloatingIpId HostId ImageId IpAddr MacAddr NetworkId PortId ProjectId ResourceProviderId
    RoleId GroupSnapshotId CopyId SnapshotId TransferId VolumeGroupId VolumeGroupTypeId ServerGroupId MessageId QosSpecsId
    RouterId SecurityGroupId SecurityGroupRuleId ServerId SubnetId SubnetPoolId UserId VolumeId VolumeTypeId
}
