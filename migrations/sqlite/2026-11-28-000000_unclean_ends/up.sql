-- How often the server ended without being stopped while it made this picture: a picture that takes more memory than there
-- is ends every server that makes it, and must not be made for ever.
ALTER TABLE tasks ADD COLUMN unclean_ends INTEGER NOT NULL DEFAULT 0 CHECK (unclean_ends >= 0);
