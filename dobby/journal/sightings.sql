-- What the eyes saw, one row for each thing to know about a visit; and what people want to be told of it.

CREATE TABLE sighting (
  id TEXT PRIMARY KEY,               -- made by the eyes from visit and phase, never another
  visit TEXT NOT NULL,
  camera TEXT NOT NULL,
  kind TEXT NOT NULL,                -- person | vehicle | animal | parcel | motion
  phase TEXT NOT NULL,               -- arrived | dwell | left | returned | press
  at REAL NOT NULL,
  zone TEXT NOT NULL,
  count INTEGER NOT NULL,
  courier TEXT NOT NULL,
  lettering TEXT NOT NULL,           -- JSON: what strangers wrote on things
  score REAL NOT NULL,
  picture TEXT NOT NULL,             -- a path; "" once it is erased
  clip TEXT NOT NULL,
  candidate INTEGER NOT NULL,        -- below the threshold: kept for teaching, never told
  same_as TEXT NOT NULL,             -- a visit that another camera saw
  told TEXT NOT NULL DEFAULT '',     -- the key of the message it is in, the person aside
  label TEXT NOT NULL DEFAULT ''     -- what a person said of it: good | bad
) STRICT;
CREATE INDEX sighting_at ON sighting (at);
CREATE INDEX sighting_told ON sighting (told) WHERE told <> '';

CREATE TABLE interest (
  id INTEGER PRIMARY KEY,
  person TEXT NOT NULL,
  body TEXT NOT NULL,                -- JSON
  made REAL NOT NULL
) STRICT;
