//! The everyday verbs.

pub mod console;
pub mod doctor;
pub mod down;
pub mod exec;
pub mod identity;
pub mod launch;
pub mod policy;
pub mod ssh;
pub mod status;
pub mod storage;
