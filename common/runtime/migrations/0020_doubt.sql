-- Since when nobody knows what became of what was written to a target last; none where everything is known. A target that cannot be
-- asked for one entry by a name of ours shows what was written after a while only, and until then nothing is written again.
ALTER TABLE delivery ADD COLUMN doubt_at timestamptz;
