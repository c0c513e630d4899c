CREATE TABLE identity_generations (
    id BIGINT NOT NULL PRIMARY KEY,
    generation BIGINT NOT NULL
);
DELETE FROM identity_generations;
INSERT INTO identity_generations (id, generation) VALUES
    (0, 0),
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 0),
    (12, 0),
    (13, 0),
    (14, 0),
    (15, 0);
