-- Projects, their frames, the tasks that make pictures, and the takes that are those pictures.
--
-- AUTOINCREMENT everywhere: without it SQLite gives the id of the last row away again once that row is
-- deleted, and an old link would open another thing.
-- Times are milliseconds since 1970-01-01 UTC. STRICT makes SQLite check types as PostgreSQL does.
-- What a frame shows is computed from its takes and tasks; no column here holds it.

CREATE TABLE projects (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
    width INTEGER NOT NULL CHECK (width BETWEEN 64 AND 2048 AND width % 8 = 0),
    height INTEGER NOT NULL CHECK (height BETWEEN 64 AND 2048 AND height % 8 = 0),
    fps INTEGER NOT NULL CHECK (fps BETWEEN 1 AND 60),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;

CREATE INDEX projects_newest ON projects (updated_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX projects_deleted ON projects (deleted_at) WHERE deleted_at IS NOT NULL;

-- Positions are not unique: a reordering passes through states in which two frames share one, and
-- SQLite cannot defer a UNIQUE. Ties are read in the order of ids.
CREATE TABLE frames (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    position INTEGER NOT NULL CHECK (position >= 0),
    duration INTEGER NOT NULL DEFAULT 1 CHECK (duration >= 1),
    selected_take_id INTEGER,
    note TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    deleted_at INTEGER,
    -- For the references below that carry the project with the frame.
    UNIQUE (id, project_id),
    -- Only one of the frame's own takes. Deferred, because frames and takes refer to each other.
    FOREIGN KEY (selected_take_id, id) REFERENCES takes (id, frame_id) DEFERRABLE INITIALLY DEFERRED
) STRICT;

CREATE INDEX frames_timeline ON frames (project_id, position, id) WHERE deleted_at IS NULL;
CREATE INDEX frames_project ON frames (project_id);
CREATE INDEX frames_selected_take ON frames (selected_take_id);

CREATE TABLE tasks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL,
    frame_id INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
    -- Counts the starts; 0 before the first.
    attempt INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    -- Everything that the picture was asked for with, as JSON, so that it can be made again.
    parameters TEXT NOT NULL,
    -- 2^53 - 1 at most: the largest integer that a browser's numbers hold exactly.
    seed INTEGER NOT NULL CHECK (seed BETWEEN 0 AND 9007199254740991),
    error TEXT,
    -- The queue is worked in this order, then in the order of ids.
    queue_order INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    UNIQUE (id, frame_id),
    FOREIGN KEY (frame_id, project_id) REFERENCES frames (id, project_id) ON DELETE CASCADE,
    CONSTRAINT tasks_failed_has_error CHECK (status <> 'failed' OR error IS NOT NULL),
    CONSTRAINT tasks_running_has_started CHECK (status <> 'running' OR (started_at IS NOT NULL AND attempt >= 1)),
    CONSTRAINT tasks_ended_has_finished CHECK ((status IN ('queued', 'running')) = (finished_at IS NULL))
) STRICT;

CREATE INDEX tasks_queue ON tasks (queue_order, id) WHERE status = 'queued';
CREATE INDEX tasks_project ON tasks (project_id, status);
CREATE INDEX tasks_frame ON tasks (frame_id);

CREATE TABLE takes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL,
    frame_id INTEGER NOT NULL,
    task_id INTEGER NOT NULL UNIQUE,
    -- The picture is at /media/<key>.png and in the file of that name: nothing but these characters, and
    -- no capitals, which some file systems do not tell from small letters.
    key TEXT NOT NULL UNIQUE CHECK (length(key) BETWEEN 16 AND 64 AND key NOT GLOB '*[^0-9a-z-]*'),
    width INTEGER NOT NULL CHECK (width BETWEEN 64 AND 2048 AND width % 8 = 0),
    height INTEGER NOT NULL CHECK (height BETWEEN 64 AND 2048 AND height % 8 = 0),
    -- A hash of the final picture's bytes, the step it was finished at, and when: all three or none.
    etag TEXT,
    finished_step INTEGER CHECK (finished_step >= 0),
    finished_at INTEGER,
    created_at INTEGER NOT NULL,
    UNIQUE (id, frame_id),
    FOREIGN KEY (frame_id, project_id) REFERENCES frames (id, project_id) ON DELETE CASCADE,
    FOREIGN KEY (task_id, frame_id) REFERENCES tasks (id, frame_id) ON DELETE CASCADE,
    CONSTRAINT takes_finished_is_whole CHECK (
        (etag IS NULL) = (finished_at IS NULL) AND (finished_step IS NULL) = (finished_at IS NULL)
    )
) STRICT;

-- The cover of each project on the list is the first entry of its part of this index.
CREATE INDEX takes_newest ON takes (project_id, finished_at DESC, id DESC) WHERE finished_at IS NOT NULL;
CREATE INDEX takes_project ON takes (project_id);
CREATE INDEX takes_frame ON takes (frame_id, id);
