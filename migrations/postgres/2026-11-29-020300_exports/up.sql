-- Exports of all servers. The files are in the folder that the servers share.
CREATE TABLE exports (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id BIGINT NOT NULL,
    -- The server that writes the file.
    server_id TEXT NOT NULL,
    -- Whether it waits or is being written.
    is_open BOOLEAN NOT NULL DEFAULT TRUE,
    -- JSON: the export as clients get it, and the name that its file is offered under.
    body JSONB NOT NULL
);
CREATE INDEX exports_project ON exports (project_id);

-- Ids are not used again: each start of a server reserved some, and before that they came from the clock.
SELECT setval(pg_get_serial_sequence('exports', 'id'), greatest(
    (SELECT max(value::bigint) FROM settings WHERE name = 'next_export_id' AND value ~ '^[0-9]{1,15}$'),
    (extract(epoch FROM clock_timestamp()) * 1000)::bigint));
