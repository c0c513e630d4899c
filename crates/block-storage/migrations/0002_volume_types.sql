CREATE TABLE block_storage_qos_specs (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    name VARCHAR(255) NOT NULL,
    consumer VARCHAR(16) NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX block_storage_qos_specs_name ON block_storage_qos_specs (name);
CREATE TABLE block_storage_default_types (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    volume_type_id VARCHAR(64) NOT NULL
);
CREATE INDEX block_storage_default_types_type ON block_storage_default_types (volume_type_id);
