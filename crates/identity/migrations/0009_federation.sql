CREATE TABLE identity_identity_providers (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    domain_id VARCHAR(64) NOT NULL,
    enabled BIGINT NOT NULL
);
CREATE INDEX identity_identity_providers_domain ON identity_identity_providers (domain_id);
CREATE TABLE identity_remote_ids (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    idp_id VARCHAR(64) NOT NULL
);
CREATE INDEX identity_remote_ids_idp ON identity_remote_ids (idp_id);
CREATE TABLE identity_protocols (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    idp_id VARCHAR(64) NOT NULL,
    protocol_id VARCHAR(64) NOT NULL
);
CREATE INDEX identity_protocols_idp ON identity_protocols (idp_id);
CREATE TABLE identity_mappings (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL
);
CREATE TABLE identity_service_providers (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    enabled BIGINT NOT NULL
);
CREATE TABLE identity_federated_users (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    user_id VARCHAR(64) NOT NULL,
    idp_id VARCHAR(64) NOT NULL,
    protocol_id VARCHAR(64) NOT NULL,
    unique_hash VARCHAR(64) NOT NULL,
    name_hash VARCHAR(64) NOT NULL
);
CREATE INDEX identity_federated_users_name ON identity_federated_users (name_hash);
CREATE INDEX identity_federated_users_user ON identity_federated_users (user_id);
CREATE INDEX identity_federated_users_idp ON identity_federated_users (idp_id, protocol_id);
CREATE INDEX identity_federated_users_unique ON identity_federated_users (unique_hash);
CREATE TABLE identity_expiring_memberships (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    user_id VARCHAR(64) NOT NULL,
    group_id VARCHAR(64) NOT NULL,
    idp_id VARCHAR(64) NOT NULL
);
CREATE INDEX identity_expiring_memberships_user ON identity_expiring_memberships (user_id);
CREATE INDEX identity_expiring_memberships_group ON identity_expiring_memberships (group_id);
CREATE INDEX identity_expiring_memberships_idp ON identity_expiring_memberships (idp_id);
