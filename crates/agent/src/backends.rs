//! The storage backends that a node serves, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use storage::VolumeBackend;

/// The storage backends of a node. One is its default: it has the root disks of VMs, and every volume whose document
/// names no other.
#[derive(Clone)]
pub struct Backends {
    by_name: BTreeMap<String, Arc<dyn VolumeBackend>>,
    default: String,
}

impl Backends {
    /// One backend, the default.
    pub fn new(name: &str, backend: Arc<dyn VolumeBackend>) -> Backends {
        Backends { by_name: BTreeMap::from([(name.to_owned(), backend)]), default: name.to_owned() }
    }

    /// With another backend beside.
    pub fn with(mut self, name: &str, backend: Arc<dyn VolumeBackend>) -> Backends {
        self.by_name.insert(name.to_owned(), backend);
        self
    }

    /// The backend of this name, or the default. An unknown name is told in words.
    pub fn named(&self, name: Option<&str>) -> Result<&dyn VolumeBackend, String> {
        let name = name.unwrap_or(&self.default);
        match self.by_name.get(name) {
            Some(backend) => Ok(backend.as_ref()),
            None => Err(format!("this host has no storage backend {name}; add it to the configuration")),
        }
    }

    /// The default, with the root disks of VMs.
    pub fn default(&self) -> Result<&dyn VolumeBackend, String> {
        self.named(None)
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
