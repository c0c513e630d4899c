//! The storage backends that a node serves, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use storage::VolumeBackend;

/// The storage backends of a node. One is its default: it has every volume whose document names no other. It has the
/// root disks of VMs too, where it keeps them with the volumes.
#[derive(Clone)]
pub struct Backends {
    by_name: BTreeMap<String, Arc<dyn VolumeBackend>>,
    default: String,
    root_disks: Arc<dyn VolumeBackend>,
}

impl Backends {
    /// One backend, the default.
    pub fn new(name: &str, backend: Arc<dyn VolumeBackend>) -> Backends {
        let root_disks = backend.clone();
        Backends {
            by_name: BTreeMap::from([(name.to_owned(), backend)]),
            default: name.to_owned(),
            root_disks,
        }
    }

    /// With the root disks of VMs elsewhere.
    pub fn with_root_disks(mut self, root_disks: Arc<dyn VolumeBackend>) -> Backends {
        self.root_disks = root_disks;
        self
    }

    /// With another backend beside.
    pub fn with(mut self, name: &str, backend: Arc<dyn VolumeBackend>) -> Backends {
        self.by_name.insert(name.to_owned(), backend);
        self
    }

    /// The backend of this name, or the default. An unknown name is told in words.
    pub fn named(&self, name: Option<&str>) -> Result<&dyn VolumeBackend, String> {
        self.shared(name).map(AsRef::as_ref)
    }

    /// The same for another thread.
    pub fn shared(&self, name: Option<&str>) -> Result<&Arc<dyn VolumeBackend>, String> {
        let name = name.unwrap_or(&self.default);
        match self.by_name.get(name) {
            Some(backend) => Ok(backend),
            None => Err(format!("this host has no storage backend {name}; add it to the configuration")),
        }
    }

    /// Where the root disks of VMs are.
    pub fn root_disks(&self) -> &dyn VolumeBackend {
        self.root_disks.as_ref()
    }

    /// The same for another thread.
    pub fn shared_root_disks(&self) -> &Arc<dyn VolumeBackend> {
        &self.root_disks
    }

    /// All of them with their names; the default may be anywhere among them.
    pub fn all(&self) -> impl Iterator<Item = (&str, &dyn VolumeBackend)> {
        self.by_name.iter().map(|(name, backend)| (name.as_str(), backend.as_ref()))
    }

    /// The name of the default.
    pub fn default_name(&self) -> &str {
        &self.default
    }
}
