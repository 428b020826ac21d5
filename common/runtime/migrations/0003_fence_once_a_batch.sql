-- A batch is of one partition: its rows are compared by partition and epoch, not one by one. And the plan is kept.
CREATE OR REPLACE FUNCTION refuse_stale_epoch() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT partition, epoch FROM fresh) AS fresh
            LEFT JOIN arbiter_partition p USING (partition)
        WHERE fresh.epoch IS DISTINCT FROM p.epoch
    ) THEN
        RAISE EXCEPTION 'rows of a stale epoch: only the arbiter that owns the partition writes bookings'
            USING ERRCODE = '42501';
    END IF;
    RETURN NULL;
END
$$;
