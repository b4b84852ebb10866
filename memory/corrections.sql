-- What a note said before it was corrected.
CREATE TABLE IF NOT EXISTS wording (
  note INTEGER NOT NULL REFERENCES note (id) ON DELETE CASCADE,
  text TEXT NOT NULL,
  until REAL NOT NULL                  -- when it was corrected
) STRICT;
CREATE INDEX IF NOT EXISTS wording_note ON wording (note, until);

-- A standing wish that could be understood: what is not to be done (JSON: calls or a room to be quiet in; hours; nobody home).
CREATE TABLE IF NOT EXISTS wish (
  note INTEGER PRIMARY KEY REFERENCES note (id) ON DELETE CASCADE,
  body TEXT NOT NULL
) STRICT;
