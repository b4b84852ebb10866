-- Appointments (due) and their runs. An appointment's number is that of the effect that made it.

CREATE TABLE due (
  id INTEGER PRIMARY KEY REFERENCES effect (id),
  kind TEXT NOT NULL,                -- timer | reminder | once | routine
  name TEXT NOT NULL DEFAULT '',
  person TEXT NOT NULL,              -- on whose behalf
  lane TEXT NOT NULL,                -- where it is told
  at REAL NOT NULL,                  -- the instant of the next run
  every TEXT NOT NULL DEFAULT '',    -- RRULE in the wall time of the zone
  zone TEXT NOT NULL DEFAULT '',
  body TEXT NOT NULL,                -- JSON: the whole appointment as it was agreed to
  hash TEXT NOT NULL,                -- of its calls
  policy TEXT NOT NULL,              -- a missed run: skip | late | tell
  window REAL NOT NULL,              -- seconds in which a late run is still wanted
  "grant" INTEGER REFERENCES "grant" (id),
  state TEXT NOT NULL DEFAULT 'waiting', -- waiting | paused | ended
  left REAL NOT NULL DEFAULT 0,      -- seconds a paused timer had left
  made REAL NOT NULL
) STRICT;
CREATE INDEX due_next ON due (at) WHERE state = 'waiting';

CREATE TABLE run (
  due INTEGER NOT NULL REFERENCES due (id),
  instant REAL NOT NULL,             -- when it was due: a run's identity
  state TEXT NOT NULL,               -- begun → done | late | failed; missed | often
  late REAL NOT NULL DEFAULT 0,      -- seconds
  event INTEGER REFERENCES event (id),
  UNIQUE (due, instant)
) STRICT;
CREATE INDEX run_event ON run (event) WHERE event IS NOT NULL;

-- A run ends with its event, in the same commit.
CREATE TRIGGER run_ends AFTER UPDATE OF state ON event
WHEN NEW.kind = 'due' AND NEW.state IN ('done', 'refused', 'failed', 'parked')
BEGIN
  UPDATE run SET state = CASE
    WHEN NEW.state <> 'done' THEN 'failed'
    WHEN EXISTS (SELECT 1 FROM effect WHERE event = NEW.id AND effect.state IN ('failed', 'unknown')) THEN 'failed'
    WHEN late > 60 THEN 'late' ELSE 'done' END
  WHERE event = NEW.id AND state = 'begun';
END;
