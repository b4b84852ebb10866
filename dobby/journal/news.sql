-- What an owner is to hear once about the devices around: what is new, what needs a person, what cannot be had and why.

CREATE TABLE news (
  key TEXT PRIMARY KEY,
  kind TEXT NOT NULL,                -- new | press | code | refused
  family TEXT NOT NULL,
  words TEXT NOT NULL,               -- the device's id, where it is, or why not
  at REAL NOT NULL,
  told REAL
) STRICT;
