CREATE TABLE identity_registered_limits (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    what VARCHAR(64) NOT NULL,
    service_id VARCHAR(64) NOT NULL,
    region_id VARCHAR(128),
    resource_name VARCHAR(255) NOT NULL
);
CREATE UNIQUE INDEX identity_registered_limits_what ON identity_registered_limits (what);
CREATE INDEX identity_registered_limits_service ON identity_registered_limits (service_id);
CREATE TABLE identity_limits (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    what VARCHAR(64) NOT NULL,
    service_id VARCHAR(64) NOT NULL,
    region_id VARCHAR(128),
    resource_name VARCHAR(255) NOT NULL,
    owner_kind VARCHAR(8) NOT NULL,
    owner_id VARCHAR(64) NOT NULL
);
CREATE UNIQUE INDEX identity_limits_owner ON identity_limits (owner_id, owner_kind, what);
CREATE INDEX identity_limits_what ON identity_limits (what);
