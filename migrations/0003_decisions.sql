-- What was decided about an environment, why, and on what. A row is written in the transaction of
-- the first write that carries the decision out, and outlives its environment. The latest few of
-- each uid are kept (DECISIONS_KEPT), none longer than DECISION_DAYS. Not an object: it is not
-- watched, so it takes no memory of any process.
CREATE TABLE decisions (
    -- Of the write that carried it.
    revision  bigint      PRIMARY KEY,
    at        timestamptz NOT NULL,
    namespace text        COLLATE "C" NOT NULL,
    name      text        COLLATE "C" NOT NULL,
    uid       uuid        NOT NULL,
    body      json        NOT NULL
);
CREATE INDEX decisions_environment ON decisions (namespace, name, uid, revision);
