-- What a source's account is asked, all processes and all who ask together: its turns, and how many there were.

ALTER TABLE polled_account
    ADD COLUMN pace         interval,                              -- between two turns
    ADD COLUMN minute       timestamptz NOT NULL DEFAULT 'epoch',  -- of the last turn
    ADD COLUMN minute_turns integer     NOT NULL DEFAULT 0,        -- in that minute
    ADD COLUMN before_turns integer     NOT NULL DEFAULT 0;        -- in the one before it

-- A turn of the account's: how many seconds it is off, and none, not taken, if that is more than `most`.
CREATE FUNCTION take_turn(account text, pace interval, most interval) RETURNS double precision LANGUAGE sql AS $$
    INSERT INTO polled_account AS a (source, free_at, pace, minute, minute_turns)
    VALUES (account, now() + take_turn.pace, take_turn.pace, date_trunc('minute', now()), 1)
    ON CONFLICT (source) DO UPDATE SET
        free_at = greatest(a.free_at, now()) + take_turn.pace,
        pace = take_turn.pace,
        before_turns = CASE excluded.minute - a.minute
            WHEN interval '0' THEN a.before_turns WHEN interval '1 minute' THEN a.minute_turns ELSE 0 END,
        minute_turns = CASE WHEN excluded.minute = a.minute THEN a.minute_turns ELSE 0 END + 1,
        minute = excluded.minute
    WHERE a.free_at <= now() + most
    RETURNING extract(epoch FROM a.free_at - now() - take_turn.pace)::float8
$$;
