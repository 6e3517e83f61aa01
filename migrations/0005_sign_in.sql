-- What proves that somebody signed in. None of these tables holds anything that could be presented:
-- only digests, or a salt that is worth nothing without SECRET_KEY.

-- A sign-in, and the family of refresh tokens it leads to (`accounts::refresh_token`).
CREATE TABLE sessions (
    id         uuid        PRIMARY KEY,
    account    uuid        NOT NULL,
    -- Part of what its refresh tokens are made from.
    salt       bytea       NOT NULL,
    -- Number of the refresh token that counts, and of the last one that was used or whose access
    -- token was: until then the one before is still good, since the reply may have got lost.
    generation bigint      NOT NULL DEFAULT 1,
    confirmed  bigint      NOT NULL DEFAULT 0,
    -- `password`, `google`, `device`, `register`, `reset-password`.
    method     text        NOT NULL,
    -- User agent and address it began with, for people to recognise it by.
    client     text        NOT NULL,
    address    text,
    created_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz,
    -- `logout`, `ended`, `password`, `reuse`, `suspended`, `deleted`.
    end_reason text
);
CREATE INDEX sessions_account ON sessions (account, created_at) WHERE ended_at IS NULL;
CREATE INDEX sessions_expires ON sessions (expires_at);

-- `dpk_` tokens, for programs.
CREATE TABLE api_tokens (
    id           uuid        PRIMARY KEY,
    account      uuid        NOT NULL,
    name         text        NOT NULL,
    digest       bytea       NOT NULL,
    -- What it is for at most; empty does not narrow.
    verbs        text[]      NOT NULL,
    kinds        text[]      NOT NULL,
    namespace    text        COLLATE "C",
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    -- To the minute.
    last_used_at timestamptz,
    revoked_at   timestamptz
);
CREATE INDEX api_tokens_account ON api_tokens (account, created_at) WHERE revoked_at IS NULL;

-- Good once and for seconds: what a WebSocket is opened with, since its address gets logged.
CREATE TABLE ws_tickets (
    digest     bytea       PRIMARY KEY,
    -- One of the three: a session, an API token, or the name of a token of the configuration.
    session    uuid,
    api_token  uuid,
    configured text,
    expires_at timestamptz NOT NULL
);
CREATE INDEX ws_tickets_expires ON ws_tickets (expires_at);

-- Codes sent by mail or handed over by an admin. Good once.
CREATE TABLE one_time_codes (
    digest     bytea       PRIMARY KEY,
    account    uuid        NOT NULL,
    -- `verify-email` or `reset-password`.
    purpose    text        NOT NULL,
    -- The address it proves; void once the account has another.
    email_key  text        COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE INDEX one_time_codes_account ON one_time_codes (account, purpose, created_at);
CREATE INDEX one_time_codes_expires ON one_time_codes (expires_at);

-- Sign-ins that begin on a device without a keyboard and are answered on another (RFC 8628).
CREATE TABLE device_codes (
    digest      bytea       PRIMARY KEY,
    -- What the person types, without the hyphen.
    user_code   text        COLLATE "C" NOT NULL UNIQUE,
    client      text        NOT NULL,
    address     text,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    polled_at   timestamptz,
    account     uuid,
    answered_at timestamptz,
    allowed     boolean,
    used_at     timestamptz
);
CREATE INDEX device_codes_expires ON device_codes (expires_at);
