-- What few volumes have is indexed for those alone, and the promises of a host find its volumes.
DROP INDEX block_storage_volumes_host ON block_storage_volumes;
DROP INDEX block_storage_volumes_server ON block_storage_volumes;
DROP INDEX block_storage_volumes_attachment ON block_storage_volumes;
DROP INDEX block_storage_volumes_from ON block_storage_volumes;
DROP INDEX block_storage_volumes_group ON block_storage_volumes;
CREATE INDEX block_storage_volumes_server ON block_storage_volumes (server_id) WHERE server_id IS NOT NULL;
CREATE UNIQUE INDEX block_storage_volumes_attachment ON block_storage_volumes (attachment_id) WHERE attachment_id IS NOT NULL;
CREATE INDEX block_storage_volumes_from ON block_storage_volumes (from_snapshot_id) WHERE from_snapshot_id IS NOT NULL;
CREATE INDEX block_storage_volumes_group ON block_storage_volumes (group_id) WHERE group_id IS NOT NULL;
