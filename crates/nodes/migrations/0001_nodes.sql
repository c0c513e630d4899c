CREATE TABLE node_hosts (
    id VARCHAR(128) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    doc DOCUMENT NOT NULL
);
CREATE TABLE node_documents (
    host VARCHAR(128) NOT NULL,
    kind VARCHAR(32) NOT NULL,
    id VARCHAR(64) NOT NULL,
    revision BIGINT NOT NULL,
    body DOCUMENT,
    work_kind VARCHAR(64) NOT NULL,
    work_id VARCHAR(128) NOT NULL,
    seen_revision BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    seen DOCUMENT,
    error DOCUMENT,
    PRIMARY KEY (host, kind, id)
);
CREATE INDEX node_documents_revision ON node_documents (host, revision);
CREATE INDEX node_documents_id ON node_documents (kind, id);
