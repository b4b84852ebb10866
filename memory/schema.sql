-- What Dobby remembers: notes (what was said and seen, as it was said) and facts (what follows from a note, and when it was so).
-- Read by dobby/memory. Times are seconds since 1970.

CREATE TABLE note (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at REAL NOT NULL,                    -- when it was said or seen
  person TEXT NOT NULL,                -- whose words; '' what Dobby saw himself
  name TEXT NOT NULL,                  -- what that person was called then, to be found by
  lane TEXT NOT NULL,                  -- the conversation
  kind TEXT NOT NULL,                  -- said | told (to be remembered) | seen | written (in the editor, or imported)
  text TEXT NOT NULL,                  -- word for word
  day TEXT NOT NULL,                   -- the day in words, to be found by
  place TEXT NOT NULL DEFAULT '',
  private INTEGER NOT NULL DEFAULT 0,  -- for nobody but that person
  talk INTEGER NOT NULL,               -- the note that began this stretch of conversation
  key TEXT UNIQUE                      -- what brought it (an event, a line of a file): the same again keeps nothing
) STRICT;
CREATE INDEX note_at ON note (at);
CREATE INDEX note_lane ON note (lane, id);
CREATE INDEX note_talk ON note (talk, id);

-- The index over it: only words, the text stays in its row (https://sqlite.org/fts5.html#external_content_tables).
CREATE VIRTUAL TABLE word USING fts5 (text, name, day, content='note', content_rowid='id', tokenize='porter unicode61 remove_diacritics 2');
CREATE TRIGGER note_kept AFTER INSERT ON note BEGIN
  INSERT INTO word (rowid, text, name, day) VALUES (NEW.id, NEW.text, NEW.name, NEW.day);
END;
CREATE TRIGGER note_gone AFTER DELETE ON note BEGIN
  INSERT INTO word (word, rowid, text, name, day) VALUES ('delete', OLD.id, OLD.text, OLD.name, OLD.day);
END;
CREATE TRIGGER note_changed AFTER UPDATE OF text, name, day ON note BEGIN
  INSERT INTO word (word, rowid, text, name, day) VALUES ('delete', OLD.id, OLD.text, OLD.name, OLD.day);
  INSERT INTO word (rowid, text, name, day) VALUES (NEW.id, NEW.text, NEW.name, NEW.day);
END;

-- Whom and what facts are about: people, places, things.
CREATE TABLE subject (
  key TEXT PRIMARY KEY,                -- folded, or a person's id
  kind TEXT NOT NULL,                  -- person | place | thing
  name TEXT NOT NULL                   -- as it was last called
) STRICT;

-- Bi-temporal: `since`/`until` say when it was so, `learnt`/`ended` when Dobby knew it so. A newer fact ends an older one, and no fact is overwritten.
CREATE TABLE fact (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  subject TEXT NOT NULL REFERENCES subject (key),
  what TEXT NOT NULL,                  -- a relation: prefers, birthday, is, came …
  value TEXT NOT NULL,
  since REAL NOT NULL,
  until REAL,                          -- NULL: still
  learnt REAL NOT NULL,
  ended REAL,                          -- NULL: nothing newer is known
  instead INTEGER REFERENCES fact (id) ON DELETE SET NULL, -- the fact that took its place
  sure REAL NOT NULL DEFAULT 1.0,      -- 0 to 1
  note INTEGER NOT NULL REFERENCES note (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX fact_subject ON fact (subject, what);
CREATE INDEX fact_note ON fact (note);

-- A forgetting that is under way: what else must go, kept until it has gone everywhere.
CREATE TABLE forgetting (
  id INTEGER PRIMARY KEY,
  events TEXT NOT NULL,                -- JSON: the texts that brought it
  needles TEXT NOT NULL,               -- JSON: the words
  since REAL NOT NULL                  -- when the oldest of it was said
) STRICT;
CREATE TABLE owed (what TEXT PRIMARY KEY) STRICT; -- a file (journal, memory) that has yet to be rewritten without what was erased
