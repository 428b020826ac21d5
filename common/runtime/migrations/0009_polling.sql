-- Calendars that are read again and again. Written by ingest; which calendars there are, resource_alias says.

-- How a source's API may be asked: one budget for all processes of ingest.
CREATE TABLE polled_account (
    source   text        PRIMARY KEY,
    free_at  timestamptz NOT NULL DEFAULT now(),        -- not before then is it asked again
    failures integer     NOT NULL DEFAULT 0             -- rounds in a row, of all its calendars, that came to nothing
);

CREATE TABLE polled_calendar (
    source       text        NOT NULL,
    calendar     text        NOT NULL,                  -- the alias
    resource_id  text        NOT NULL,                  -- whose it was when it was read first
    cursor       text,                                  -- where the vendor's feed of changes was left
    added_at     timestamptz NOT NULL DEFAULT now(),
    began_at     timestamptz NOT NULL DEFAULT 'epoch',  -- of the last round that counts
    version_at   timestamptz NOT NULL DEFAULT 'epoch',  -- of the last round that was begun: what it says is as of then
    full_at      timestamptz NOT NULL DEFAULT 'epoch',  -- of the last in which everything was listed and nothing held
    next_at      timestamptz NOT NULL DEFAULT now(),
    failures     integer     NOT NULL DEFAULT 0,        -- rounds in a row that came to nothing
    setback      text,                                  -- why the last did: later, denied, refused, kafka, store
    owner        uuid,                                  -- the round that reads it
    leased_until timestamptz NOT NULL DEFAULT 'epoch',
    claimed_at   timestamptz NOT NULL DEFAULT 'epoch',  -- when that process took it
    prompted_at  timestamptz NOT NULL DEFAULT 'epoch',  -- when its vendor said last that something has changed
    -- The channel by which it says so; its id names the calendar by this pseudonym.
    calendar_key uuid        NOT NULL GENERATED ALWAYS AS (md5(source || '/' || calendar)::uuid) STORED,
    channel      text,                                  -- what the vendor calls it
    channel_resource text,                              -- what it wants to hear when it is closed
    channel_from timestamptz NOT NULL DEFAULT 'epoch',
    channel_until timestamptz NOT NULL DEFAULT 'epoch',
    channel_next_at timestamptz NOT NULL DEFAULT 'epoch', -- not before then is another one asked for
    PRIMARY KEY (source, calendar)
);
CREATE INDEX polled_calendar_next ON polled_calendar (source, next_at);
CREATE INDEX polled_calendar_key ON polled_calendar (calendar_key);

-- What of a calendar takes time, as it was sent on last. No titles, no people. Before anything is sent, its row is there with
-- a hash of zeros, which is nothing's: should the round end there, the next one says again what is true.
CREATE TABLE polled_event (
    source        text        NOT NULL,
    calendar      text        NOT NULL,
    event         text        NOT NULL,
    series        text,
    from_time     timestamptz NOT NULL,
    until_time    timestamptz NOT NULL,
    stamp         timestamptz,                          -- when the vendor said that it was changed
    hash          bytea       NOT NULL,
    missing_since timestamptz,                          -- held: not seen, and not believed gone
    PRIMARY KEY (source, calendar, event),
    FOREIGN KEY (source, calendar) REFERENCES polled_calendar ON DELETE CASCADE
);
CREATE INDEX polled_event_missing ON polled_event (source) WHERE missing_since IS NOT NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON polled_account, polled_calendar, polled_event TO daybook_ingest;
GRANT SELECT ON polled_account, polled_calendar, polled_event TO daybook_reader;
