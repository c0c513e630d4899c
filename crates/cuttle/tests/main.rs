//! The whole cloud as its users see it: the `cuttle` program as processes of its own, and the real `openstack` command
//! with the `clouds.yaml` that Cuttle wrote. And what the services promise the database together.

// Whoever sets a test up may give up; the lint knows only of the test functions themselves.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod ceph;
mod client;
mod cloud;
mod commands;
mod debian;
mod federation;
mod identity;
mod image;
mod manage;
mod moments;
mod moving;
mod policy;
mod real;
#[path = "../src/schema.rs"]
mod schema;
mod shared;
mod simulated;
mod store;
mod survive;
mod usage;
mod volume;
