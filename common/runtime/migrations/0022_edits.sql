-- What people have made of entries, as requests.

ALTER TABLE drift
    ADD COLUMN asked_request uuid,                  -- that asks for the booking to be where the entry is
    ADD COLUMN asked_at      timestamptz;

-- Whether a request was decided; nothing else of decisions is the propagator's to read.
GRANT SELECT (request_id) ON decision TO daybook_propagator;
