-- Messages whose words change in place, and what a person may: rooms, hours, an end.

ALTER TABLE outbox ADD COLUMN edits INTEGER NOT NULL DEFAULT 0;  -- how often its words have changed
ALTER TABLE outbox ADD COLUMN shown INTEGER NOT NULL DEFAULT 0;  -- which of those changes the person sees
CREATE INDEX outbox_edited ON outbox (id) WHERE edits > shown;
CREATE INDEX outbox_provider ON outbox (provider) WHERE provider <> '';
CREATE INDEX event_lane ON event (lane, received);

ALTER TABLE person ADD COLUMN limits TEXT NOT NULL DEFAULT '{}'; -- JSON: rooms, hours, until, volume, quiet
ALTER TABLE person ADD COLUMN prefers TEXT NOT NULL DEFAULT '';  -- the bridge that is tried first

-- Smoke, gas, water: told to every adult on every bridge, again and again, until somebody says that they know.
CREATE TABLE emergency (
  id INTEGER PRIMARY KEY,
  cause TEXT NOT NULL,               -- a device's id, `help`, or `test`
  words TEXT NOT NULL,
  began REAL NOT NULL,
  rounds INTEGER NOT NULL DEFAULT 0, -- how often everybody was told
  told REAL NOT NULL DEFAULT 0,      -- when, last
  known REAL,                        -- since when somebody has said so
  person TEXT NOT NULL DEFAULT ''    -- who
) STRICT;
CREATE UNIQUE INDEX emergency_open ON emergency (cause) WHERE known IS NULL;
