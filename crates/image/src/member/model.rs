//! What a member is.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use types::{ImageId, ProjectId, Timestamp};

/// A project that an image is shared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The row's id, which no client sees.
    pub id: String,
    /// The image.
    pub image_id: ImageId,
    /// The project.
    pub member: ProjectId,
    /// What the project thinks of it.
    pub status: MemberStatus,
    /// When it was shared.
    pub created_at: Timestamp,
    /// When the status last changed.
    pub updated_at: Timestamp,
}

/// What a project thinks of an image that was shared with it. It is in its lists only once accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberStatus {
    /// Nothing yet.
    Pending,
    /// It wants the image in its lists.
    Accepted,
    /// It does not want to see it.
    Rejected,
}

impl MemberStatus {
    /// As OpenStack spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            MemberStatus::Pending => "pending",
            MemberStatus::Accepted => "accepted",
            MemberStatus::Rejected => "rejected",
        }
    }
}

impl FromStr for MemberStatus {
    type Err = ();
    fn from_str(word: &str) -> Result<MemberStatus, ()> {
        let all = [MemberStatus::Pending, MemberStatus::Accepted, MemberStatus::Rejected];
        all.into_iter().find(|known| known.as_str() == word).ok_or(())
    }
}
