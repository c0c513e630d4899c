CREATE TABLE network_networks (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    name VARCHAR(255) NOT NULL,
    shared BIGINT NOT NULL,
    external BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    vni BIGINT
);
CREATE INDEX network_networks_project ON network_networks (project_id);
CREATE UNIQUE INDEX network_networks_vni ON network_networks (vni);

CREATE TABLE network_subnets (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    name VARCHAR(255) NOT NULL,
    network_id VARCHAR(64) NOT NULL,
    subnet_pool_id VARCHAR(64),
    cidr VARCHAR(64) NOT NULL
);
CREATE INDEX network_subnets_project ON network_subnets (project_id);
CREATE UNIQUE INDEX network_subnets_cidr ON network_subnets (network_id, cidr);
CREATE INDEX network_subnets_pool ON network_subnets (subnet_pool_id);

CREATE TABLE network_subnet_pools (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    name VARCHAR(255) NOT NULL,
    shared BIGINT NOT NULL,
    default_of BIGINT
);
CREATE INDEX network_subnet_pools_project ON network_subnet_pools (project_id);
CREATE UNIQUE INDEX network_subnet_pools_default ON network_subnet_pools (default_of);

CREATE TABLE network_ports (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    name VARCHAR(255) NOT NULL,
    network_id VARCHAR(64) NOT NULL,
    mac VARCHAR(17) NOT NULL,
    device_id VARCHAR(160) NOT NULL,
    device_owner VARCHAR(255) NOT NULL,
    host VARCHAR(128),
    deleted BIGINT NOT NULL
);
CREATE INDEX network_ports_project ON network_ports (project_id);
CREATE INDEX network_ports_device ON network_ports (device_id);
CREATE INDEX network_ports_host ON network_ports (network_id, host);
CREATE UNIQUE INDEX network_ports_mac ON network_ports (network_id, mac);

CREATE TABLE network_ip_allocations (
    subnet_id VARCHAR(64) NOT NULL,
    ip VARCHAR(45) NOT NULL,
    port_id VARCHAR(64) NOT NULL,
    PRIMARY KEY (subnet_id, ip)
);
CREATE INDEX network_ip_allocations_port ON network_ip_allocations (port_id);

CREATE TABLE network_security_groups (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    name VARCHAR(255) NOT NULL,
    default_of VARCHAR(64)
);
CREATE INDEX network_security_groups_project ON network_security_groups (project_id);
CREATE UNIQUE INDEX network_security_groups_default ON network_security_groups (default_of);

CREATE TABLE network_security_group_rules (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    group_id VARCHAR(64) NOT NULL,
    remote_group_id VARCHAR(64)
);
CREATE INDEX network_security_group_rules_project ON network_security_group_rules (project_id);
CREATE INDEX network_security_group_rules_group ON network_security_group_rules (group_id);
CREATE INDEX network_security_group_rules_remote ON network_security_group_rules (remote_group_id);

CREATE TABLE network_port_groups (
    port_id VARCHAR(64) NOT NULL,
    group_id VARCHAR(64) NOT NULL,
    PRIMARY KEY (port_id, group_id)
);
CREATE INDEX network_port_groups_group ON network_port_groups (group_id);

CREATE TABLE network_routers (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    name VARCHAR(255) NOT NULL,
    external_network_id VARCHAR(64),
    host VARCHAR(128),
    deleted BIGINT NOT NULL
);
CREATE INDEX network_routers_project ON network_routers (project_id);
CREATE INDEX network_routers_external ON network_routers (external_network_id);
CREATE INDEX network_routers_host ON network_routers (host);

CREATE TABLE network_floating_ips (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    network_id VARCHAR(64) NOT NULL,
    address VARCHAR(45) NOT NULL,
    port_id VARCHAR(64),
    fixed_ip VARCHAR(45),
    router_id VARCHAR(64)
);
CREATE INDEX network_floating_ips_project ON network_floating_ips (project_id);
CREATE UNIQUE INDEX network_floating_ips_address ON network_floating_ips (network_id, address);
CREATE UNIQUE INDEX network_floating_ips_fixed ON network_floating_ips (port_id, fixed_ip);
CREATE INDEX network_floating_ips_router ON network_floating_ips (router_id);

CREATE TABLE network_quotas (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL
);
