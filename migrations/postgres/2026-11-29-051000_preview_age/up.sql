-- When a preview was stored, by this database's clock: how old it is when another server reads it.
ALTER TABLE live_previews ADD COLUMN stored_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp();

-- Programs of the version before need not know it.
INSERT INTO schema_floors (migration, floor) VALUES ('20261129051000', '20261129020300');
