-- The newest message about the steps of a run, for servers that get no notifications because a pooler is before the database.
ALTER TABLE runs ADD COLUMN progress TEXT;
