CREATE TABLE block_storage_messages (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    resource_type VARCHAR(32) NOT NULL,
    resource_uuid VARCHAR(64) NOT NULL,
    event_id VARCHAR(64) NOT NULL,
    request_id VARCHAR(64) NOT NULL,
    message_level VARCHAR(16) NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX block_storage_messages_project ON block_storage_messages (project_id, created_at, id);
CREATE INDEX block_storage_messages_expiry ON block_storage_messages (expires_at);
