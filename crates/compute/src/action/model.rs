//! What an action and an event are.

use serde::{Deserialize, Serialize};
use types::{HostId, ProjectId, ServerId, Timestamp, UserId};

/// Something that was asked of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// The row's own id.
    pub id: String,
    /// The server.
    pub server_id: ServerId,
    /// `create`, `stop`, `attach_volume`.
    pub action: String,
    /// The request that asked.
    pub request_id: String,
    /// Who asked.
    pub user_id: UserId,
    /// For which project.
    pub project_id: ProjectId,
    /// When.
    pub started_at: Timestamp,
    /// When something about it was noted last.
    pub updated_at: Timestamp,
    /// `Error` if it failed.
    pub message: Option<String>,
    /// What was done for it, oldest first.
    pub events: Vec<Event>,
}

/// Something that was done for an action, or that followed from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// `compute__do_build_and_run_instance`, `guest_dhcp_lease`.
    pub event: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Whether it worked, once it ended.
    pub success: Option<bool>,
    /// The host it happened on.
    pub host: Option<HostId>,
    /// More about it.
    pub details: Option<String>,
}

impl Event {
    /// Something that has no length.
    pub fn moment(event: &str, at: Timestamp, host: Option<HostId>, details: Option<String>) -> Event {
        Event {
            event: event.to_owned(),
            started_at: at,
            finished_at: Some(at),
            success: Some(true),
            host,
            details,
        }
    }
}
