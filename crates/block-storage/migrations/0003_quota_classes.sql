CREATE TABLE block_storage_quota_classes (
    id VARCHAR(255) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL
);
