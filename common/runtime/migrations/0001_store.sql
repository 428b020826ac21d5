-- The store. One writer of bookings: the arbiter, one epoch at a time. Run as the owner of the database.

CREATE EXTENSION IF NOT EXISTS btree_gist;

DO $$
DECLARE role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['daybook_arbiter', 'daybook_propagator', 'daybook_ingest', 'daybook_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE', role);
        END IF;
    END LOOP;
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END $$;
GRANT USAGE ON SCHEMA public TO daybook_arbiter, daybook_propagator, daybook_ingest, daybook_reader;

-- Where each partition of booking.requests stands. The first statement of every batch updates this row and compares
-- the epoch: a predecessor that was paused finds no row, and can commit nothing.
CREATE TABLE arbiter_partition (
    partition    integer     PRIMARY KEY,
    epoch        bigint      NOT NULL,              -- rises at every assignment
    next_offset  bigint      NOT NULL DEFAULT 0,    -- of the first request not decided
    next_seq     bigint      NOT NULL DEFAULT 1,    -- of the next decision
    now          timestamptz NOT NULL DEFAULT 'epoch', -- the log's time; never falls
    chain        bytea       NOT NULL DEFAULT decode(repeat('00', 32), 'hex'), -- SHA-256 of the last decision's bytes
    owner        text        NOT NULL DEFAULT '',
    acquired_at  timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);                           -- updated once a batch: room for it on its own page

CREATE TABLE resource (
    resource_id         text    PRIMARY KEY,
    resource_no         integer GENERATED ALWAYS AS IDENTITY UNIQUE, -- the constraint below costs half with an integer
    version             bigint  NOT NULL,           -- rises when the timeline or the rules change
    display_time_zone   text    NOT NULL,
    replacement_wait_ms bigint  NOT NULL,
    partition           integer NOT NULL,
    epoch               bigint  NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE resource_alias (
    source      text NOT NULL,
    alias       text NOT NULL,                      -- a calendar, user or owner id in that source
    resource_id text NOT NULL REFERENCES resource,
    PRIMARY KEY (source, alias)
);
CREATE INDEX resource_alias_resource ON resource_alias (resource_id);

CREATE TABLE resource_target (
    resource_id text   NOT NULL REFERENCES resource,
    target      text   NOT NULL,
    address     text   NOT NULL DEFAULT '',         -- where at the target: a calendar's path
    fields      text[] NOT NULL DEFAULT '{}',       -- what it may receive beyond busy time: title, attendees
    PRIMARY KEY (resource_id, target)
);

CREATE TABLE booking (
    booking_id        uuid        PRIMARY KEY,
    resource_no       integer     NOT NULL,
    unit              smallint    NOT NULL DEFAULT 0,
    resource_id       text        NOT NULL,
    status            text        NOT NULL CHECK (status IN ('confirmed', 'awaiting', 'cancelled')),
    start_time        timestamptz,
    end_time          timestamptz,
    awaiting_until    timestamptz,
    version           bigint      NOT NULL,
    source_system     text        NOT NULL,
    source_event_id   text        NOT NULL,         -- of the event that made this state
    source_keys       uuid[]      NOT NULL,         -- pseudonyms of source_ids, same order
    source_ids        text[]      NOT NULL,         -- what the source has called it, oldest first
    source_sequence   bigint      NOT NULL,
    source_updated_at timestamptz NOT NULL,
    title             text,
    attendee_details  jsonb       NOT NULL DEFAULT '[]', -- [{contact_id, name, email, phone}], absent or null where not known
    source_time_zone  text,
    content_digest    bytea,
    contact_ids       text[]      NOT NULL DEFAULT '{}',
    sourced_at        timestamptz,
    received_at       timestamptz NOT NULL,
    decided_at        timestamptz NOT NULL,
    partition         integer     NOT NULL,
    epoch             bigint      NOT NULL,
    seq               bigint      NOT NULL,         -- of the decision that made this state
    CHECK (start_time < end_time),
    CHECK ((start_time IS NULL) = (end_time IS NULL)),
    CHECK (status = 'cancelled' OR start_time IS NOT NULL),
    CHECK ((status = 'awaiting') = (awaiting_until IS NOT NULL)),
    -- The last line of defence, never the method.
    CONSTRAINT booking_no_overlap EXCLUDE USING gist (
        resource_no WITH =, unit WITH =, tstzrange(start_time, end_time) WITH &&
    ) WHERE (status IN ('confirmed', 'awaiting'))
);
CREATE INDEX booking_awaiting ON booking (partition, awaiting_until) WHERE status = 'awaiting';

-- What each source has ever called a booking, for events that name no resource and for the arbiter's own look-up.
CREATE TABLE booking_source (
    source_key        uuid   NOT NULL,
    resource_id       text   NOT NULL,
    booking_id        uuid   NOT NULL,
    source_booking_id text   NOT NULL,
    partition         integer NOT NULL,
    epoch             bigint NOT NULL,
    PRIMARY KEY (source_key, resource_id)           -- a meeting with two hosts is one identity on two resources
);
CREATE INDEX booking_source_booking ON booking_source (booking_id);

-- The audit trail and the outbox in one. By month, so that a year's end is a dropped partition.
CREATE TABLE decision (
    partition      integer     NOT NULL,
    seq            bigint      NOT NULL,
    decided_at     timestamptz NOT NULL,
    request_offset bigint      NOT NULL,
    request_id     uuid        NOT NULL,
    resource_id    text        NOT NULL,
    booking_id     uuid,
    operation      text        NOT NULL,
    outcome        text        NOT NULL,
    reason         text,
    source         text        NOT NULL,
    sourced_at     timestamptz,
    received_at    timestamptz NOT NULL,
    committed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    epoch          bigint      NOT NULL,
    record         bytea       NOT NULL,            -- the bytes that are published, and that the chain runs over
    PRIMARY KEY (partition, seq, decided_at)
) PARTITION BY RANGE (decided_at);
CREATE INDEX decision_request ON decision (request_id);
CREATE INDEX decision_booking ON decision (booking_id) WHERE booking_id IS NOT NULL;
CREATE INDEX decision_resource ON decision (resource_id, decided_at);
-- Catches what no month was made for, so that a decision is never refused for want of a partition.
CREATE TABLE decision_other PARTITION OF decision DEFAULT;

-- Makes the monthly partitions from `first` on. Called by the arbiter as it starts and once a day; the owner's rights,
-- because the arbiter has none to create tables.
CREATE FUNCTION make_decision_partitions(first date, months integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    begins date := date_trunc('month', first);
BEGIN
    FOR i IN 1..least(months, 24) LOOP
        IF to_regclass(format('decision_%s', to_char(begins, 'YYYY_MM'))) IS NULL
            AND NOT EXISTS (SELECT FROM decision_other
                            WHERE decided_at >= begins AND decided_at < begins + interval '1 month') THEN
            EXECUTE format('CREATE TABLE IF NOT EXISTS decision_%s PARTITION OF decision FOR VALUES FROM (%L) TO (%L)',
                           to_char(begins, 'YYYY_MM'), begins, (begins + interval '1 month')::date);
        END IF;
        begins := begins + interval '1 month';
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION make_decision_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_decision_partitions TO daybook_arbiter;

-- One booking's state on its way to one target: level, not edge.
CREATE TABLE delivery (
    booking_id        uuid        NOT NULL,
    target            text        NOT NULL,
    resource_id       text        NOT NULL,
    desired_version   bigint      NOT NULL,
    decided_at        timestamptz NOT NULL,         -- of the desired version
    decision_offset   bigint,                       -- of its record on booking.decisions; none if the sweep found it
    traceparent       text,                         -- of that record
    applied_version   bigint      NOT NULL DEFAULT 0,
    applied_at        timestamptz,
    outcome           text        CHECK (outcome IN ('applied', 'removed', 'nothing_to_show')), -- of the applied version
    shown             boolean     GENERATED ALWAYS AS (coalesce(outcome = 'applied', false)) STORED, -- whether the target holds an entry
    external_id       text,                         -- what the target calls the entry; none where it holds none
    etag              text,
    in_doubt          boolean     NOT NULL DEFAULT false, -- set with the lease, before any call: what the target holds is not known
    attempt           integer     NOT NULL DEFAULT 0, -- attempts made for the desired version
    next_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    leased_until      timestamptz,
    lease             uuid,
    parked_reason     text,                          -- given up; a newer version takes it on
    published_version bigint      NOT NULL DEFAULT 0, -- whose outcome is on propagation.outcomes
    publishing        uuid,                          -- who is publishing it
    publishing_until  timestamptz,
    PRIMARY KEY (booking_id, target)
) WITH (fillfactor = 70);
CREATE INDEX delivery_due ON delivery (target, next_at)
    WHERE applied_version < desired_version AND parked_reason IS NULL;
CREATE INDEX delivery_parked ON delivery (target, parked_reason) WHERE parked_reason IS NOT NULL;
CREATE INDEX delivery_unpublished ON delivery (target) WHERE published_version < applied_version
    OR (parked_reason IS NOT NULL AND published_version < desired_version);

-- One row an attempt. An attempt that did not count (the whole lane was told to wait) is overwritten by the next.
CREATE TABLE delivery_attempt (
    booking_id  uuid        NOT NULL,
    target      text        NOT NULL,
    version     bigint      NOT NULL,
    attempt     integer     NOT NULL,
    at          timestamptz NOT NULL,
    result      text        NOT NULL,
    http_status integer,
    duration_ms bigint      NOT NULL,
    PRIMARY KEY (booking_id, target, version, attempt)
);
CREATE INDEX delivery_attempt_at ON delivery_attempt USING brin (at);

-- Rows of an epoch that is no longer the partition's are refused, whoever sends them: the fence a second time, for the
-- day when somebody writes without the first statement.
CREATE FUNCTION refuse_stale_epoch() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM fresh LEFT JOIN arbiter_partition p USING (partition) WHERE fresh.epoch IS DISTINCT FROM p.epoch
    ) THEN
        RAISE EXCEPTION 'rows of a stale epoch: only the arbiter that owns the partition writes bookings'
            USING ERRCODE = '42501';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER booking_epoch_insert AFTER INSERT ON booking REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_stale_epoch();
CREATE TRIGGER booking_epoch_update AFTER UPDATE ON booking REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_stale_epoch();
CREATE TRIGGER booking_source_epoch_insert AFTER INSERT ON booking_source REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_stale_epoch();
CREATE TRIGGER booking_source_epoch_update AFTER UPDATE ON booking_source REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_stale_epoch();
CREATE TRIGGER resource_epoch_insert AFTER INSERT ON resource REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_stale_epoch();
CREATE TRIGGER resource_epoch_update AFTER UPDATE ON resource REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_stale_epoch();
CREATE TRIGGER decision_epoch_insert AFTER INSERT ON decision REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_stale_epoch();

-- The arbiter alone writes bookings, and never deletes.
GRANT SELECT, INSERT, UPDATE ON arbiter_partition, resource, booking, booking_source TO daybook_arbiter;
GRANT SELECT, INSERT ON decision TO daybook_arbiter;

GRANT SELECT ON booking, resource, resource_target TO daybook_propagator;
GRANT SELECT, INSERT, UPDATE ON delivery TO daybook_propagator;
GRANT SELECT, INSERT, UPDATE, DELETE ON delivery_attempt TO daybook_propagator;

GRANT SELECT ON resource, decision TO daybook_ingest;
GRANT SELECT, INSERT, UPDATE, DELETE ON resource_alias, resource_target TO daybook_ingest;

GRANT SELECT ON arbiter_partition, resource, resource_alias, resource_target, booking, booking_source, decision,
    delivery, delivery_attempt TO daybook_reader;
