-- What an errand of the model's came to, step by step, and what anything costs.

CREATE TABLE step (
  id INTEGER PRIMARY KEY,
  event INTEGER NOT NULL REFERENCES event (id),
  role TEXT NOT NULL,                -- user | assistant: a message as the model is shown it
  content TEXT NOT NULL,             -- JSON: its blocks; a reply is kept before it is acted on
  effects TEXT NOT NULL DEFAULT '{}',-- JSON: for each use of a tool in a reply the effects it came to
  outside TEXT NOT NULL DEFAULT '[]',-- JSON: what words from outside it brought
  at REAL NOT NULL
) STRICT;
CREATE INDEX step_event ON step (event, id);

CREATE TABLE cost (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,                -- model | message | …
  provider TEXT NOT NULL,            -- who is paid: a model, a bridge
  what TEXT NOT NULL DEFAULT '',     -- the model's role, the skill, the kind of message
  person TEXT NOT NULL DEFAULT '',   -- on whose behalf
  event INTEGER,
  amount REAL NOT NULL,
  unit TEXT NOT NULL,                -- USD | EUR | …
  detail TEXT NOT NULL DEFAULT '{}', -- JSON: counts behind the amount (tokens in, cached, written, out; segments)
  at REAL NOT NULL
) STRICT;
CREATE INDEX cost_at ON cost (at);
