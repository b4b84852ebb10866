-- What the house was taught in words, its own lists, and the texts that nobody understood.

CREATE TABLE entry (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  list TEXT NOT NULL,                -- the list's device
  item TEXT NOT NULL,
  at REAL NOT NULL
) STRICT;
CREATE INDEX entry_list ON entry (list, id);

-- A phrase that stands for other words; `person` is whose it is, '' for the whole household.
CREATE TABLE taught (
  phrase TEXT NOT NULL,
  person TEXT NOT NULL DEFAULT '',
  means TEXT NOT NULL,
  said TEXT NOT NULL,                -- the phrase as it was written
  at REAL NOT NULL,
  PRIMARY KEY (phrase, person)
) STRICT;

CREATE TABLE lost (
  text TEXT PRIMARY KEY,             -- folded, so that the same words are one row
  said TEXT NOT NULL,
  lane TEXT NOT NULL,
  person TEXT NOT NULL,
  count INTEGER NOT NULL DEFAULT 1,
  at REAL NOT NULL
) STRICT;
