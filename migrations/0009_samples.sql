-- How machines were doing, packed by `specs::sample`. Not objects: nobody declares them. What is new
-- is appended to the hour it belongs to; a day that is over for long is thinned into one row.

CREATE TABLE sample_hours (
    environment uuid NOT NULL,
    -- When the hour begins, in seconds since 1970.
    begins bigint NOT NULL,
    packed bytea NOT NULL,
    PRIMARY KEY (environment, begins)
) WITH (fillfactor = 50);

CREATE TABLE sample_days (
    environment uuid NOT NULL,
    -- When the day begins, in UTC.
    begins bigint NOT NULL,
    packed bytea NOT NULL,
    PRIMARY KEY (environment, begins)
);

CREATE INDEX sample_hours_begins ON sample_hours (begins);
CREATE INDEX sample_days_begins ON sample_days (begins);
