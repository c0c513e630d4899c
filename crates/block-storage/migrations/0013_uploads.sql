CREATE TABLE block_storage_uploads (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    volume_id VARCHAR(64) NOT NULL
);
CREATE INDEX block_storage_uploads_volume ON block_storage_uploads (volume_id);
