-- Whether the trace stays when space is needed.
ALTER TABLE takes ADD COLUMN trace_pinned INTEGER NOT NULL DEFAULT 0 CHECK (trace_pinned IN (0, 1));
