CREATE TABLE block_storage_group_types (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    name VARCHAR(255) NOT NULL,
    is_public BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX block_storage_group_types_name ON block_storage_group_types (name);
CREATE TABLE block_storage_groups (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    name VARCHAR(255) NOT NULL,
    description VARCHAR(255) NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    user_id VARCHAR(64) NOT NULL,
    group_type_id VARCHAR(64) NOT NULL,
    group_snapshot_id VARCHAR(64),
    source_group_id VARCHAR(64),
    status VARCHAR(32) NOT NULL,
    moving BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX block_storage_groups_project ON block_storage_groups (project_id, created_at, id);
CREATE INDEX block_storage_groups_type ON block_storage_groups (group_type_id);
CREATE INDEX block_storage_groups_moving ON block_storage_groups (moving);
CREATE TABLE block_storage_group_snapshots (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    name VARCHAR(255) NOT NULL,
    description VARCHAR(255) NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    user_id VARCHAR(64) NOT NULL,
    group_id VARCHAR(64) NOT NULL,
    group_type_id VARCHAR(64) NOT NULL,
    status VARCHAR(32) NOT NULL,
    moving BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX block_storage_group_snapshots_project ON block_storage_group_snapshots (project_id, created_at, id);
CREATE INDEX block_storage_group_snapshots_group ON block_storage_group_snapshots (group_id);
CREATE INDEX block_storage_group_snapshots_moving ON block_storage_group_snapshots (moving);
