-- What became of a source's event: where it lies in raw.<source>, and which of it are dead letters. Written by ingest in
-- batches as it reads the topics; everything in it can be read from Kafka again.

CREATE TABLE source_event (
    event_key   uuid        PRIMARY KEY,                -- pseudonym of source and ce_id: an id may be anything
    partition   integer     NOT NULL,                   -- in raw.<source>, where it was seen last
    raw_offset  bigint      NOT NULL,
    ce_source   text,                                   -- none for the webhooks of its source
    booking_key uuid,                                   -- pseudonym of the booking that it is keyed by
    received_at timestamptz NOT NULL,                   -- as its record says
    seen_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- Rows come in the order of time, and go in it.
CREATE INDEX source_event_seen ON source_event USING brin (seen_at) WITH (autosummarize = on);

CREATE TABLE event_dead_letter (
    partition     integer     NOT NULL,                 -- in dlq.normalizer
    letter_offset bigint      NOT NULL,
    event_key     uuid,                                 -- none for an event without an id
    source        text        NOT NULL,
    item          integer,                              -- none for the event as a whole
    reason        text        NOT NULL,
    message       text        NOT NULL,                 -- the field, what is wrong with it, and the fix; never the value
    attempts      integer     NOT NULL,
    raw_partition integer     NOT NULL,                 -- of the record that it came from
    raw_offset    bigint      NOT NULL,
    failed_at     timestamptz NOT NULL,
    replayed_at   timestamptz,                          -- by the API
    PRIMARY KEY (partition, letter_offset)
);
CREATE INDEX event_dead_letter_event ON event_dead_letter (event_key);
CREATE INDEX event_dead_letter_open ON event_dead_letter (source, failed_at) WHERE replayed_at IS NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON source_event, event_dead_letter TO daybook_ingest;
GRANT SELECT ON source_event, event_dead_letter TO daybook_reader;
