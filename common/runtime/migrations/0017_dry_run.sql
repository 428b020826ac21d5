-- Readings and listings of everything, of which nothing is sent and nothing remembered: what somebody wants to know before.

CREATE TABLE dry_run (
    source   text        NOT NULL,
    kind     text        NOT NULL CHECK (kind IN ('calendar', 'job')),
    subject  text        NOT NULL,                  -- the calendar's alias, or the job
    asked_at timestamptz NOT NULL DEFAULT now(),
    done_at  timestamptz,
    setback  text,                                  -- why it came to nothing
    new      integer     NOT NULL DEFAULT 0,        -- what is there and not known here
    changed  integer     NOT NULL DEFAULT 0,
    gone     integer     NOT NULL DEFAULT 0,
    missing  integer     NOT NULL DEFAULT 0,        -- what would be held: too much is missing at once
    PRIMARY KEY (source, kind, subject)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON dry_run TO daybook_ingest;
GRANT SELECT ON dry_run TO daybook_reader;
