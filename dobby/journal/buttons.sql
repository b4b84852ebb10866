-- A question that is over has no buttons any more: its message is one that has changed since it was shown.

CREATE TRIGGER question_ends AFTER UPDATE OF state ON question
WHEN OLD.state = 'open' AND NEW.state <> 'open'
BEGIN
  UPDATE outbox SET edits = edits + 1 WHERE question = NEW.id AND options <> '[]';
END;
