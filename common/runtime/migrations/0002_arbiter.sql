-- Holds, observed time, shadows, moves, the whole of a resource's rules, and compensations.

-- A resource's rules, as `define` has set them last.
ALTER TABLE resource
    ADD COLUMN capacity         integer NOT NULL DEFAULT 1 CHECK (capacity > 0),
    ADD COLUMN buffer_before_ms bigint  NOT NULL DEFAULT 0,
    ADD COLUMN buffer_after_ms  bigint  NOT NULL DEFAULT 0,
    ADD COLUMN notice_ms        bigint  NOT NULL DEFAULT 0,
    ADD COLUMN window_ms        bigint,                -- none for no limit
    ADD COLUMN hours            jsonb   NOT NULL DEFAULT '[]'; -- [{day: 'MONDAY', from_minute, to_minute}], empty for always

-- First, because the new columns rewrite the table, and with it every index that it still has.
ALTER TABLE booking DROP CONSTRAINT booking_no_overlap;
ALTER TABLE booking
    ADD COLUMN kind                text        NOT NULL DEFAULT 'booking' CHECK (kind IN ('booking', 'busy')),
    ADD COLUMN held_until          timestamptz,
    ADD COLUMN tags                uuid[]      NOT NULL DEFAULT '{}', -- what it is called across systems, by pseudonym
    -- The same appointment as other sources show it: [{source, key, id, sequence, updated_at, sight, away_start, away_end}].
    -- `key` is the pseudonym of `id`, which is what that source calls it; `sight` is along, away or gone.
    ADD COLUMN shadows             jsonb       NOT NULL DEFAULT '[]',
    ADD COLUMN away_until          timestamptz,       -- while it is live: the last end of a shadow that is away
    ADD COLUMN moved_from_resource text,              -- the booking elsewhere that it replaced
    ADD COLUMN moved_from_booking  uuid,
    ADD COLUMN moved_to_resource   text,              -- the booking elsewhere that replaced it
    ADD COLUMN moved_to_booking    uuid,
    -- The first name that its source had for it. Null for busy time that a booking has taken in, with its names.
    ADD COLUMN source_key          uuid        GENERATED ALWAYS AS (source_keys[1]) STORED;

-- A booking's time as a rectangle: microseconds one way, the unit's number the other. Boxes cost less than ranges and
-- two more columns do (measured: 1.2 times the decisions a second). Ends are exclusive, so a rectangle ends before
-- its end: by the microsecond that a double still tells apart up to the year 2255; after it by 64, more than its rounding,
-- so that back to back is no conflict in any year.
CREATE FUNCTION booking_box(resource_no integer, unit smallint, start_time timestamptz, end_time timestamptz) RETURNS box
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT box(
        point((extract(epoch FROM start_time AT TIME ZONE 'UTC') * 1000000)::int8::float8,
              (resource_no::int8 * 1024 + unit)::float8),
        point(((extract(epoch FROM end_time AT TIME ZONE 'UTC') * 1000000)::int8
               - CASE WHEN end_time < timestamptz '2255-06-05 00:00+00' THEN 1 ELSE 64 END)::float8,
              (resource_no::int8 * 1024 + unit)::float8))
$$;
-- All units of a resource, from one instant to another or, without one, to the end of time: what overlaps it, as far as
-- the constraint's index knows.
CREATE FUNCTION resource_box(resource_no integer, from_time timestamptz, until timestamptz) RETURNS box
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT box(
        point((extract(epoch FROM from_time AT TIME ZONE 'UTC') * 1000000)::int8::float8, (resource_no::int8 * 1024)::float8),
        point(coalesce((extract(epoch FROM until AT TIME ZONE 'UTC') * 1000000)::int8::float8, 1e18),
              (resource_no::int8 * 1024 + 1023)::float8))
$$;

ALTER TABLE booking
    DROP CONSTRAINT booking_status_check,
    ADD CONSTRAINT booking_status_check CHECK (status IN ('held', 'confirmed', 'awaiting', 'cancelled')),
    ADD CONSTRAINT booking_held_check CHECK ((status = 'held') = (held_until IS NOT NULL)),
    ADD CONSTRAINT booking_moved_from_check CHECK ((moved_from_resource IS NULL) = (moved_from_booking IS NULL)),
    ADD CONSTRAINT booking_moved_to_check CHECK ((moved_to_resource IS NULL) = (moved_to_booking IS NULL)),
    -- The last line of defence, never the method. Busy time is outside: it has happened, whatever lies there.
    ADD CONSTRAINT booking_no_overlap EXCLUDE USING gist (
        booking_box(resource_no, unit, start_time, end_time) WITH &&
    ) WHERE (kind = 'booking' AND status IN ('held', 'confirmed', 'awaiting'));

CREATE INDEX booking_source_key ON booking (source_key);
CREATE INDEX booking_held ON booking (partition, held_until) WHERE status = 'held';
-- What the constraint's index leaves out and still blocks others: live busy time, and shadows that have strayed.
CREATE INDEX booking_busy ON booking USING gist (booking_box(resource_no, unit, start_time, end_time))
    WHERE kind = 'busy' AND status IN ('held', 'confirmed', 'awaiting');
CREATE INDEX booking_away ON booking (resource_no, away_until) WHERE away_until IS NOT NULL;

-- Only FURTHER names from now on: the first is in `booking` itself, which spares most bookings a row here. Names of a
-- reschedule, of shadows, and of busy time that was taken in. What an older version wrote may hold first names too.
DROP INDEX booking_source_booking;

-- What bookings are called across systems. Several bookings may have one tag.
CREATE TABLE booking_tag (
    tag         uuid    NOT NULL,
    resource_id text    NOT NULL,
    booking_id  uuid    NOT NULL,
    partition   integer NOT NULL,
    epoch       bigint  NOT NULL,
    PRIMARY KEY (tag, resource_id, booking_id)
);

-- Refused bookings that are live at their source: somebody has been promised time that they do not have. Open until the
-- source shows it gone or granted, or a person says why it is settled. Refused again, it is the same one.
CREATE TABLE compensation (
    resource_id       text        NOT NULL,
    source_key        uuid        NOT NULL,
    booking_id        uuid        NOT NULL,         -- that it would have been, or that stands in its old place
    source_system     text        NOT NULL,
    source_booking_id text        NOT NULL,         -- what the source calls it: what has to be cancelled there
    reason            text        NOT NULL,
    rule              text,                         -- where the reason is policy
    start_time        timestamptz NOT NULL,         -- that was wanted
    end_time          timestamptz NOT NULL,
    winner_booking_id uuid,
    winner_source     text,
    opened_at         timestamptz NOT NULL,         -- by the log's time
    request_id        uuid        NOT NULL,         -- of the newest refusal
    refusals          bigint      NOT NULL DEFAULT 1, -- since it was opened
    partition         integer     NOT NULL,
    epoch             bigint      NOT NULL,
    closed_at         timestamptz,
    closed_by         text,                         -- source, or who
    close_reason      text,
    PRIMARY KEY (resource_id, source_key),
    CHECK ((closed_at IS NULL) = (closed_by IS NULL))
);
CREATE INDEX compensation_open ON compensation (source_system, opened_at) WHERE closed_at IS NULL;
-- For the source that takes back what was refused, and names no resource.
CREATE INDEX compensation_name ON compensation (source_key) WHERE closed_at IS NULL;
CREATE INDEX compensation_booking ON compensation (booking_id);

CREATE TRIGGER booking_tag_epoch_insert AFTER INSERT ON booking_tag REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_stale_epoch();
CREATE TRIGGER booking_tag_epoch_update AFTER UPDATE ON booking_tag REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_stale_epoch();
CREATE TRIGGER compensation_epoch_insert AFTER INSERT ON compensation REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_stale_epoch();
-- A person closes one at any time, through ingest's role, whose rights end at the three columns of the close.
CREATE TRIGGER compensation_epoch_update AFTER UPDATE ON compensation REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT WHEN (current_user <> 'daybook_ingest') EXECUTE FUNCTION refuse_stale_epoch();

GRANT SELECT, INSERT ON booking_tag TO daybook_arbiter;
GRANT SELECT, INSERT, UPDATE ON compensation TO daybook_arbiter;
GRANT SELECT ON compensation TO daybook_propagator, daybook_ingest;
GRANT UPDATE (closed_at, closed_by, close_reason) ON compensation TO daybook_ingest;
GRANT SELECT ON booking_tag, compensation TO daybook_reader;
