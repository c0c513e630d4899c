CREATE TABLE block_storage_transfers (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    name VARCHAR(255) NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    volume_id VARCHAR(64) NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX block_storage_transfers_volume ON block_storage_transfers (volume_id);
CREATE INDEX block_storage_transfers_project ON block_storage_transfers (project_id, created_at, id);
