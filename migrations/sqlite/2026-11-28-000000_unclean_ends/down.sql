ALTER TABLE tasks DROP COLUMN unclean_ends;
