-- Teams: namespaces several people belong to (`members`). What a team may spend is the tier its
-- Namespace names; what it is called is for people and may change.
CREATE TABLE teams (
    namespace  text        COLLATE "C" PRIMARY KEY,
    name       text        NOT NULL,
    created_by text        NOT NULL,
    created_at timestamptz NOT NULL
);

-- Links by which somebody joins. Only digests of the codes are kept, so one that is sent again is
-- another one.
CREATE TABLE invitations (
    id          uuid        PRIMARY KEY,
    namespace   text        COLLATE "C" NOT NULL,
    digest      bytea       NOT NULL UNIQUE,
    -- Absent: whoever has the link.
    email       text,
    -- The link went to that address by mail and to nobody else: whoever has it reads that mail.
    mailed      boolean     NOT NULL,
    role        text        NOT NULL CHECK (role IN ('viewer', 'editor', 'owner')),
    -- Of the account it makes; set by admins only.
    tier        text,
    days        integer     NOT NULL,
    inviter     text        NOT NULL,
    created_at  timestamptz NOT NULL,
    sent_at     timestamptz NOT NULL,
    sent        integer     NOT NULL DEFAULT 1,
    expires_at  timestamptz NOT NULL,
    accepted_at timestamptz,
    accepted_by uuid,
    revoked_at  timestamptz
);
CREATE INDEX invitations_namespace ON invitations (namespace, created_at);

-- The audit is read by person and by namespace, newest first. What controllers write is most of it
-- and is not asked for like that, so their writes pay for no index.
CREATE INDEX access_audit_namespace ON access_audit (namespace, at);
CREATE INDEX audit_people_namespace ON audit (namespace, revision)
    WHERE actor NOT LIKE 'system:%';
CREATE INDEX audit_people_actor ON audit (actor, revision) WHERE actor NOT LIKE 'system:%';
