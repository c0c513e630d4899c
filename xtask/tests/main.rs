//! The set-up script on machines that are made up, and the guest image on a real QEMU.

// Whoever sets a test up may give up; the lint knows only of the test functions themselves.
#![allow(clippy::unwrap_used)]

mod demo;
mod guest;
mod setup;
