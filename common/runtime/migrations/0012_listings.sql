-- Bookings that vendors list, for those that their deliveries have not told of. Written by ingest.

-- The jobs of a source, each with its own pace and its own failures. The budget of its account is polled_account's.
CREATE TABLE listing (
    source       text        NOT NULL,
    job          text        NOT NULL CHECK (job IN ('new_appointment', 'update', 'cancellation')),
    began_at     timestamptz NOT NULL DEFAULT 'epoch',  -- of the last walk that counts
    full_at      timestamptz NOT NULL DEFAULT 'epoch',  -- of the last that went through the whole window
    next_at      timestamptz NOT NULL DEFAULT now(),
    failures     integer     NOT NULL DEFAULT 0,        -- walks in a row that came to nothing
    setback      text,                                  -- why the last did: later, denied, refused, kafka, store
    owner        uuid,                                  -- the walk that is under way
    leased_until timestamptz NOT NULL DEFAULT 'epoch',
    added_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, job)
);

-- How a booking was listed last, once Kafka has word of it. Ids and fingerprints, nothing else.
CREATE TABLE listed_booking (
    source      text        NOT NULL,
    booking     text        NOT NULL,
    fingerprint bytea       NOT NULL,
    seen_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, booking)
);
CREATE INDEX listed_booking_seen ON listed_booking USING brin (seen_at) WITH (autosummarize = on);

-- States that were fetched because a booking was listed: was any of it news that a delivery should have brought?
CREATE TABLE listed_state (
    source      text        NOT NULL,
    event_id    text        NOT NULL,                   -- which we made
    booking_key uuid        NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, event_id)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON listing, listed_booking, listed_state TO daybook_ingest;
GRANT SELECT ON listing, listed_booking, listed_state TO daybook_reader;
