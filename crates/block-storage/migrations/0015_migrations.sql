CREATE TABLE block_storage_migrations (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    volume_id VARCHAR(64) NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    host VARCHAR(128) NOT NULL
);
CREATE UNIQUE INDEX block_storage_migrations_volume ON block_storage_migrations (volume_id);
CREATE INDEX block_storage_migrations_project ON block_storage_migrations (project_id);
CREATE INDEX block_storage_migrations_host ON block_storage_migrations (host);
ALTER TABLE block_storage_volumes ADD COLUMN backend VARCHAR(64);
CREATE INDEX block_storage_volumes_host ON block_storage_volumes (host);
