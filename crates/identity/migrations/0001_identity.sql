CREATE TABLE identity_domains (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    name VARCHAR(64) NOT NULL,
    enabled BIGINT NOT NULL
);
CREATE UNIQUE INDEX identity_domains_name ON identity_domains (name);
CREATE TABLE identity_projects (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    domain_id VARCHAR(64) NOT NULL,
    parent_id VARCHAR(64),
    name VARCHAR(64) NOT NULL,
    enabled BIGINT NOT NULL
);
CREATE UNIQUE INDEX identity_projects_name ON identity_projects (domain_id, name);
CREATE INDEX identity_projects_parent ON identity_projects (parent_id);
CREATE TABLE identity_users (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    domain_id VARCHAR(64) NOT NULL,
    name_hash VARCHAR(64) NOT NULL,
    enabled BIGINT NOT NULL
);
CREATE UNIQUE INDEX identity_users_name ON identity_users (domain_id, name_hash);
CREATE INDEX identity_users_name_hash ON identity_users (name_hash);
CREATE TABLE identity_groups (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    domain_id VARCHAR(64) NOT NULL,
    name VARCHAR(64) NOT NULL
);
CREATE UNIQUE INDEX identity_groups_name ON identity_groups (domain_id, name);
CREATE TABLE identity_memberships (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    group_id VARCHAR(64) NOT NULL,
    user_id VARCHAR(64) NOT NULL
);
CREATE INDEX identity_memberships_group ON identity_memberships (group_id);
CREATE INDEX identity_memberships_user ON identity_memberships (user_id);
CREATE TABLE identity_roles (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    domain_id VARCHAR(64) NOT NULL,
    name_hash VARCHAR(64) NOT NULL
);
CREATE UNIQUE INDEX identity_roles_name ON identity_roles (domain_id, name_hash);
CREATE TABLE identity_implications (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    prior_role_id VARCHAR(64) NOT NULL,
    implied_role_id VARCHAR(64) NOT NULL
);
CREATE INDEX identity_implications_prior ON identity_implications (prior_role_id);
CREATE INDEX identity_implications_implied ON identity_implications (implied_role_id);
CREATE TABLE identity_assignments (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    actor_kind VARCHAR(8) NOT NULL,
    actor_id VARCHAR(64) NOT NULL,
    target_kind VARCHAR(8) NOT NULL,
    target_id VARCHAR(64) NOT NULL,
    role_id VARCHAR(64) NOT NULL
);
CREATE INDEX identity_assignments_actor ON identity_assignments (actor_id, target_id);
CREATE INDEX identity_assignments_target ON identity_assignments (target_id);
CREATE INDEX identity_assignments_role ON identity_assignments (role_id);
CREATE TABLE identity_regions (
    id VARCHAR(128) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    parent_id VARCHAR(128)
);
CREATE TABLE identity_services (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    type VARCHAR(255) NOT NULL,
    name VARCHAR(255) NOT NULL
);
CREATE TABLE identity_endpoints (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    service_id VARCHAR(64) NOT NULL,
    region_id VARCHAR(128),
    interface VARCHAR(8) NOT NULL
);
CREATE INDEX identity_endpoints_service ON identity_endpoints (service_id);
CREATE TABLE identity_credentials (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    user_id VARCHAR(64) NOT NULL,
    project_id VARCHAR(64),
    type VARCHAR(255) NOT NULL
);
CREATE INDEX identity_credentials_user ON identity_credentials (user_id);
CREATE TABLE identity_policies (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    type VARCHAR(255) NOT NULL
);
CREATE TABLE identity_trusts (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    trustor_id VARCHAR(64) NOT NULL,
    trustee_id VARCHAR(64) NOT NULL,
    project_id VARCHAR(64)
);
CREATE INDEX identity_trusts_trustor ON identity_trusts (trustor_id);
CREATE INDEX identity_trusts_trustee ON identity_trusts (trustee_id);
CREATE TABLE identity_fernet_keys (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    made_at BIGINT NOT NULL
);
CREATE TABLE identity_revocations (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    expires_at BIGINT NOT NULL
);
