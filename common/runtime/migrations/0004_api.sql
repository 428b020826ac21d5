-- The API: who may call it, and what ingest reads to answer.

-- Keys. Of the secret there is only the SHA-256. A key is never deleted: who had it, and until when, can be asked later.
CREATE TABLE api_key (
    key_id          text        PRIMARY KEY CHECK (key_id ~ '^[0-9a-f]{16}$'),
    caller          text        NOT NULL CHECK (caller ~ '^[a-z0-9][a-z0-9._-]{0,63}$'), -- several keys while one is changed
    secret_sha256   bytea       NOT NULL CHECK (octet_length(secret_sha256) = 32),
    scopes          text[]      NOT NULL,
    rate_per_second integer     CHECK (rate_per_second > 0), -- what ingest is configured with, where there is none
    rate_burst      integer     CHECK (rate_burst > 0),
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by      text        NOT NULL,
    expires_at      timestamptz,
    revoked_at      timestamptz,
    revoked_by      text,
    CHECK ((rate_per_second IS NULL) = (rate_burst IS NULL)),
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);

GRANT SELECT, INSERT ON api_key TO daybook_ingest;
GRANT UPDATE (revoked_at, revoked_by) ON api_key TO daybook_ingest;
GRANT SELECT (key_id, caller, scopes, rate_per_second, rate_burst, created_at, created_by, expires_at, revoked_at,
    revoked_by) ON api_key TO daybook_reader;

-- What the API answers from. It decides nothing and writes no booking.
GRANT SELECT ON arbiter_partition, booking, booking_source, booking_tag, delivery TO daybook_ingest;
