-- Reading targets back: what their calendars show, against what they should. Written by the propagator.

-- A resource's calendar at a target.
CREATE TABLE reconciliation (
    target       text        NOT NULL,
    resource_id  text        NOT NULL,
    next_at      timestamptz NOT NULL DEFAULT now(),
    done_at      timestamptz,                       -- when it was last read to its end
    entries      integer     NOT NULL DEFAULT 0,    -- of ours, that were there then
    setback      text,                              -- why the last reading came to nothing: a verdict's word
    failures     integer     NOT NULL DEFAULT 0,    -- readings in a row that came to nothing
    owner        uuid,                              -- the reading that is under way
    leased_until timestamptz NOT NULL DEFAULT 'epoch',
    added_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (target, resource_id)
);

-- Entries that differ, until a later reading finds them well. No content: times, ids, and the names of fields.
CREATE TABLE drift (
    target      text        NOT NULL,
    booking_id  uuid        NOT NULL,
    entry       text        NOT NULL DEFAULT '',    -- of several, which; '' for the one that the booking should have
    resource_id text        NOT NULL,
    kind        text        NOT NULL CHECK (kind IN ('missing', 'extra', 'moved', 'edited', 'duplicate')),
    version     bigint      NOT NULL,               -- that the target should show; 0 of a booking that is not known here
    fields      text[]      NOT NULL DEFAULT '{}',
    shown_start timestamptz,
    shown_end   timestamptz,
    found_at    timestamptz NOT NULL DEFAULT now(),
    seen_at     timestamptz NOT NULL,               -- by the last reading that found it so
    repairs     integer     NOT NULL DEFAULT 0,     -- of this version, begun
    stopped_at  timestamptz,                        -- when it was left to a person
    PRIMARY KEY (target, booking_id, entry)
);
CREATE INDEX drift_resource ON drift (target, resource_id);

-- Since when a delivery puts something right that was shown before; none of one that shows a new version.
ALTER TABLE delivery ADD COLUMN repair_since timestamptz;
CREATE INDEX delivery_shown ON delivery (target, resource_id) WHERE shown;

GRANT SELECT, INSERT, UPDATE, DELETE ON reconciliation, drift TO daybook_propagator;
GRANT SELECT ON reconciliation, drift TO daybook_reader;
