-- Since when a person is an adult of the house, or has their newest phone: who came today is nobody's second yes.

ALTER TABLE person ADD COLUMN since REAL NOT NULL DEFAULT 0; -- seconds since 1970; 0: from the beginning
