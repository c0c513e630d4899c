CREATE TABLE identity_domain_configs (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL
);
