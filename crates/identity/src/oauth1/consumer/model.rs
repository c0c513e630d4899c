//! A consumer's data.

use serde::{Deserialize, Serialize};

use crate::api::Extra;
use crate::ids::ConsumerId;

/// A consumer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consumer {
    /// Its id, which is its key in signed requests.
    pub id: ConsumerId,
    /// What it is.
    pub description: Option<String>,
    /// The secret, encrypted, for signatures are computed with it.
    pub sealed: String,
    /// Whatever else the client wanted remembered.
    pub extra: Extra,
}

/// What is to become different.
#[derive(Debug, Clone, Default)]
pub struct ConsumerChange {
    /// What it is.
    pub description: Option<Option<String>>,
    /// What else there was.
    pub extra: Extra,
}
