CREATE TABLE work (
    kind VARCHAR(64) NOT NULL,
    id VARCHAR(128) NOT NULL,
    kicks BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    leased_until BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX work_due ON work (due_at);
