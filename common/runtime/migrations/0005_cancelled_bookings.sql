-- Lists of bookings, gone ones included: by resource and time, as the two indexes of what is live. It costs something when
-- a booking is cancelled, and nothing else.
CREATE INDEX booking_cancelled ON booking USING gist (booking_box(resource_no, unit, start_time, end_time))
    WHERE status = 'cancelled' AND start_time IS NOT NULL;
