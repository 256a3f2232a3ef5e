-- The number of steps after which it pauses by itself; NULL if it does not, or was resumed.
ALTER TABLE tasks ADD COLUMN pause_at INTEGER CHECK (pause_at > 0);
-- Programs without it make such a picture without a stop.
INSERT INTO schema_floors (migration, floor) VALUES ('20261129040000', '20261129020300');
