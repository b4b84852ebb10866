-- Notes that a model has looked at, at night: each is shown to it once.
CREATE TABLE IF NOT EXISTS proposed (
  note INTEGER PRIMARY KEY REFERENCES note (id) ON DELETE CASCADE,
  at REAL NOT NULL
) STRICT;
