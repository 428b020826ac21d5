-- What somebody has stopped: what is told to one target, what one source's API is asked, or whatever is told to any target. Deciding
-- goes on, and what comes in is kept: what waits is made good when the brake is released.
CREATE TABLE brake (
    kind   text        NOT NULL CHECK (kind IN ('target', 'source', 'all')),
    name   text        NOT NULL,                        -- of the target, or the source; empty of all
    who    text        NOT NULL CHECK (who <> ''),
    reason text        NOT NULL CHECK (reason <> ''),
    since  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, name)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON brake TO daybook_ingest;
GRANT SELECT ON brake TO daybook_propagator, daybook_reader;
