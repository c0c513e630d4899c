//! What whoever wants to use a volume is told. Nothing but compute's VMs gets at its bytes: the driver type is one that
//! no client knows, so that none takes the answer for a way to them.

use serde_json::{Value as Json, json};
use store::Tx;

use crate::error::Error;
use crate::volume::{AttachMode, Attachment, Volume};
use crate::volume_type;

/// What no client's library knows.
const DRIVER: &str = "cuttle";

/// The whole, as attachments show it; by the action of old nobody has an attachment yet.
pub(crate) fn info(tx: &mut Tx<'_>, volume: &Volume, held: Option<&Attachment>) -> Result<Json, Error> {
    let recipe = volume_type::ops::recipe(tx, volume.volume_type_id)?;
    let qos = recipe.qos_specs.as_ref().map(|specs| specs.front_end()).filter(|specs| !specs.is_empty());
    let said = held.and_then(|held| held.mode);
    let mode = match (said, volume.read_only) {
        (Some(mode), _) => mode,
        (None, Some(true)) => AttachMode::ReadOnly,
        (None, _) => AttachMode::ReadWrite,
    };
    Ok(json!({
        "driver_volume_type": DRIVER,
        "access_mode": mode.name(),
        "cacheable": false,
        "encrypted": volume.encryption.is_some(),
        "enforce_multipath": held.is_some_and(|held| held.multipath),
        "qos_specs": qos,
    }))
}
