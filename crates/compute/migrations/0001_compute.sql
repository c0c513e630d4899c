CREATE TABLE compute_flavors (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    name_key VARCHAR(64) NOT NULL
);
CREATE UNIQUE INDEX compute_flavors_name ON compute_flavors (name_key);
CREATE TABLE compute_keypairs (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    user_id VARCHAR(64) NOT NULL
);
CREATE INDEX compute_keypairs_user ON compute_keypairs (user_id);
CREATE TABLE compute_quotas (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL
);
CREATE TABLE compute_servers (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    host VARCHAR(128),
    group_id VARCHAR(64),
    created_at BIGINT NOT NULL,
    vcpus BIGINT NOT NULL,
    ram_mib BIGINT NOT NULL,
    busy BIGINT NOT NULL
);
CREATE INDEX compute_servers_project ON compute_servers (project_id, created_at, id);
CREATE INDEX compute_servers_used ON compute_servers (project_id, vcpus, ram_mib);
CREATE INDEX compute_servers_created ON compute_servers (created_at, id);
CREATE INDEX compute_servers_host ON compute_servers (host);
CREATE INDEX compute_servers_group ON compute_servers (group_id);
CREATE INDEX compute_servers_busy ON compute_servers (busy);
CREATE TABLE compute_actions (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    server_id VARCHAR(64) NOT NULL,
    request_id VARCHAR(64) NOT NULL,
    started_at BIGINT NOT NULL
);
CREATE INDEX compute_actions_server ON compute_actions (server_id, started_at);
CREATE TABLE compute_server_groups (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    project_id VARCHAR(64) NOT NULL
);
CREATE INDEX compute_server_groups_project ON compute_server_groups (project_id);
