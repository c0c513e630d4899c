//! What the wired services promise together.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../src/schema.rs"]
mod schema;
mod store;
mod survive;
