CREATE TABLE identity_endpoint_groups (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    name VARCHAR(255) NOT NULL
);
CREATE TABLE identity_endpoint_choices (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    kind VARCHAR(8) NOT NULL,
    chosen_id VARCHAR(64) NOT NULL
);
CREATE INDEX identity_endpoint_choices_project ON identity_endpoint_choices (project_id);
CREATE INDEX identity_endpoint_choices_chosen ON identity_endpoint_choices (chosen_id);
