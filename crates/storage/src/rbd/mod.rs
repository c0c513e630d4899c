//! Images and volumes in a Ceph cluster.
//!
//! ```text
//! rbd_store_pool    ID@snap          an image's bytes as they were uploaded
//!                   ID_base@snap     the raw disk that was made of them, where they are none
//! rbd_pool          volume-ID        a volume, with snapshots snapshot-ID
//! images_rbd_pool   ID_disk          a server's own disk
//! ```
//!
//! librbd is called in a child process ([`serve`]), for librados ends its process when something surprises it; here are
//! its clients ([`RbdImages`], [`RbdVolumes`]), which start it again. What is removed goes to the trash at once, and is
//! purged once no clone needs it. `docs/adr/0009` says why all this is so.

#[allow(unsafe_code)] // librados is asked below librbd
mod class;
mod client;
#[allow(unsafe_code)] // librados has no other door
mod cluster;
mod config;
#[allow(unsafe_code)] // nor has librbd
mod image;
mod images;
mod names;
mod served;
mod status;
#[allow(unsafe_code)] // and both are found here
mod sys;
mod volumes;
#[allow(unsafe_code)] // librbd has no way to ask
mod watch;
mod wire;

use std::sync::Arc;

pub use client::ChildProgram;
pub use config::RbdConfig;
pub use images::RbdImages;
pub use served::serve;
pub use status::{ClusterStatus, Health};
pub use volumes::RbdVolumes;

use crate::{Error, ImageStore, Result};
use client::Client;
use wire::{Place, Request};

/// A cluster: what stores and backends are made of. All that come of one share its child.
#[derive(Clone)]
pub struct Rbd {
    client: Client,
}

impl Rbd {
    /// A cluster. The child is started, and the cluster looked for, when something is first asked of it.
    pub fn new(program: ChildProgram, config: RbdConfig) -> Rbd {
        Rbd { client: Client::new(program, config) }
    }

    /// Its images.
    pub fn images(&self) -> RbdImages {
        RbdImages::new(self.client.clone())
    }

    /// Its volumes. An image that is not in the cluster is brought there from `elsewhere` when it is first needed.
    pub fn volumes(&self, elsewhere: Option<Arc<dyn ImageStore>>) -> RbdVolumes {
        RbdVolumes::new(self.client.clone(), Place::Volumes, elsewhere)
    }

    /// Servers' own disks, which are volumes of other names in another pool.
    pub fn root_disks(&self, elsewhere: Option<Arc<dyn ImageStore>>) -> RbdVolumes {
        RbdVolumes::new(self.client.clone(), Place::RootDisks, elsewhere)
    }

    /// How the cluster is.
    pub fn status(&self) -> Result<ClusterStatus> {
        let ask = |command: &str| -> Result<serde_json::Value> {
            let answer = self.mon_command(command, &[])?;
            serde_json::from_slice(&answer)
                .map_err(|error| Error::Unavailable { message: format!("{command}: no JSON: {error}") })
        };
        Ok(ClusterStatus::of(
            &ask(r#"{"prefix":"status","format":"json"}"#)?,
            &ask(r#"{"prefix":"osd dump","format":"json"}"#)?,
            &ask(r#"{"prefix":"df","format":"json"}"#)?,
        ))
    }

    /// Sends the cluster's monitors a command in their JSON.
    pub fn mon_command(&self, command: &str, input: &[u8]) -> Result<Vec<u8>> {
        let request = Request::MonCommand { command: command.to_owned() };
        let ((), answer) = self.client.send(&request, input)?.answer::<()>()?;
        Ok(answer)
    }

    /// The process id of the child, while there is one.
    pub fn child_pid(&self) -> Option<u32> {
        self.client.child_pid()
    }
}
