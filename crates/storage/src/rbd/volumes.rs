//! The volume backend in a cluster, as its clients see it.

use std::io::Read;
use std::sync::Arc;

use serde_json::{Value, json};
use types::{ImageId, VolumeId};

use super::client::Client;
use super::images::RbdImages;
use super::names;
use super::wire::{Fault, Origin, Place, Request};
use crate::error::Doing;
use crate::file::check_size;
use crate::inspect::inspect;
use crate::{
    Adoption, Capacity, DiskFormat, Error, ImageStore, LiveDisk, NewVolume, Refusal, Result, Snapshot,
    Source, Tidied, Unmanaged, UnmanagedSnapshot, Upload, VolumeBackend, VolumeState,
};

/// Keeps each volume as an RBD image.
#[derive(Clone)]
pub struct RbdVolumes {
    client: Client,
    place: Place,
    elsewhere: Option<Arc<dyn ImageStore>>,
}

impl RbdVolumes {
    pub(super) fn new(client: Client, place: Place, elsewhere: Option<Arc<dyn ImageStore>>) -> RbdVolumes {
        RbdVolumes { client, place, elsewhere }
    }

    /// Looks at an image, brought here if need be, and makes the disk that clones come from.
    fn prepare_image(&self, image: ImageId, format: DiskFormat, asked: u64) -> Result<()> {
        let look = || self.client.ask_again::<u64>(&Request::ImageHead { image }, &[]);
        let (size_bytes, head) = match look() {
            Err(Fault::NoImage(_)) => {
                self.bring(image, format)?;
                look()?
            }
            looked => looked?,
        };
        format.driver().ok_or(Error::Refused(Refusal::NotADisk(format)))?;
        let inspection = inspect(format, &head, Some(size_bytes)).map_err(Error::Refused)?;
        let needed = inspection.virtual_size_bytes;
        if asked < needed {
            return Err(Error::TooSmall { needed, asked });
        }
        if format.driver() != Some("raw") {
            let () = self.client.ask(&Request::ImageConvert { image, format })?;
        }
        Ok(())
    }

    /// Copies an image from where else it is.
    fn bring(&self, image: ImageId, format: DiskFormat) -> Result<()> {
        let elsewhere = self.elsewhere.as_ref().ok_or(Error::NoImage(image))?;
        tracing::info!("bringing image {image} to the cluster");
        let mut bytes = elsewhere.reader(image, 0..u64::MAX)?;
        // Whoever first took it has judged its format, and may have kept what is another.
        let upload = Upload { image, format, size_bytes_max: u64::MAX, enforce: false };
        let mut writer = RbdImages::new(self.client.clone()).writer(&upload)?;
        let mut buffer = vec![0; 1 << 20];
        loop {
            match bytes.read(&mut buffer).doing(|| format!("read image {image}"))? {
                0 => break,
                length => writer.write(&buffer[..length])?,
            }
        }
        writer.finish().map(drop)
    }

    fn node(&self, volume: VolumeId) -> Value {
        let config = self.client.config();
        let pool = match self.place {
            Place::Volumes => &config.volumes_pool,
            Place::RootDisks => &config.root_disks_pool,
        };
        json!({
            "driver": "rbd",
            "pool": pool,
            "image": names::volume(self.place, volume),
            "user": config.user,
            "conf": config.conf,
            "cache": { "direct": true, "no-flush": false },
            "auto-read-only": false,
        })
    }
}

impl Adoption for RbdVolumes {
    fn observe_unmanaged(&self) -> Result<Vec<Unmanaged>> {
        Ok(self.client.ask(&Request::ListUnmanaged)?)
    }

    fn find_unmanaged(&self, name: &str) -> Result<Unmanaged> {
        Ok(self.client.ask(&Request::FindUnmanaged { name: name.to_owned() })?)
    }

    fn ensure_managed(&self, volume: VolumeId, name: &str, size_bytes: u64) -> Result<()> {
        check_size(size_bytes)?;
        Ok(self.client.ask(&Request::Manage { id: volume, name: name.to_owned(), size_bytes })?)
    }

    fn ensure_unmanaged(&self, volume: VolumeId, name: Option<&str>) -> Result<()> {
        Ok(self.client.ask(&Request::Unmanage { id: volume, name: name.map(str::to_owned) })?)
    }

    fn observe_unmanaged_snapshots(&self, volume: VolumeId) -> Result<Vec<UnmanagedSnapshot>> {
        Ok(self.client.ask(&Request::ListUnmanagedSnapshots { volume })?)
    }

    fn ensure_snapshot_managed(&self, at: Snapshot, name: &str) -> Result<()> {
        Ok(self.client.ask(&Request::ManageSnapshot { at, name: name.to_owned() })?)
    }

    fn ensure_snapshot_unmanaged(&self, at: Snapshot) -> Result<()> {
        Ok(self.client.ask(&Request::UnmanageSnapshot { at })?)
    }
}

impl VolumeBackend for RbdVolumes {
    fn ensure_volume(&self, volume: &NewVolume) -> Result<()> {
        check_size(volume.size_bytes)?;
        let NewVolume { id, size_bytes, multiattach, .. } = *volume;
        let place = self.place;
        let origin = match volume.source {
            Source::Blank => Origin::Blank,
            Source::Snapshot(at) => Origin::Snapshot(at),
            Source::Image { id: image, format } => {
                if !self.client.ask::<bool>(&Request::Exists { place, id })? {
                    self.prepare_image(image, format, size_bytes)?;
                }
                Origin::Image { id: image, format }
            }
        };
        Ok(self.client.ask(&Request::Make { place, id, size_bytes, origin, multiattach })?)
    }

    fn is_prepared(&self, volume: &NewVolume) -> Result<bool> {
        let Source::Image { id: image, format } = volume.source else { return Ok(true) };
        let (place, id) = (self.place, volume.id);
        if self.client.ask(&Request::Exists { place, id })? {
            return Ok(true);
        }
        let is_here = match self.client.ask::<u64>(&Request::ImageHead { image }) {
            Err(Fault::NoImage(_)) => false,
            looked => looked.map(|_| true)?,
        };
        // Whether another format was converted shows when it is to be; that it was is found in no time.
        Ok(is_here && format.driver() == Some("raw"))
    }

    fn prepare(&self, volume: &NewVolume) -> Result<()> {
        match volume.source {
            Source::Image { id, format } => self.prepare_image(id, format, volume.size_bytes),
            _ => Ok(()),
        }
    }

    fn ensure_size(&self, volume: VolumeId, size_bytes: u64) -> Result<()> {
        check_size(size_bytes)?;
        Ok(self.client.ask(&Request::Resize { place: self.place, id: volume, size_bytes })?)
    }

    fn remove_volume(&self, volume: VolumeId) -> Result<()> {
        Ok(self.client.ask(&Request::Remove { place: self.place, id: volume })?)
    }

    fn observe_volume(&self, volume: VolumeId) -> Result<Option<VolumeState>> {
        Ok(self.client.ask(&Request::Observe { place: self.place, id: volume })?)
    }

    fn observe_volumes(&self) -> Result<Vec<VolumeId>> {
        Ok(self.client.ask(&Request::List { place: self.place })?)
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn ensure_ours(&self, volume: VolumeId) -> Result<()> {
        let _: usize = self.client.ask(&Request::Fence { place: self.place, id: volume })?;
        Ok(())
    }

    /// The VM has the image itself open: there is nothing above it that could differ.
    fn ensure_live(&self, _volume: VolumeId, _live: &mut dyn LiveDisk) -> Result<()> {
        Ok(())
    }

    /// The cluster takes it between two writes, whoever writes.
    fn ensure_snapshot(&self, at: Snapshot, _live: Option<&mut dyn LiveDisk>) -> Result<()> {
        Ok(self.client.ask(&Request::MakeSnapshot { place: self.place, at })?)
    }

    fn remove_snapshot(&self, at: Snapshot, _live: Option<&mut dyn LiveDisk>) -> Result<()> {
        Ok(self.client.ask(&Request::RemoveSnapshot { place: self.place, at })?)
    }

    fn ensure_reverted(&self, to: Snapshot, token: &str) -> Result<()> {
        Ok(self.client.ask(&Request::Revert { place: self.place, to, token: token.to_owned() })?)
    }

    fn ensure_replaced(&self, volume: VolumeId, by: VolumeId) -> Result<()> {
        Ok(self.client.ask(&Request::Replace { place: self.place, id: volume, by })?)
    }

    fn tidy(&self, volume: VolumeId, _live: Option<&mut dyn LiveDisk>) -> Result<Tidied> {
        Ok(self.client.ask(&Request::Tidy { place: self.place, id: volume })?)
    }

    fn blockdev(&self, volume: VolumeId) -> Result<Value> {
        if !self.client.ask::<bool>(&Request::Exists { place: self.place, id: volume })? {
            return Err(Error::NoVolume(volume));
        }
        let mut node = self.node(volume);
        node["read-only"] = json!(false);
        node["discard"] = json!("unmap");
        node["detect-zeroes"] = json!("unmap");
        Ok(node)
    }

    fn snapshot_blockdev(&self, at: Snapshot) -> Result<Value> {
        if !self.client.ask::<bool>(&Request::HasSnapshot { place: self.place, at })? {
            return Err(Error::NoSnapshot { volume: at.volume, id: at.id });
        }
        let mut node = self.node(at.volume);
        node["snapshot"] = json!(names::snapshot(at.id));
        node["read-only"] = json!(true);
        Ok(node)
    }

    fn capacity(&self) -> Result<Capacity> {
        Ok(self.client.ask(&Request::Capacity { place: self.place })?)
    }

    fn sweep(&self) -> Result<usize> {
        // What an interrupted operation left is known by its mark, and goes when that is asked for again.
        let () = self.client.ask(&Request::Sweep)?;
        Ok(0)
    }
}
