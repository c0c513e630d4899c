CREATE TABLE placement_providers (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    name VARCHAR(128) NOT NULL
);
CREATE UNIQUE INDEX placement_providers_name ON placement_providers (name);
CREATE TABLE placement_inventories (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    provider_id VARCHAR(64) NOT NULL,
    class VARCHAR(64) NOT NULL
);
CREATE UNIQUE INDEX placement_inventories_class ON placement_inventories (provider_id, class);
CREATE TABLE placement_consumers (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    project_id VARCHAR(64) NOT NULL
);
CREATE INDEX placement_consumers_project ON placement_consumers (project_id);
CREATE TABLE placement_allocations (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    consumer_id VARCHAR(64) NOT NULL,
    provider_id VARCHAR(64) NOT NULL,
    class VARCHAR(64) NOT NULL,
    used BIGINT NOT NULL
);
CREATE UNIQUE INDEX placement_allocations_consumer ON placement_allocations (consumer_id, provider_id, class);
CREATE INDEX placement_allocations_provider ON placement_allocations (provider_id, class, used);
