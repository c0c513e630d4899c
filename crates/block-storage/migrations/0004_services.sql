CREATE TABLE block_storage_services (
    id VARCHAR(255) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL
);
