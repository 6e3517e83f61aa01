-- People. Not objects: nobody watches them, and no list of objects ever shows them.
CREATE TABLE accounts (
    id                uuid        PRIMARY KEY,
    username          text        NOT NULL,
    -- Folded, so that names that look alike are one.
    username_key      text        COLLATE "C" NOT NULL UNIQUE,
    email             text        NOT NULL,
    email_key         text        COLLATE "C" NOT NULL UNIQUE,
    full_name         text        NOT NULL DEFAULT '',
    avatar_url        text        NOT NULL DEFAULT '',
    -- Absent for those who sign in with Google only.
    password_hash     text,
    google_id         text        UNIQUE,
    -- May do everything in the installation.
    admin             boolean     NOT NULL DEFAULT false,
    -- Name of a Tier; absent: may spend nothing.
    tier              text,
    -- Their own namespace.
    namespace         text        COLLATE "C" NOT NULL UNIQUE,
    verified_at       timestamptz,
    suspended_at      timestamptz,
    deleted_at        timestamptz,
    -- Wrong passwords since the last right one, and when the last of them was.
    failed_logins     integer     NOT NULL DEFAULT 0,
    failed_at         timestamptz,
    locked_until      timestamptz,
    password_changed_at timestamptz,
    last_login_at     timestamptz,
    created_at        timestamptz NOT NULL
);

-- Who belongs to a namespace, as what.
CREATE TABLE members (
    namespace text        COLLATE "C" NOT NULL,
    account   uuid        NOT NULL,
    role      text        NOT NULL CHECK (role IN ('viewer', 'editor', 'owner')),
    added_by  text        NOT NULL,
    added_at  timestamptz NOT NULL,
    PRIMARY KEY (namespace, account)
);
CREATE INDEX members_account ON members (account);

-- What was done to accounts, tokens and teams. Changes of objects are in `audit`.
CREATE TABLE access_audit (
    id         uuid        PRIMARY KEY,
    at         timestamptz NOT NULL,
    actor      text        NOT NULL,
    account    uuid,
    address    text,
    request_id text        NOT NULL,
    verb       text        NOT NULL,
    subject    text        NOT NULL,
    name       text        NOT NULL,
    namespace  text        COLLATE "C" NOT NULL,
    before     jsonb,
    after      jsonb
);
CREATE INDEX access_audit_at ON access_audit (at);
