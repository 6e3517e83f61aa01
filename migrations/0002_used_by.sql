-- Which DevPocket served this database last, and when: so that a version which meets a schema that
-- is not its own can say whose it is.
CREATE TABLE used_by (
    id      smallint    PRIMARY KEY CHECK (id = 1),
    version text        NOT NULL,
    at      timestamptz NOT NULL
);
