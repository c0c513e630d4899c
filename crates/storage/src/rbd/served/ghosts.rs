//! Images that nobody can remove any more, because of clients that are dead or clones that are gone.
//!
//! An OSD notes who has an image open with the image's header. If the client dies before that note is acted upon, no
//! connection is left whose end would undo it: Ceph then refuses to remove the image for as long as the OSD lives
//! (seen with 16.2). Where every such client is dead for sure, what librbd would do is done by hand: the data and the
//! link to the parent go first, then the header with its notes, and then what librbd removes without one.
//!
//! A client that is killed while it makes a clone may have told the parent of it all the same, and that may arrive when
//! the clone was removed again. A clone's header is made before its parent knows of it and removed after that has
//! forgotten it, so one that is noted and has none is gone.

use std::sync::Arc;

use nix::libc;
use serde_json::Value;

use super::super::cluster::{Cluster, Done, Pool, bare};
use super::super::image::Image;
use super::super::names;
use super::Link;

/// Removes the header of an image that is only open at clients that are shut out; whether it was so.
pub(super) fn lay(cluster: &Cluster, pool: &Arc<Pool>, id: &str) -> Done<bool> {
    let image = match Image::open_by_id_to_write(pool, id) {
        Err(fault) if fault.is(libc::ENOENT) => return Ok(false),
        opened => opened?,
    };
    let own = cluster.own_addresses()?;
    let dead = shut_out(cluster)?;
    let watchers = image.watchers()?;
    let others: Vec<&str> = watchers
        .iter()
        .map(|address| bare(address))
        .filter(|address| !own.iter().any(|o| o == address))
        .collect();
    if others.is_empty() || !others.iter().all(|address| dead.iter().any(|d| d == address)) {
        return Ok(false);
    }
    if !image.all_snapshots()?.is_empty() || image.has_children()? {
        return Ok(false);
    }
    tracing::warn!("removing {}/{id}, which {} dead clients have open", pool.name, others.len());
    image.resize(0, true)?;
    if image.parent()?.is_some() {
        image.flatten()?;
    }
    drop(image);
    pool.remove_mark(&names::header(id))?;
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
