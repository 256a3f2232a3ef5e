-- The rights of a database role for workers: what `emberline worker` needs to make pictures, and no more. It cannot read sessions,
-- change settings, make or change tables, or create projects and tasks.
--
-- Only the owner of a table may VACUUM it: if none of the owner's processes makes pictures, the space of old previews is freed once a
-- minute, by autovacuum.
--
-- Once, by the administrator:  CREATE ROLE emberline_worker LOGIN PASSWORD '...';
-- Then, by the owner of the tables, and again after each update of the servers, which may add tables:
--   psql -v ON_ERROR_STOP=1 -f worker-rights.sql postgres://emberline@db.example/emberline

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM emberline_worker;
GRANT USAGE ON SCHEMA public TO emberline_worker;

-- What a picture is made from.
GRANT SELECT ON __diesel_schema_migrations, schema_floors, settings, projects, frames, tasks, takes, styles TO emberline_worker;

-- The queue: a task is claimed and ended, its frame shows another take, or goes with its last one. Changes of a project's tasks lock
-- its row.
GRANT UPDATE ON tasks, takes, frames TO emberline_worker;
GRANT DELETE ON takes TO emberline_worker;
GRANT UPDATE (updated_at) ON projects TO emberline_worker;

-- Who runs what, and how far it is.
GRANT SELECT, INSERT, UPDATE, DELETE ON servers, runs, run_requests, live_previews TO emberline_worker;

-- How pictures formed, and what paused ones go on from, with an object store.
GRANT SELECT, INSERT, UPDATE, DELETE ON trace_objects TO emberline_worker;

-- The log of changes.
GRANT SELECT, INSERT, DELETE ON events TO emberline_worker;
GRANT SELECT, UPDATE ON event_head TO emberline_worker;

-- What is known of the files of --models.
GRANT SELECT, INSERT, UPDATE, DELETE ON library_files TO emberline_worker;
