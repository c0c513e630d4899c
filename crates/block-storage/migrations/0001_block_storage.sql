CREATE TABLE block_storage_volumes (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    name VARCHAR(255) NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    status VARCHAR(32) NOT NULL,
    size_gib BIGINT NOT NULL,
    bootable BIGINT NOT NULL,
    availability_zone VARCHAR(64) NOT NULL,
    volume_type_id VARCHAR(64) NOT NULL,
    host VARCHAR(128),
    attachment_id VARCHAR(64),
    server_id VARCHAR(64),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX block_storage_volumes_project ON block_storage_volumes (project_id, created_at, id);
CREATE INDEX block_storage_volumes_status ON block_storage_volumes (status);
CREATE INDEX block_storage_volumes_server ON block_storage_volumes (server_id);
CREATE INDEX block_storage_volumes_type ON block_storage_volumes (volume_type_id);
CREATE UNIQUE INDEX block_storage_volumes_attachment ON block_storage_volumes (attachment_id);
CREATE TABLE block_storage_volume_types (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    name VARCHAR(255) NOT NULL,
    is_public BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX block_storage_volume_types_name ON block_storage_volume_types (name);
CREATE TABLE block_storage_quotas (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL
);
