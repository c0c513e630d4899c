CREATE TABLE identity_application_credentials (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    user_id VARCHAR(64) NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    name_hash VARCHAR(64) NOT NULL
);
CREATE UNIQUE INDEX identity_application_credentials_name ON identity_application_credentials (user_id, name_hash);
CREATE INDEX identity_application_credentials_project ON identity_application_credentials (project_id);
CREATE TABLE identity_access_rules (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    user_id VARCHAR(64) NOT NULL,
    said VARCHAR(64) NOT NULL
);
CREATE UNIQUE INDEX identity_access_rules_said ON identity_access_rules (user_id, said);
