-- Resources that take no new bookings any more.
ALTER TABLE resource ADD COLUMN retired boolean NOT NULL DEFAULT false;
