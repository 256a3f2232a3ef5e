-- What a task needs of the process that makes its picture: the version of the drawing protocol, and LoRA files and embeddings as a
-- JSON list of {kind, name, hash}. NULL: none.
ALTER TABLE tasks ADD COLUMN needs INTEGER NOT NULL DEFAULT 1;
ALTER TABLE tasks ADD COLUMN files JSONB;

-- A program that does not know the columns claims as before.
INSERT INTO schema_floors (migration, floor) VALUES ('20261129030100', '20261129020300');
