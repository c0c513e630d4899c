//! What a task is.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use types::{ImageId, ProjectId, Timestamp, UserId};

use crate::image::UploadClaim;

/// How long an ended task is kept: Glance's `task_time_to_live`.
pub(crate) const KEPT: Duration = Duration::from_secs(48 * 3600);

/// A task's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct TaskId(pub(crate) String);

/// An import and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Task {
    /// Its id.
    pub(crate) id: TaskId,
    /// How it was asked for.
    pub(crate) kind: TaskKind,
    /// Where it is.
    pub(crate) status: TaskStatus,
    /// Why it failed.
    pub(crate) message: String,
    /// The image that is filled.
    pub(crate) image_id: ImageId,
    /// The project that asked.
    pub(crate) owner: ProjectId,
    /// The user who asked.
    pub(crate) user_id: UserId,
    /// The request by which it was asked for.
    pub(crate) request_id: String,
    /// What is to be done.
    pub(crate) import: Import,
    /// Whoever works on it.
    pub(crate) claim: Option<UploadClaim>,
    /// When it was asked for.
    pub(crate) created_at: Timestamp,
    /// When it last changed.
    pub(crate) updated_at: Timestamp,
    /// When it is forgotten, once it has ended.
    pub(crate) expires_at: Option<Timestamp>,
}

/// How an import was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TaskKind {
    /// By `POST images/{id}/import`.
    ApiImageImport,
    /// By `POST tasks`, which makes the image too; the format and the properties it was asked with.
    Import {
        /// `import_from_format`
        format: String,
        /// The image's own, as they were said.
        properties: Vec<(String, String)>,
    },
}

impl TaskKind {
    /// As OpenStack spells it.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            TaskKind::ApiImageImport => "api_image_import",
            TaskKind::Import { .. } => "import",
        }
    }
}

/// Where a task is.
///
/// ```text
/// Pending ──claimed──▶ Processing ──▶ Success, Failure ──KEPT──▶ no row
///              ▲────claim lost──┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TaskStatus {
    Pending,
    Processing,
    Success,
    Failure,
}

impl TaskStatus {
    /// As OpenStack spells it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            TaskStatus::Pending => "pending",
            TaskStatus::Processing => "processing",
            TaskStatus::Success => "success",
            TaskStatus::Failure => "failure",
        }
    }

    /// Whether nothing more will come.
    pub(crate) fn is_end(self) -> bool {
        matches!(self, TaskStatus::Success | TaskStatus::Failure)
    }
}

/// What an import is to do, and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Import {
    /// Where the bytes come from.
    pub(crate) method: Method,
    /// The stores that are to have them.
    pub(crate) stores: Vec<String>,
    /// Whether all of them must.
    pub(crate) all_must_succeed: bool,
    /// What the client said of stores, to show it again.
    pub(crate) asked: Asked,
    /// The stores that have them.
    pub(crate) done: Vec<String>,
    /// The stores that cannot have them, and why.
    pub(crate) failed: Vec<(String, String)>,
}

/// What the client said of stores.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) stores: Option<Vec<String>>,
    pub(crate) all_stores: Option<bool>,
    pub(crate) all_stores_must_succeed: Option<bool>,
}

/// Where the bytes of an import come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Method {
    /// They were staged.
    GlanceDirect,
    /// From this address.
    WebDownload {
        /// The address.
        uri: String,
    },
    /// From a store that has them.
    CopyImage,
}

impl Method {
    /// As OpenStack spells it.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Method::GlanceDirect => "glance-direct",
            Method::WebDownload { .. } => "web-download",
            Method::CopyImage => "copy-image",
        }
    }
}

impl Task {
    /// Whether nobody works on it, or nothing was heard of whoever did for too long.
    pub(crate) fn is_free(&self, now: Timestamp) -> bool {
        self.claim.as_ref().is_none_or(|claim| now.since(claim.heard_at) > crate::image::SILENCE_MAX)
    }

    /// Whether this one works on it.
    pub(crate) fn is_claimed_by(&self, token: &str) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.token == token)
    }

    /// The stores that neither have the bytes nor cannot have them.
    pub(crate) fn left(&self) -> Vec<String> {
        let import = &self.import;
        let ended = |id: &&String| import.done.contains(id) || import.failed.iter().any(|(f, _)| f == *id);
        import.stores.iter().filter(|id| !ended(id)).cloned().collect()
    }
}
