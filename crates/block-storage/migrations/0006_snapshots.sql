CREATE TABLE block_storage_snapshots (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    name VARCHAR(255) NOT NULL,
    description VARCHAR(255) NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    user_id VARCHAR(64) NOT NULL,
    volume_id VARCHAR(64) NOT NULL,
    volume_type_id VARCHAR(64) NOT NULL,
    group_snapshot_id VARCHAR(64),
    status VARCHAR(32) NOT NULL,
    size_gib BIGINT NOT NULL,
    kept BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX block_storage_snapshots_project ON block_storage_snapshots (project_id, created_at, id);
CREATE INDEX block_storage_snapshots_volume ON block_storage_snapshots (volume_id);
CREATE INDEX block_storage_snapshots_status ON block_storage_snapshots (status);
CREATE INDEX block_storage_snapshots_group ON block_storage_snapshots (group_snapshot_id);
ALTER TABLE block_storage_volumes ADD COLUMN from_snapshot_id VARCHAR(64);
ALTER TABLE block_storage_volumes ADD COLUMN group_id VARCHAR(64);
CREATE INDEX block_storage_volumes_from ON block_storage_volumes (from_snapshot_id);
CREATE INDEX block_storage_volumes_group ON block_storage_volumes (group_id);
