-- What somebody has done about a dead letter: sent it through once more, or decided that nothing is to be done. The letter itself
-- stays on its topic until Kafka forgets it.
CREATE TABLE dead_letter_handled (
    queue         text        NOT NULL CHECK (queue IN ('normalizer', 'arbiter', 'propagator')),
    partition     integer     NOT NULL,
    letter_offset bigint      NOT NULL,
    verdict       text        NOT NULL CHECK (verdict IN ('replayed', 'discarded')),
    who           text        NOT NULL CHECK (who <> ''),
    reason        text        CHECK (reason <> ''),         -- of a discarded one
    at            timestamptz NOT NULL DEFAULT now(),       -- the last time
    PRIMARY KEY (queue, partition, letter_offset),
    CHECK ((verdict = 'discarded') = (reason IS NOT NULL))
);

GRANT SELECT, INSERT, UPDATE, DELETE ON dead_letter_handled TO daybook_ingest;
GRANT SELECT, INSERT, UPDATE ON dead_letter_handled TO daybook_propagator;
GRANT SELECT ON dead_letter_handled TO daybook_reader;
