//! Which cluster, as whom, and which pools.

use serde::{Deserialize, Serialize};

/// Which cluster, as whom, and which pools. Keys are those of OpenStack's drivers, where they have one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RbdConfig {
    /// The cluster's configuration, which names its monitors and the client's keyring.
    #[serde(rename = "rbd_ceph_conf", default = "default::conf")]
    pub conf: String,
    /// The client's name, without `client.`.
    #[serde(rename = "rbd_user", default = "default::user")]
    pub user: String,
    /// Where volumes are.
    #[serde(rename = "rbd_pool", default = "default::volumes")]
    pub volumes_pool: String,
    /// Where images are.
    #[serde(rename = "rbd_store_pool", default = "default::images")]
    pub images_pool: String,
    /// Where servers' own disks are.
    #[serde(rename = "images_rbd_pool", default = "default::root_disks")]
    pub root_disks_pool: String,
    /// The size of the objects that images and volumes are made of, in MiB: a power of two.
    #[serde(rename = "rbd_store_chunk_size", default = "default::chunk_mib")]
    pub chunk_mib: u64,
    /// How long connecting may take, in seconds.
    #[serde(rename = "rados_connect_timeout", default = "default::connect_seconds")]
    pub connect_seconds: u32,
    /// How long the cluster may take for one operation of its own, in seconds.
    #[serde(rename = "rados_osd_op_timeout", default = "default::op_seconds")]
    pub op_seconds: u32,
    /// How many clones may lie upon one another before the topmost is flattened.
    #[serde(rename = "rbd_max_clone_depth", default = "default::clone_depth")]
    pub clone_depth_max: u32,
    /// Whether a volume made of a snapshot gets a copy of its own in the background.
    #[serde(rename = "rbd_flatten_volume_from_snapshot", default)]
    pub flatten_from_snapshot: bool,
    /// How long what an interrupted upload left stays, in seconds.
    #[serde(default = "default::abandoned_seconds")]
    pub abandoned_upload_seconds: i64,
}

mod default {
    pub fn conf() -> String {
        "/etc/ceph/ceph.conf".to_owned()
    }
    pub fn user() -> String {
        "cuttle".to_owned()
    }
    pub fn volumes() -> String {
        "volumes".to_owned()
    }
    pub fn images() -> String {
        "images".to_owned()
    }
    pub fn root_disks() -> String {
        "vms".to_owned()
    }
    pub fn chunk_mib() -> u64 {
        4
    }
    pub fn connect_seconds() -> u32 {
        5
    }
    pub fn op_seconds() -> u32 {
        20
    }
    pub fn clone_depth() -> u32 {
        5
    }
    pub fn abandoned_seconds() -> i64 {
        3600
    }
}

impl RbdConfig {
    /// With everything as it is by default but for the cluster and the client.
    pub fn new(conf: &str, user: &str) -> RbdConfig {
        RbdConfig {
            conf: conf.to_owned(),
            user: user.to_owned(),
            volumes_pool: default::volumes(),
            images_pool: default::images(),
            root_disks_pool: default::root_disks(),
            chunk_mib: default::chunk_mib(),
            connect_seconds: default::connect_seconds(),
            op_seconds: default::op_seconds(),
            clone_depth_max: default::clone_depth(),
            flatten_from_snapshot: false,
            abandoned_upload_seconds: default::abandoned_seconds(),
        }
    }

    /// What is wrong with it, in words.
    pub fn check(&self) -> Result<(), String> {
        if !self.chunk_mib.is_power_of_two() || self.chunk_mib > 32 {
            return Err(format!(
                "rbd_store_chunk_size is {}; it must be a power of two up to 32",
                self.chunk_mib
            ));
        }
        if self.connect_seconds == 0 || self.op_seconds == 0 {
            return Err("rados_connect_timeout and rados_osd_op_timeout must be at least 1".to_owned());
        }
        if self.clone_depth_max == 0 {
            return Err("rbd_max_clone_depth must be at least 1".to_owned());
        }
        let names = [&self.user, &self.volumes_pool, &self.images_pool, &self.root_disks_pool];
        if names.iter().any(|name| name.is_empty()) {
            return Err("rbd_user and the names of pools must not be empty".to_owned());
        }
        Ok(())
    }

    /// log2 of the object size.
    pub(super) fn order(&self) -> u64 {
        20 + u64::from(self.chunk_mib.trailing_zeros())
    }

    /// What is set beside the configuration file. Without time limits a lost cluster would hold threads for ever; with
    /// a cache a write would be acknowledged that a killed process has not sent.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("client_mount_timeout", self.connect_seconds.to_string()),
            ("rados_mon_op_timeout", self.op_seconds.to_string()),
            ("rados_osd_op_timeout", self.op_seconds.to_string()),
            ("rbd_cache", "false".to_owned()),
            ("rbd_default_clone_format", "2".to_owned()),
        ]
    }
}
