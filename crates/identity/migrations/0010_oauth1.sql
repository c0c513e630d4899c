CREATE TABLE identity_consumers (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL
);
CREATE TABLE identity_request_tokens (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    consumer_id VARCHAR(64) NOT NULL,
    user_id VARCHAR(64) NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX identity_request_tokens_consumer ON identity_request_tokens (consumer_id);
CREATE INDEX identity_request_tokens_user ON identity_request_tokens (user_id);
CREATE INDEX identity_request_tokens_project ON identity_request_tokens (project_id);
CREATE INDEX identity_request_tokens_expiry ON identity_request_tokens (expires_at);
CREATE TABLE identity_access_tokens (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    consumer_id VARCHAR(64) NOT NULL,
    user_id VARCHAR(64) NOT NULL,
    project_id VARCHAR(64) NOT NULL
);
CREATE INDEX identity_access_tokens_consumer ON identity_access_tokens (consumer_id);
CREATE INDEX identity_access_tokens_user ON identity_access_tokens (user_id);
CREATE INDEX identity_access_tokens_project ON identity_access_tokens (project_id);
