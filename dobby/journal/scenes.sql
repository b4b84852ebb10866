-- A taught phrase may stand for exact calls: a scene. `file` is how a file described it when it was kept; "grant" what an
-- owner agreed to when it was made.

ALTER TABLE taught ADD COLUMN calls TEXT NOT NULL DEFAULT '';
ALTER TABLE taught ADD COLUMN file TEXT NOT NULL DEFAULT '';
ALTER TABLE taught ADD COLUMN "grant" INTEGER;
