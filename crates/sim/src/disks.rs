//! A host's disks: volumes of its own, made of images that all hosts share.

use std::io::Read;

use serde_json::Value as Json;
use storage::fake::Fake;
use storage::{
    Adoption, Capacity, DiskFormat, Error, ImageStore, LiveDisk, NewVolume, Result, Snapshot, Source, Tidied,
    Unmanaged, UnmanagedSnapshot, Upload, VolumeBackend, VolumeState,
};
use types::{ImageId, VolumeId};

/// The backend of one host. Clones share it; it outlives the agent.
#[derive(Debug, Clone)]
pub struct Disks {
    /// The image service's store.
    pub images: Fake,
    /// What is on this host, with copies of the images that were needed.
    pub local: Fake,
}

impl Disks {
    /// An empty disk beside the shared images.
    pub fn new(images: Fake) -> Disks {
        Disks { images, local: Fake::new() }
    }

    fn fetch(&self, id: ImageId, format: DiskFormat) -> Result<()> {
        let size = self.images.observe_image(id)?.ok_or(Error::NoImage(id))?;
        if self.local.observe_image(id)?.is_some() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let read = self.images.reader(id, 0..size)?.read_to_end(&mut bytes);
        read.map_err(|source| Error::Io { doing: "copy an image".to_owned(), source })?;
        let upload = Upload { image: id, format, size_bytes_max: u64::MAX, enforce: false };
        let mut writer = self.local.writer(&upload)?;
        writer.write(&bytes)?;
        writer.finish().map(|_| ())
    }
}

impl Adoption for Disks {
    fn observe_unmanaged(&self) -> Result<Vec<Unmanaged>> {
        self.local.observe_unmanaged()
    }

    fn find_unmanaged(&self, name: &str) -> Result<Unmanaged> {
        self.local.find_unmanaged(name)
    }

    fn ensure_managed(&self, volume: VolumeId, name: &str, size_bytes: u64) -> Result<()> {
        self.local.ensure_managed(volume, name, size_bytes)
    }

    fn ensure_unmanaged(&self, volume: VolumeId, name: Option<&str>) -> Result<()> {
        self.local.ensure_unmanaged(volume, name)
    }

    fn observe_unmanaged_snapshots(&self, volume: VolumeId) -> Result<Vec<UnmanagedSnapshot>> {
        self.local.observe_unmanaged_snapshots(volume)
    }

    fn ensure_snapshot_managed(&self, at: Snapshot, name: &str) -> Result<()> {
        self.local.ensure_snapshot_managed(at, name)
    }

    fn ensure_snapshot_unmanaged(&self, at: Snapshot) -> Result<()> {
        self.local.ensure_snapshot_unmanaged(at)
    }
}

impl VolumeBackend for Disks {
    fn ensure_volume(&self, volume: &NewVolume) -> Result<()> {
        if let (Source::Image { id, format }, None) = (&volume.source, self.local.observe_volume(volume.id)?)
        {
            self.fetch(*id, *format)?;
        }
        self.local.ensure_volume(volume)
    }

    fn ensure_size(&self, volume: VolumeId, size_bytes: u64) -> Result<()> {
        self.local.ensure_size(volume, size_bytes)
    }

    fn remove_volume(&self, volume: VolumeId) -> Result<()> {
        self.local.remove_volume(volume)
    }

    fn observe_volume(&self, volume: VolumeId) -> Result<Option<VolumeState>> {
        self.local.observe_volume(volume)
    }

    fn observe_volumes(&self) -> Result<Vec<VolumeId>> {
        self.local.observe_volumes()
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn ensure_snapshot(&self, at: Snapshot, live: Option<&mut dyn LiveDisk>) -> Result<()> {
        self.local.ensure_snapshot(at, live)
    }

    fn ensure_live(&self, volume: VolumeId, live: &mut dyn LiveDisk) -> Result<()> {
        self.local.ensure_live(volume, live)
    }

    fn remove_snapshot(&self, at: Snapshot, live: Option<&mut dyn LiveDisk>) -> Result<()> {
        self.local.remove_snapshot(at, live)
    }

    fn ensure_reverted(&self, to: Snapshot, token: &str) -> Result<()> {
        self.local.ensure_reverted(to, token)
    }

    fn ensure_replaced(&self, volume: VolumeId, by: VolumeId) -> Result<()> {
        self.local.ensure_replaced(volume, by)
    }

    fn tidy(&self, volume: VolumeId, live: Option<&mut dyn LiveDisk>) -> Result<Tidied> {
        self.local.tidy(volume, live)
    }

    fn snapshot_blockdev(&self, at: Snapshot) -> Result<Json> {
        self.local.snapshot_blockdev(at)
    }

    fn blockdev(&self, volume: VolumeId) -> Result<Json> {
        self.local.blockdev(volume)
    }

    fn capacity(&self) -> Result<Capacity> {
        self.local.capacity()
    }

    fn sweep(&self) -> Result<usize> {
        VolumeBackend::sweep(&self.local)
    }
}
