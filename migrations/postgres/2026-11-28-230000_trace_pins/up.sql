-- Whether the trace stays when space is needed.
ALTER TABLE takes ADD COLUMN trace_pinned BOOLEAN NOT NULL DEFAULT FALSE;
