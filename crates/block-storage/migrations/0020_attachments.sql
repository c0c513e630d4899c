CREATE TABLE block_storage_attachments (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    volume_id VARCHAR(64) NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    server_id VARCHAR(64),
    attach_status VARCHAR(32) NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX block_storage_attachments_volume ON block_storage_attachments (volume_id);
CREATE INDEX block_storage_attachments_project ON block_storage_attachments (project_id, created_at, id);
CREATE INDEX block_storage_attachments_server ON block_storage_attachments (server_id);
-- What volumes had when each had one at most. The two columns are not read any more.
INSERT INTO block_storage_attachments
    (id, revision, doc, volume_id, project_id, server_id, attach_status, created_at, updated_at)
    SELECT attachment_id, 0,
        CONCAT('{"id":"', attachment_id, '","volume_id":"', id, '","project_id":"', project_id, '","server_id":',
            CASE WHEN server_id IS NULL THEN 'null' ELSE CONCAT('"', server_id, '"') END,
            ',"status":"', attach_status, '","created_at":', created_at, ',"updated_at":', updated_at, '}'),
        id, project_id, server_id, attach_status, created_at, updated_at
    FROM block_storage_volumes WHERE attachment_id IS NOT NULL;
UPDATE block_storage_volumes SET attachment_id = NULL, server_id = NULL WHERE attachment_id IS NOT NULL;
