//! The extensions. An alias stands here when what it promises works, and a test shows that.

/// An extension: its alias, its name, what it adds, and when upstream last changed it.
pub(super) struct Extension {
    pub(super) alias: &'static str,
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) updated: &'static str,
}

const fn extension(
    alias: &'static str,
    name: &'static str,
    description: &'static str,
    updated: &'static str,
) -> Extension {
    Extension { alias, name, description, updated }
}

/// All of them, by alias.
pub(super) const EXTENSIONS: &[Extension] = &[
    extension("agent", "agent", "What works on each host.", "2013-02-03T10:00:00-00:00"),
    extension(
        "allowed-address-pairs",
        "Allowed Address Pairs",
        "Further addresses that a port may send from.",
        "2013-07-23T10:00:00-00:00",
    ),
    extension(
        "auto-allocated-topology",
        "Auto Allocated Topology Services",
        "A network, subnets and a router for the asking.",
        "2016-01-01T00:00:00-00:00",
    ),
    extension("availability_zone", "Availability Zone", "Availability zones.", "2015-01-01T10:00:00-00:00"),
    extension("binding", "Port Binding", "Where a port is bound.", "2014-02-03T10:00:00-00:00"),
    extension(
        "default-subnetpools",
        "Default Subnetpools",
        "Subnets from the default pools.",
        "2016-02-18T18:00:00-00:00",
    ),
    extension(
        "ext-gw-mode",
        "Neutron L3 Configurable external gateway mode",
        "Routers with or without SNAT.",
        "2013-03-28T10:00:00-00:00",
    ),
    extension("external-net", "Neutron external network", "External networks.", "2013-01-14T10:00:00-00:00"),
    extension("extraroute", "Neutron Extra Route", "Extra routes on routers.", "2013-02-01T10:00:00-00:00"),
    extension(
        "extraroute-atomic",
        "Atomically add/remove extra routes",
        "Extra routes added and removed one by one.",
        "2019-07-10T00:00:00+00:00",
    ),
    extension(
        "fip-port-details",
        "Floating IP Port Details Extension",
        "Floating IPs show their ports.",
        "2018-04-09T10:00:00-00:00",
    ),
    extension("net-mtu", "Network MTU", "Networks show their MTU.", "2015-03-25T10:00:00-00:00"),
    extension(
        "net-mtu-writable",
        "Network MTU (writable)",
        "The MTU can be chosen.",
        "2017-07-12T00:00:00-00:00",
    ),
    extension("pagination", "Pagination support", "Lists in pages.", "2016-06-12T00:00:00-00:00"),
    extension("port-security", "Port Security", "Ports with or without guard.", "2012-07-23T10:00:00-00:00"),
    extension(
        "project-id",
        "project_id field enabled",
        "Owners are named project_id.",
        "2016-09-09T09:09:09-09:09",
    ),
    extension("provider", "Provider Network", "How networks are made.", "2012-09-07T10:00:00-00:00"),
    extension(
        "quota_details",
        "Quota details management support",
        "Quotas with what is used.",
        "2017-02-10T10:00:00-00:00",
    ),
    extension("quotas", "Quota management support", "Quotas of projects.", "2012-07-29T10:00:00-00:00"),
    extension(
        "revision-if-match",
        "If-Match constraints based on revision_number",
        "Changes meant for one revision.",
        "2016-12-11T00:00:00-00:00",
    ),
    extension("router", "Neutron L3 Router", "Routers and floating IPs.", "2012-07-20T10:00:00-00:00"),
    extension(
        "router_availability_zone",
        "Router Availability Zone",
        "Routers' availability zones.",
        "2015-01-01T10:00:00-00:00",
    ),
    extension("security-group", "security-group", "Security groups.", "2012-10-05T10:00:00-00:00"),
    extension(
        "security-groups-normalized-cidr",
        "Normalized CIDR field for security group rules",
        "Rules show their prefix without host bits.",
        "2020-04-12T00:00:00-00:00",
    ),
    extension("sorting", "Sorting support", "Sorted lists.", "2016-06-12T00:00:00-00:00"),
    extension(
        "standard-attr-description",
        "standard-attr-description",
        "Descriptions.",
        "2016-02-10T10:00:00-00:00",
    ),
    extension(
        "standard-attr-revisions",
        "Resource revision numbers",
        "Revision numbers.",
        "2016-04-11T10:00:00-00:00",
    ),
    extension(
        "standard-attr-tag",
        "Tag support for resources with standard attribute",
        "Tags.",
        "2017-01-01T00:00:00-00:00",
    ),
    extension(
        "standard-attr-timestamp",
        "Resource timestamps",
        "Times of creation and change.",
        "2016-09-12T10:00:00-00:00",
    ),
    extension("subnet_allocation", "Subnet Allocation", "Subnets from pools.", "2015-03-30T10:00:00-00:00"),
];
