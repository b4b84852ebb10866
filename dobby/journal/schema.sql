-- The durable rows: what was asked (event), what was done (effect), what is owed (outbox), and what was agreed.

CREATE TABLE event (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,          -- the provider's id, unique for ever
  lane TEXT NOT NULL,                -- bridge/chat
  kind TEXT NOT NULL,
  person TEXT NOT NULL DEFAULT '',
  source TEXT NOT NULL,              -- JSON: the whole chain
  text TEXT NOT NULL DEFAULT '',
  body TEXT NOT NULL DEFAULT '{}',   -- JSON: attachments, location, refers, reaction, tainted, sent
  state TEXT NOT NULL DEFAULT 'received',
  attempts INTEGER NOT NULL DEFAULT 0,
  plan TEXT,                         -- JSON: what it came to; kept before it is acted on
  why TEXT NOT NULL DEFAULT '',
  received REAL NOT NULL,
  ended REAL
) STRICT;
CREATE INDEX event_open ON event (state) WHERE state IN ('received', 'working', 'waiting');
CREATE INDEX event_person ON event (person, id);

CREATE TABLE effect (
  id INTEGER PRIMARY KEY,
  event INTEGER NOT NULL REFERENCES event (id),
  tool TEXT NOT NULL,
  device TEXT NOT NULL,
  args TEXT NOT NULL,                -- JSON
  tainted TEXT NOT NULL DEFAULT '[]',
  hash TEXT NOT NULL,                -- of the canonical call
  class TEXT NOT NULL,
  risk TEXT NOT NULL,
  state TEXT NOT NULL,
  before TEXT NOT NULL DEFAULT '{}', -- the device as it was
  after TEXT NOT NULL DEFAULT '{}',  -- the wanted traits as read back
  echoed INTEGER NOT NULL DEFAULT 0,
  why TEXT NOT NULL DEFAULT '',
  undone INTEGER REFERENCES effect (id),
  at REAL NOT NULL,
  ended REAL
) STRICT;
CREATE INDEX effect_event ON effect (event);
CREATE INDEX effect_device ON effect (device, id);
CREATE INDEX effect_open ON effect (state) WHERE state IN ('asked', 'intended');

CREATE TABLE outbox (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,          -- one visible message, one identity
  event INTEGER REFERENCES event (id),
  lane TEXT NOT NULL,
  text TEXT NOT NULL,
  options TEXT NOT NULL DEFAULT '[]',
  picture TEXT NOT NULL DEFAULT '',
  question INTEGER,
  state TEXT NOT NULL DEFAULT 'owed',
  provider TEXT NOT NULL DEFAULT '',
  why TEXT NOT NULL DEFAULT '',
  at REAL NOT NULL,
  changed REAL NOT NULL
) STRICT;
CREATE INDEX outbox_open ON outbox (state) WHERE state IN ('owed', 'sending');

-- The order of a conversation, whatever the clock does.
CREATE TABLE line (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  lane TEXT NOT NULL,
  event INTEGER REFERENCES event (id),
  outbox INTEGER REFERENCES outbox (id)
) STRICT;
CREATE INDEX line_lane ON line (lane, seq);
CREATE INDEX line_event ON line (event) WHERE event IS NOT NULL;
CREATE INDEX line_outbox ON line (outbox) WHERE outbox IS NOT NULL;

CREATE TABLE question (
  id INTEGER PRIMARY KEY,
  event INTEGER NOT NULL REFERENCES event (id),
  kind TEXT NOT NULL,                -- approve | choose
  person TEXT NOT NULL,              -- who is asked, and nobody else may answer
  lane TEXT NOT NULL,
  words TEXT NOT NULL,
  effects TEXT NOT NULL DEFAULT '[]',-- JSON: the effects that a yes lets happen
  hash TEXT NOT NULL DEFAULT '',     -- of exactly those calls
  choices TEXT NOT NULL DEFAULT '[]',-- JSON: [{label, calls}]
  state TEXT NOT NULL DEFAULT 'open',-- open | yes | no | chosen | expired | closed
  answer TEXT NOT NULL DEFAULT '',
  asked REAL NOT NULL,
  expires REAL,                      -- set when the question is delivered
  ended REAL
) STRICT;
CREATE INDEX question_open ON question (person) WHERE state = 'open';

CREATE TABLE "grant" (
  id INTEGER PRIMARY KEY,
  hash TEXT NOT NULL,                -- of the calls agreed to
  maker TEXT NOT NULL,
  "trigger" TEXT NOT NULL,
  made REAL NOT NULL,
  ended REAL
) STRICT;

CREATE TABLE person (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  language TEXT NOT NULL DEFAULT '',
  units TEXT NOT NULL DEFAULT '',
  room TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE address (
  bridge TEXT NOT NULL,
  chat TEXT NOT NULL,
  person TEXT NOT NULL REFERENCES person (id),
  PRIMARY KEY (bridge, chat)
) STRICT;

-- One-time codes and the sessions they become; only hashes are kept.
CREATE TABLE login (
  hash TEXT PRIMARY KEY,
  kind TEXT NOT NULL,                -- code | session
  person TEXT NOT NULL REFERENCES person (id),
  made REAL NOT NULL,
  expires REAL NOT NULL,
  used REAL
) STRICT;

CREATE TABLE device (
  id TEXT PRIMARY KEY,
  driver TEXT NOT NULL,
  body TEXT NOT NULL                 -- JSON: the device as adopted and corrected
) STRICT;

CREATE TABLE room (
  name TEXT PRIMARY KEY,
  floor TEXT NOT NULL DEFAULT '',
  aliases TEXT NOT NULL DEFAULT '[]'
) STRICT;

CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
