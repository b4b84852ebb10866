-- A line that was drawn over a picture can be crossed.

ALTER TABLE sighting ADD COLUMN way TEXT NOT NULL DEFAULT ''; -- in | out: over the line that `zone` names then
