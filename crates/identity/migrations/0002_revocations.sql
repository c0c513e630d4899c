ALTER TABLE identity_revocations ADD COLUMN subject_id VARCHAR(64) NOT NULL DEFAULT '';
UPDATE identity_revocations SET subject_id = id;
CREATE INDEX identity_revocations_subject ON identity_revocations (subject_id);
