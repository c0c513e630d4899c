CREATE INDEX block_storage_volumes_usage ON block_storage_volumes (project_id, volume_type_id, size_gib);
CREATE INDEX block_storage_volumes_promised ON block_storage_volumes (host, backend, size_gib);
