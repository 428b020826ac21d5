-- Entries at targets that a vendor has made for a booking by itself, and that are the booking's.

ALTER TABLE delivery ADD COLUMN adopted boolean NOT NULL DEFAULT false; -- of external_id
-- Several bookings may have one: people who meet at once.
CREATE INDEX delivery_adopted ON delivery (target, external_id) WHERE adopted;
