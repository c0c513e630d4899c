//! The metadata that was pushed to the responder, read by its thread and written by others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use types::PortId;

use super::metadata::{InstanceMetadata, MetadataSource};

type Pages = BTreeMap<PortId, Arc<InstanceMetadata>>;

/// See the module.
pub(super) struct MetadataTable {
    pushed: Mutex<Pages>,
    source: Option<Arc<dyn MetadataSource>>,
}

impl MetadataTable {
    pub(super) fn new(source: Option<Arc<dyn MetadataSource>>) -> MetadataTable {
        MetadataTable { pushed: Mutex::default(), source }
    }

    pub(super) fn set(&self, port: PortId, metadata: Option<Arc<InstanceMetadata>>) {
        match metadata {
            Some(metadata) => self.pages().insert(port, metadata),
            None => self.pages().remove(&port),
        };
    }

    /// What was pushed for the port, else what the source has.
    pub(super) fn of(&self, port: PortId) -> Option<Arc<InstanceMetadata>> {
        let pushed = self.pages().get(&port).cloned();
        pushed.or_else(|| self.source.as_ref()?.metadata(port))
    }

    /// Shows a posted password until the control plane pushes it back.
    pub(super) fn keep_password(&self, port: PortId, password: &str) {
        if let Some(page) = self.pages().get_mut(&port) {
            Arc::make_mut(page).password = password.to_owned();
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        // A map of shared pointers is whole at any moment, also after a panic.
        self.pushed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
