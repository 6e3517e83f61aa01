-- What installations print, line by line. Not objects: nobody declares them, and they come by the
-- thousand. One journal per environment says how far its logs were taken; it is changed only by
-- compare-and-swap on its version, in the statement that adds the lines.

CREATE TABLE install_journals (
    environment uuid PRIMARY KEY,
    version bigint NOT NULL,
    -- Number of the last line.
    last bigint NOT NULL,
    -- By source: which installation wrote it, and how far it was taken.
    logs text NOT NULL
);

CREATE TABLE install_lines (
    environment uuid NOT NULL,
    source text NOT NULL,
    -- Machine, and how often it was installed.
    installation text NOT NULL,
    -- Of the line's first byte, over all installations of the environment: it only grows.
    "offset" bigint NOT NULL,
    -- Order over all sources.
    number bigint NOT NULL,
    at timestamptz NOT NULL,
    step text NOT NULL,
    percent smallint NOT NULL,
    line text NOT NULL,
    PRIMARY KEY (environment, source, "offset")
);

CREATE UNIQUE INDEX install_lines_number ON install_lines (environment, number);
CREATE INDEX install_lines_at ON install_lines (at);
