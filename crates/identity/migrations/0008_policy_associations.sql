CREATE TABLE identity_policy_associations (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    policy_id VARCHAR(64) NOT NULL,
    endpoint_id VARCHAR(64),
    service_id VARCHAR(64),
    region_id VARCHAR(128)
);
CREATE INDEX identity_policy_associations_policy ON identity_policy_associations (policy_id);
