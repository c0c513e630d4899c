CREATE TABLE image_tasks (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL,
    image_id VARCHAR(64) NOT NULL,
    owner VARCHAR(64) NOT NULL,
    status VARCHAR(16) NOT NULL,
    kind VARCHAR(32) NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX image_tasks_image ON image_tasks (image_id);
CREATE INDEX image_tasks_created_at ON image_tasks (created_at, id);
