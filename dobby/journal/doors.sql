-- Things that may speak to Dobby for somebody: a phone's shortcut, a tablet on the wall. Rows of `login` of the kind `token`.

ALTER TABLE login ADD COLUMN name TEXT NOT NULL DEFAULT '';  -- what such a thing is called
ALTER TABLE login ADD COLUMN room TEXT NOT NULL DEFAULT '';  -- where it stands
CREATE UNIQUE INDEX login_name ON login (name) WHERE kind = 'token';
