CREATE TABLE image_metadef_namespaces (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    name VARCHAR(255) NOT NULL,
    owner VARCHAR(255) NOT NULL,
    visibility VARCHAR(16) NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX image_metadef_namespaces_name ON image_metadef_namespaces (name);
CREATE INDEX image_metadef_namespaces_created_at ON image_metadef_namespaces (created_at, id);
CREATE TABLE image_metadef_objects (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    namespace_id VARCHAR(64) NOT NULL,
    name VARCHAR(255) NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX image_metadef_objects_name ON image_metadef_objects (namespace_id, name);
CREATE TABLE image_metadef_properties (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    namespace_id VARCHAR(64) NOT NULL,
    name VARCHAR(255) NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX image_metadef_properties_name ON image_metadef_properties (namespace_id, name);
CREATE TABLE image_metadef_tags (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    namespace_id VARCHAR(64) NOT NULL,
    name VARCHAR(255) NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX image_metadef_tags_name ON image_metadef_tags (namespace_id, name);
CREATE TABLE image_metadef_associations (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    namespace_id VARCHAR(64) NOT NULL,
    name VARCHAR(255) NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX image_metadef_associations_name ON image_metadef_associations (namespace_id, name);
CREATE INDEX image_metadef_associations_type ON image_metadef_associations (name);
CREATE TABLE image_metadef_resource_types (
    id VARCHAR(255) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL
);
