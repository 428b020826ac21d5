-- What was done at a source about bookings that it had promised and Daybook has refused, where its target says that they are to be
-- called off there. The compensation itself is closed by the source's own event. No personal data.
CREATE TABLE compensation_cancel (
    target       text        NOT NULL,
    resource_id  text        NOT NULL,
    source_key   uuid        NOT NULL,
    opened_at    timestamptz NOT NULL,          -- of the compensation: refused again after it was settled, it is another
    attempts     integer     NOT NULL DEFAULT 0,
    in_doubt     boolean     NOT NULL DEFAULT false, -- a call was begun, and its end is not known
    next_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease        uuid,
    leased_until timestamptz,
    cancelled_at timestamptz,                   -- called off by us, or perhaps by us: what the hourly stop counts
    done_at      timestamptz,                   -- nothing more is to be done
    result       text,
    PRIMARY KEY (target, resource_id, source_key, opened_at)
);
CREATE INDEX compensation_cancel_due ON compensation_cancel (target, next_at) WHERE done_at IS NULL;
CREATE INDEX compensation_cancel_counted ON compensation_cancel (target, cancelled_at) WHERE cancelled_at IS NOT NULL;

-- When a target was stopped because too much was called off within an hour. What was called off before that is not counted again.
CREATE TABLE compensation_stop (
    target     text        PRIMARY KEY,
    stopped_at timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE, DELETE ON compensation_cancel TO daybook_propagator;
GRANT SELECT, INSERT, UPDATE ON compensation_stop TO daybook_propagator;
-- Only to stop: what is stopped is let go by a person.
GRANT INSERT ON brake TO daybook_propagator;
GRANT SELECT ON compensation_cancel, compensation_stop TO daybook_reader;
