//! The steps of a migration whose volume a server has: its VM takes it there, and its host decides when it is there.

use reconcile::Next;
use store::{Error, Tx};

use super::reconcile::{Both, LOOK_EVERY, begin, cannot_make, elsewhere, give_up, go_on, settle};
use crate::snapshot;
use crate::volume::HOST_TIME_MAX;

/// The host makes a blank volume where this one goes. Who still reads moments of the old one is waited for: they would stay
/// behind.
pub(super) fn make_room(tx: &mut Tx<'_>, (migration, volume): Both<'_>) -> Result<Next, Error> {
    if !volume.is_migrating() {
        return give_up(tx, (migration, volume), "its server let go of the volume".to_owned());
    }
    let there = elsewhere(tx, migration, volume)?;
    if let Some(text) = cannot_make(migration, there.as_ref()) {
        return give_up(tx, (migration, volume), text);
    }
    if there.is_some() && snapshot::store::of_volume(tx, volume.id)?.is_empty() {
        begin(tx, (migration, volume))?;
        return follow(tx, (migration, volume));
    }
    if tx.now().since(migration.heard_at) >= HOST_TIME_MAX {
        let text = format!("host {} was not ready for it on {} in time", migration.host, migration.to);
        return give_up(tx, (migration, volume), text);
    }
    Ok(Next::Again(LOOK_EVERY))
}

/// The VM takes it there. Given up, it is there all the same if the host had decided so before it heard of that.
pub(super) fn follow(tx: &mut Tx<'_>, (migration, volume): Both<'_>) -> Result<Next, Error> {
    match elsewhere(tx, migration, volume)? {
        Some(there) if there.arrived => settle(tx, (migration, volume)),
        _ if !volume.is_migrating() => {
            give_up(tx, (migration, volume), "its server let go of the volume".to_owned())
        }
        Some(there) => match there.error {
            Some(error) => {
                let text = format!("host {} cannot take it to {}: {error}", migration.host, migration.to);
                give_up(tx, (migration, volume), text)
            }
            None => go_on(tx, (migration, volume), there.percent),
        },
        None if migration.percent == 0 && tx.now().since(migration.heard_at) >= HOST_TIME_MAX => {
            let text = format!("host {} does not begin to take it to {}", migration.host, migration.to);
            give_up(tx, (migration, volume), text)
        }
        None => {
            let percent = migration.percent;
            go_on(tx, (migration, volume), percent)
        }
    }
}
