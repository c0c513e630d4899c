CREATE TABLE block_storage_backups (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    name VARCHAR(255) NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    volume_id VARCHAR(64) NOT NULL,
    snapshot_id VARCHAR(64),
    parent_id VARCHAR(64),
    held_id VARCHAR(64),
    status VARCHAR(32) NOT NULL,
    size_gib BIGINT NOT NULL,
    data_timestamp BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX block_storage_backups_project ON block_storage_backups (project_id, created_at, id);
CREATE INDEX block_storage_backups_volume ON block_storage_backups (volume_id);
CREATE INDEX block_storage_backups_parent ON block_storage_backups (parent_id);
CREATE INDEX block_storage_backups_held ON block_storage_backups (held_id);
CREATE INDEX block_storage_backups_status ON block_storage_backups (status);
