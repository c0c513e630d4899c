//! Agents: what does the network's work on each host. Neutron has several on a host; here it is one.

mod api;

pub(crate) use api::routes;
