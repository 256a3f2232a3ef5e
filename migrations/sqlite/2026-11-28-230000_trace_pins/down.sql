ALTER TABLE takes DROP COLUMN trace_pinned;
