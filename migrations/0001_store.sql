-- Objects, their history, and who changed them. docs/architecture.md tells how a write and a watch
-- flow through these tables. Plain SQL only: no trigger, sequence or foreign key takes part in a
-- write, so that a transaction can be replayed as it is.

-- The one counter. Every writing transaction updates this row first and holds it to its commit:
-- when revision R can be seen, so can every revision below R.
CREATE TABLE store_revision (
    id        smallint PRIMARY KEY CHECK (id = 1),
    revision  bigint   NOT NULL,
    -- Changes up to here may be gone; published before they go.
    compacted bigint   NOT NULL
) WITH (fillfactor = 10);
INSERT INTO store_revision (id, revision, compacted) VALUES (1, 0, 0);

-- Current state. `body` is json, not jsonb: the document comes back byte for byte, also numbers
-- such as 1e16 that jsonb would rewrite.
CREATE TABLE objects (
    kind      smallint NOT NULL,
    namespace text     COLLATE "C" NOT NULL,
    name      text     COLLATE "C" NOT NULL,
    uid       uuid     NOT NULL UNIQUE,
    revision  bigint   NOT NULL,
    deleting  boolean  NOT NULL,
    labels    jsonb    NOT NULL,
    body      json     NOT NULL,
    PRIMARY KEY (kind, namespace, name)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

-- The log. Whole partitions are dropped by compaction; nothing is ever deleted from it.
CREATE TABLE changes (
    revision  bigint      NOT NULL,
    kind      smallint    NOT NULL,
    namespace text        COLLATE "C" NOT NULL,
    name      text        COLLATE "C" NOT NULL,
    uid       uuid        NOT NULL,
    -- 1 added, 2 modified, 3 deleted
    event     smallint    NOT NULL,
    -- The transaction that wrote it: a commit whose answer was lost is found by it.
    batch     uuid        NOT NULL,
    at        timestamptz NOT NULL,
    body      json        NOT NULL,
    -- The state before, so that an object which stops matching a selector can be reported gone.
    previous  json,
    PRIMARY KEY (revision)
) PARTITION BY RANGE (revision);

-- Which partitions `changes` has: revisions first <= r < after.
CREATE TABLE changes_partitions (
    name  text   PRIMARY KEY,
    first bigint NOT NULL UNIQUE,
    after bigint NOT NULL UNIQUE CHECK (after > first)
);

-- Who changed what. Written in the transaction of the change.
CREATE TABLE audit (
    revision   bigint      PRIMARY KEY,
    at         timestamptz NOT NULL,
    actor      text        NOT NULL,
    manager    text        NOT NULL,
    address    text,
    request_id text        NOT NULL,
    verb       text        NOT NULL,
    kind       smallint    NOT NULL,
    namespace  text        COLLATE "C" NOT NULL,
    name       text        COLLATE "C" NOT NULL,
    uid        uuid        NOT NULL,
    -- The fields that differ, as they were and as they are. Of a Secret's values only the names.
    before     json,
    after      json
);
CREATE INDEX audit_object ON audit (kind, namespace, name, revision);
-- Events and leases change all the time and are kept for a day only.
CREATE INDEX audit_brief ON audit (revision) WHERE kind IN (7, 9);

-- Secrets of the installation itself (CA keys, credentials), sealed before they get here.
CREATE TABLE system_secrets (
    name       text        PRIMARY KEY,
    sealed     text        NOT NULL,
    version    bigint      NOT NULL,
    updated_at timestamptz NOT NULL
);
