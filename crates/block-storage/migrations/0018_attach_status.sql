ALTER TABLE block_storage_volumes ADD COLUMN attach_status VARCHAR(32);
ALTER TABLE block_storage_volumes ADD COLUMN migration_status VARCHAR(64);
UPDATE block_storage_volumes SET attach_status = 'reserved' WHERE attachment_id IS NOT NULL;
UPDATE block_storage_volumes SET attach_status = 'attached' WHERE attachment_id IS NOT NULL AND status IN ('in-use', 'detaching');
