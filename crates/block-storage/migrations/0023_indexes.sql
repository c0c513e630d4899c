-- Columns that nobody reads any more; what the promises of a host find as well; and what few volumes have.
DROP INDEX block_storage_volumes_server ON block_storage_volumes;
DROP INDEX block_storage_volumes_attachment ON block_storage_volumes;
DROP INDEX block_storage_volumes_host ON block_storage_volumes;
DROP INDEX block_storage_volumes_from ON block_storage_volumes;
DROP INDEX block_storage_volumes_group ON block_storage_volumes;
CREATE INDEX block_storage_volumes_from ON block_storage_volumes (from_snapshot_id) WHERE from_snapshot_id IS NOT NULL;
CREATE INDEX block_storage_volumes_group ON block_storage_volumes (group_id) WHERE group_id IS NOT NULL;
