//! Keeps a host's inventories as its agent reported them. Kicked by whoever hears the agent say hello.

use ::store::Tx;
use reconcile::{Next, Reconciler, StepError};

use super::ops;

/// The kind of key; its id is the host's name.
pub const HOST_SYNC: &str = "placement::provider";

/// See the module.
pub struct HostSync;

impl Reconciler for HostSync {
    fn kind(&self) -> &'static str {
        HOST_SYNC
    }

    fn step(&self, tx: &mut Tx<'_>, id: &str) -> Result<Next, StepError> {
        if let Some(host) = nodes::hosts::load(tx, &id.into())? {
            ops::sync(tx, &host).map_err(|error| match error {
                crate::Error::Store(error) => StepError::Store(error),
                other => StepError::Failed(other.to_string()),
            })?;
        }
        Ok(Next::Done)
    }

    fn sweep(&self, tx: &mut Tx<'_>) -> Result<Vec<String>, StepError> {
        let changed = ops::changed(tx).map_err(|error| StepError::Failed(error.to_string()))?;
        Ok(changed.into_iter().map(|host| host.id.to_string()).collect())
    }
}
