-- Refresh tokens that change each time that they are used, and the access tokens that came with them. Sealed with ingest's key: a
-- dump of this table opens nothing. Whoever asks for a new one holds the row, so one process does, and the others use what it got.
CREATE TABLE account_token (
    account      text        PRIMARY KEY,              -- the source
    first_digest bytea       NOT NULL DEFAULT '',      -- of the token in the settings that all this began with
    refresh      bytea,                                -- sealed
    access       bytea,                                -- sealed
    access_until timestamptz NOT NULL DEFAULT 'epoch',
    changed_at   timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT, INSERT, UPDATE ON account_token TO daybook_ingest;
