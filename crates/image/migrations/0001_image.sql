CREATE TABLE image_images (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    name VARCHAR(255) NOT NULL,
    owner VARCHAR(64) NOT NULL,
    status VARCHAR(16) NOT NULL,
    visibility VARCHAR(16) NOT NULL,
    hidden BIGINT NOT NULL,
    protected BIGINT NOT NULL,
    disk_format VARCHAR(16) NOT NULL,
    container_format VARCHAR(16) NOT NULL,
    size_bytes BIGINT NOT NULL,
    min_disk_gib BIGINT NOT NULL,
    min_ram_mib BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX image_images_owner ON image_images (owner);
CREATE INDEX image_images_visibility ON image_images (visibility);
CREATE INDEX image_images_created_at ON image_images (created_at, id);
CREATE TABLE image_members (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    image_id VARCHAR(64) NOT NULL,
    member VARCHAR(64) NOT NULL,
    status VARCHAR(16) NOT NULL
);
CREATE UNIQUE INDEX image_members_member ON image_members (member, image_id);
CREATE INDEX image_members_image ON image_members (image_id);
