//! A node fills an image with a copy of a disk. Whoever makes images of disks keeps a [`NodeCopy`] in a row of its own,
//! and drives it by its own reconciler's steps.

use std::time::Duration;

use agent_api::Kind;
use agent_api::block::{Copied, Copy, CopyFrom, CopySeen, CopyTo, ImageSource};
use nodes::documents::{self, Owner};
use serde::{Deserialize, Serialize};
use storage::{DiskFormat, StoredImage};
use store::Tx;
use types::{CopyId, HostId, ImageId, Timestamp};

use super::by_node;
use crate::error::Error;

/// How long a copy may make no progress. One that waits behind others makes none.
pub const COPY_TIME_MAX: Duration = Duration::from_secs(6 * 60 * 60);

/// A copy of a disk into an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeCopy {
    /// Its id.
    pub id: CopyId,
    /// The image.
    pub image_id: ImageId,
    /// The image's disk format.
    pub format: DiskFormat,
    /// The host that has the disk.
    pub host: HostId,
    /// When it began, or was last seen to get on.
    pub heard_at: Timestamp,
    /// How far it was then, in percent.
    pub percent: u8,
    /// See [`Copy::sealed`].
    #[serde(default)]
    pub sealed: bool,
}

/// How far a copy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The host has not taken note of it yet.
    Told,
    /// The host copies.
    Copies,
    /// The image has the bytes.
    Done,
    /// Somebody deleted the image.
    Unwanted,
    /// It cannot be made: why, for operators.
    Failed(String),
}

impl NodeCopy {
    /// How the image knows the copy.
    pub fn token(&self) -> String {
        self.id.to_string()
    }

    /// Whether nobody deleted the image.
    pub fn is_wanted(&self, tx: &mut Tx<'_>) -> Result<bool, Error> {
        by_node::is_wanted(tx, self.image_id, &self.token())
    }

    /// Has the host copy what does not change meanwhile, and takes in what it says. `owner` is kicked when it says
    /// something.
    pub fn step(&mut self, tx: &mut Tx<'_>, from: CopyFrom, owner: Owner<'_>) -> Result<Progress, Error> {
        let token = self.token();
        if !by_node::begin(tx, self.image_id, &token)? {
            return Ok(Progress::Unwanted);
        }
        let image = ImageSource { id: self.image_id, format: self.format.as_str().to_owned() };
        let document = Copy { id: self.id, from, to: CopyTo::Image(image), sealed: self.sealed };
        documents::put(tx, &self.host, Kind::Copy, &token, &document, owner)?;
        let found = documents::seen::<CopySeen>(tx, &self.host, Kind::Copy, &token)?;
        let Some(found) = found.filter(|found| found.current) else { return Ok(self.waits(tx, None)) };
        match (found.error, found.seen.unwrap_or_default()) {
            (Some(reason), _) => Ok(Progress::Failed(format!("host {} cannot copy it: {reason}", self.host))),
            (None, CopySeen { done: Some(copied), .. }) => self.finish(tx, copied),
            (None, seen) => Ok(self.waits(tx, Some(seen.percent))),
        }
    }

    fn waits(&mut self, tx: &Tx<'_>, percent: Option<u8>) -> Progress {
        let now = tx.now();
        if percent.is_some_and(|percent| percent != self.percent) {
            self.percent = percent.unwrap_or_default();
            self.heard_at = now;
        }
        if now.since(self.heard_at) >= COPY_TIME_MAX {
            return Progress::Failed(format!("host {} does not get on with its copy", self.host));
        }
        if percent.is_some() { Progress::Copies } else { Progress::Told }
    }

    fn finish(&self, tx: &mut Tx<'_>, copied: Copied) -> Result<Progress, Error> {
        let (Some(md5), Some(sha512)) = (copied.md5, copied.sha512) else {
            return Ok(Progress::Failed(format!("host {} does not say what it copied", self.host)));
        };
        let Copied { size_bytes, virtual_size_bytes, .. } = copied;
        let stored = StoredImage { size_bytes, virtual_size_bytes, md5, sha512 };
        by_node::finish(tx, self.image_id, &self.token(), stored)?;
        Ok(Progress::Done)
    }

    /// There will be no such image. Done twice, or after the image was finished, it changes nothing.
    pub fn abandon(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        by_node::abandon(tx, self.image_id, &self.token())
    }

    /// Ends it; tells whether the host does nothing with it any more, so that what it reads may go.
    pub fn end(&self, tx: &mut Tx<'_>) -> Result<bool, Error> {
        let token = self.token();
        documents::remove(tx, &self.host, Kind::Copy, &token)?;
        if documents::seen::<CopySeen>(tx, &self.host, Kind::Copy, &token)?.is_some() {
            return Ok(false);
        }
        by_node::let_go(tx, self.image_id, &token)?;
        Ok(true)
    }
}
