-- The object of a finished picture, relative to the prefix of the object store. NULL: the file <key>.png in the folder.
ALTER TABLE takes ADD COLUMN object TEXT;
CREATE INDEX takes_object ON takes (object) WHERE object IS NOT NULL;
