//! Images that nobody can remove any more, because of clients that are dead, or of clones or parents that are gone.
//!
//! An OSD notes who has an image open with the image's header. If the client dies before that note is acted upon, no
//! connection is left whose end would undo it: Ceph then refuses to remove the image for as long as the OSD lives
//! (seen with 16.2). Such a client is one that the cluster has shut out, or one that is noted and that the OSD does not
//! know, for it ended together with whoever would have had it shut out; it is shut out now. One that is merely silent the
//! OSD knows until it gives it up, after half a minute. Where every such client is dead for sure, what librbd would do is
//! done by hand: the data and the link to the parent go first, then the header with its notes, and then what librbd
//! removes without one.
//!
//! A client that is killed while it makes a clone may have told the parent of it all the same, and that may arrive when
//! the clone was removed again. A clone's header is made before its parent knows of it and removed after that has
//! forgotten it, so one that is noted and has none is gone.
//!
//! In between the parent knows nothing of the clone: one whose maker or remover was killed there keeps no parent, and
//! cannot be opened once that is gone. Nobody was ever told that it is there, or it was removed by its owner.

use std::sync::Arc;

use nix::libc;
use serde_json::Value;

use super::super::cluster::{Cluster, Done, Pool};
use super::super::image::{Image, Watcher};
use super::super::names;
use super::Link;

/// Removes the header of an image that is in nobody's use and open at clients alone that are dead; whether it was so.
pub(super) fn lay(link: &Link, pool: &Arc<Pool>, id: &str) -> Done<bool> {
    let mut opened = Image::open_by_id_to_write(pool, id);
    let is_absent = |opened: &Done<Image>| opened.as_ref().is_err_and(|fault| fault.is(libc::ENOENT));
    if is_absent(&opened) && part(link, pool, id)? {
        opened = Image::open_by_id_to_write(pool, id);
    }
    if is_absent(&opened) {
        return Ok(false);
    }
    let (image, cluster) = (opened?, link.cluster()?);
    if !image.snapshots()?.is_empty() || image.has_children()? || !are_dead(&cluster, pool, id, &image)? {
        return Ok(false);
    }
    tracing::warn!("removing {}/{id}, which only dead clients have open", pool.name);
    // Those whose removal was interrupted: librbd puts them into a trash first.
    for (number, ..) in image.all_snapshots()? {
        image.remove_snapshot_in_trash(number)?;
    }
    image.resize(0, true)?;
    if image.parent()?.is_some() {
        image.flatten()?;
    }
    drop(image);
    pool.remove_mark(&names::header(id))?;
    Ok(true)
}

/// Whether there are others that have an image open, and all of them are dead. They are shut out then.
fn are_dead(cluster: &Cluster, pool: &Pool, id: &str, image: &Image) -> Done<bool> {
    let (own, dead) = (cluster.own_addresses()?, shut_out(cluster)?);
    let mut others = image.watchers()?;
    others.retain(|watcher| !own.contains(&watcher.address));
    if others.is_empty() {
        return Ok(false);
    }
    others.retain(|watcher| !dead.contains(&watcher.address));
    if others.is_empty() {
        return Ok(true);
    }
    let known = pool.known_watchers(&names::header(id))?;
    if others.iter().any(|watcher| known.contains(&watcher.client)) {
        return Ok(false);
    }
    for ghost in &others {
        tracing::warn!("shutting out {}, of which {}/{id} has only a note left", ghost.address, pool.name);
        cluster.blocklist(&ghost.address)?;
    }
    Ok(true)
}

/// The clients that have an image open, but for those of these addresses and for the dead that are only noted.
pub(super) fn living(pool: &Pool, image: &Image, but_for: &[String]) -> Done<Vec<Watcher>> {
    let mut others = image.watchers()?;
    others.retain(|watcher| !but_for.contains(&watcher.address));
    if !others.is_empty() {
        let known = pool.known_watchers(&names::header(&image.id()?))?;
        others.retain(|watcher| known.contains(&watcher.client));
    }
    Ok(others)
}

/// Lets an image forget its parent if that is gone; whether it was so.
fn part(link: &Link, pool: &Pool, id: &str) -> Done<bool> {
    let Some(parent) = pool.noted_parent(id)? else { return Ok(false) };
    let ours = link.pools()?;
    // Of what is elsewhere nothing is known.
    let Some(of) = ours.iter().find(|pool| pool.id() == parent.pool_id) else { return Ok(false) };
    if !parent.pool_namespace.is_empty() || of.has_mark(&names::header(&parent.image_id))? {
        return Ok(false);
    }
    tracing::warn!("{}/{id} forgets its parent {}, which is gone", pool.name, parent.image_id);
    pool.forget_parent(id)?;
    Ok(true)
}

/// Lets an image forget the clones that are gone; whether there were any.
pub(super) fn forget(link: &Link, pool: &Pool, id: &str) -> Done<bool> {
    let ours = link.pools()?;
    let mut forgotten = false;
    for clone in pool.noted_clones(id)? {
        // Of what is elsewhere nothing is known.
        let Some(of) = ours.iter().find(|pool| pool.id() == clone.pool_id) else { continue };
        if clone.pool_namespace.is_empty() && !of.has_mark(&names::header(&clone.image_id))? {
            tracing::warn!("{}/{id} forgets its clone {}, which is gone", pool.name, clone.image_id);
            pool.forget_clone(id, &clone)?;
            forgotten = true;
        }
    }
    Ok(forgotten)
}

/// The clients that the cluster has shut out.
pub(super) fn shut_out(cluster: &Cluster) -> Done<Vec<String>> {
    let answer = cluster.mon_command(r#"{"prefix":"osd blocklist ls","format":"json"}"#, &[])?;
    // Two lists follow one another: of clients, and of whole networks.
    let mut lists = serde_json::Deserializer::from_slice(&answer).into_iter::<Value>();
    let Some(Ok(listed)) = lists.next() else { return Ok(Vec::new()) };
    let entries = listed.as_array().map_or(&[][..], Vec::as_slice);
    Ok(entries.iter().filter_map(|entry| entry["addr"].as_str()).map(str::to_owned).collect())
}
