-- Calls of the API. A secret that all processes of ingest share: by it they tell a repetition of a call from another one
-- under the same Idempotency-Key, and know the ids that they have given out. Drawn here, so that nobody has to keep it
-- anywhere else; with another one, what was asked before is remembered, and every repetition of it looks like another call.
CREATE TABLE api_secret (
    name   text  PRIMARY KEY,
    secret bytea NOT NULL CHECK (octet_length(secret) = 32)
);

-- gen_random_uuid has 122 random bits; two of them are hashed into one secret.
INSERT INTO api_secret (name, secret)
VALUES ('calls', sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));

GRANT SELECT ON api_secret TO daybook_ingest;
