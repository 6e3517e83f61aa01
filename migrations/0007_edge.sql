-- How often somebody asked in the window that runs. One row a subject; replicas lease parts of what
-- is left. Unlogged: after a crash everybody begins a new window, which is no loss, and no lease
-- waits for the disk.
CREATE UNLOGGED TABLE rate_limits (
    bucket  text    COLLATE "C" PRIMARY KEY,
    -- Milliseconds since 1970 on this database's clock.
    ends_at bigint  NOT NULL,
    taken   integer NOT NULL,
    -- By the lease before this one; what a statement answers.
    granted integer NOT NULL
) WITH (fillfactor = 50);

-- Letters to people. Posted in the transaction of what they tell about, sent afterwards.
CREATE TABLE outbox (
    id         uuid        PRIMARY KEY,
    recipient  text        NOT NULL,
    -- What kind of letter, for those who look.
    kind       text        NOT NULL,
    -- The letter, sealed: its link is a key. Empty once it is sent or dead.
    sealed     text        NOT NULL,
    posted_at  timestamptz NOT NULL,
    -- After that it would only confuse.
    expires_at timestamptz NOT NULL,
    -- Not tried before; while a process has it, when others may take it over.
    due_at     timestamptz NOT NULL,
    attempts   integer     NOT NULL DEFAULT 0,
    -- Who has it: an answer that comes after somebody else took over counts no more.
    claim      uuid,
    sent_at    timestamptz,
    -- Given up.
    dead_at    timestamptz,
    -- What the last attempt met.
    problem    text
);
CREATE INDEX outbox_due ON outbox (due_at) WHERE sent_at IS NULL AND dead_at IS NULL;
