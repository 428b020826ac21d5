-- By which country's rules a phone number is read that says no country, where somebody has said so of a resource. Like an alias it
-- is looked up by the normalizer and is none of the arbiter's rules: no decision looks at it.
CREATE TABLE resource_region (
    resource_id text PRIMARY KEY REFERENCES resource,
    region      text NOT NULL CHECK (region ~ '^[A-Z]{2}$')     -- ISO 3166-1 alpha-2
);

GRANT SELECT, INSERT, UPDATE, DELETE ON resource_region TO daybook_ingest;
GRANT SELECT ON resource_region TO daybook_reader;
