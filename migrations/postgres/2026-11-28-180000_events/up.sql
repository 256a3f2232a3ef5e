-- The events of all changes in one order, for every server on this database.
--
-- Each transaction that changes something ends by taking numbers from `event_head` and adding its rows. The lock of that one
-- row makes the order of the numbers, of the commits, and of what readers see the same, without gaps.

-- One row. Its pages keep room, so that an update stays on its page and needs no vacuum.
CREATE TABLE event_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- The newest number.
    seq BIGINT NOT NULL CHECK (seq >= 0),
    -- Names this log. Part of the epoch that clients get.
    epoch TEXT NOT NULL
) WITH (fillfactor = 10);

INSERT INTO event_head (id, seq, epoch) VALUES (1, 0, replace(gen_random_uuid()::text, '-', ''));

-- Kept for a quarter of an hour, for clients that connect again.
CREATE TABLE events (
    seq BIGINT PRIMARY KEY,
    -- An event as JSON, in the form that clients get, without its number. NULL: the queue has changed; each server reads it
    -- and makes the event itself.
    body TEXT,
    -- The key of a take that was deleted with the change.
    deleted_take TEXT,
    at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
