-- Refusals of what a first listing has found: a person decides on them, and nothing is called off by itself.

ALTER TABLE compensation ADD COLUMN imported boolean NOT NULL DEFAULT false;
