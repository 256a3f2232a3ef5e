#!/usr/bin/env python3
"""Checks that the tests on PostgreSQL fail when a safeguard is taken out of the SQL of runs.

    cargo test --release --workspace --test backends --no-run
    crates/store/tests/mutations.py target/release/deps/backends-<hash>

Nothing is compiled: each mutation replaces SQL in a copy of the test program by SQL of the same length. The script fails if
the tests of a mutation pass, or if its SQL is not in the program: then the table is out of date.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

# What the mutant lacks; its SQL (`...` for what a format string inserts, double brackets around what is replaced if that is not
# all); the replacement (`~` for the spaces that are left); a filter for the tests of which at least one must fail.
MUTATIONS = [
    ("a claim skips locked tasks", "FOR UPDATE OF k SKIP LOCKED", "FOR UPDATE OF k~", "runs::a_claim_waits"),
    ("no task is claimed while the queue is paused", "value = 'true')", "value = 'TRUE')", "runs::while_the_queue"),
    ("running tasks count as a project's turns", "coalesce(b.running, 0) + h.rank", "h.rank~", "runs::projects_take_turns"),
    ("a process claims only its models", "t.model = ANY ($5)", "$5 = $5~", "workers::"),
    ("a process that drains claims nothing", "WHERE id = $6 AND draining", "WHERE id = $6 AND FALSE~", "workers::"),
    ("a run has its task's attempt", "SELECT id, attempt, $2, clock_timestamp()", "SELECT id, 99~, $2, clock_timestamp()", "runs::"),
    ("a result is stored for the run's server only", "FROM runs WHERE task_id = $1 AND attempt = $2 AND server_id = $3",
     "FROM runs WHERE task_id = $1 AND attempt = $2 AND $3 = $3~", "runs::a_server_cannot_end"),
    ("a run is ended only after its lease", "attempt = $2 AND lease_until < clock_timestamp()", "attempt = $2~", "runs::"),
    ("an expired run is ended by its attempt", "task_id = $1 AND attempt = $2 AND lease_until <",
     "task_id = $1 AND $2 = $2 AND lease_until~<", "runs::"),
    ("a run is given back by its server only", "DELETE FROM runs WHERE task_id = $1 AND attempt = $2 AND server_id = $3",
     "DELETE FROM runs WHERE task_id = $1 AND attempt = $2 AND $3 = $3~", "runs::a_server_cannot_end runs::a_task_whose"),
    ("a lease is renewed by its server only", "UPDATE runs SET lease_until = ...[[ WHERE server_id = ']]", " WHERE ''~<> '", "runs::"),
    ("a lease that is over is listed", "FROM runs WHERE lease_until < clock_timestamp();", "FROM runs WHERE FALSE;~", "runs::"),
    ("a step of a lost run is not sent", "[[task_id = $1 AND attempt = $2 AND server_id = $3]] RETURNING task_id",
     "task_id = $1 AND $2 = $2 AND $3 = $3~", "runs::steps_reach"),
    ("an older preview does not replace a newer one", "WHERE (p.attempt, p.step) < (excluded.attempt, excluded.step)",
     "WHERE TRUE~", "previews::"),
    ("a request to keep is a row", "UPDATE runs SET keep = TRUE", "UPDATE runs SET keep = keep", "runs::steps_reach"),
    ("a run ends with its task's status", "DELETE FROM runs WHERE task_id = NEW.id;", "DELETE FROM runs WHERE task_id = -1;~", "runs::each_change"),
    ("a request that is not done ends with its run", "DELETE FROM run_requests WHERE task_id = NEW.id AND NOT done;",
     "DELETE FROM run_requests WHERE FALSE;~", "requests::"),
    ("a request waits for a run that is ending", "FOR KEY SHARE RETURNING", "~RETURNING", "requests::a_request_for"),
    ("a request is read until it is done", " AND NOT q.done ORDER BY q.id", " AND TRUE~ORDER BY q.id", "requests::"),
    ("a request is read by the run's server only", " WHERE r.server_id = '", " WHERE ''~<> '", "requests::"),
    ("a worker is woken for its models only", "w.model = ANY (s.waits)", "s.waits = s.waits~", "wake_ups::a_process_that_waits"),
    ("a worker that drains is not woken", "NOT s.draining", "TRUE~", "wake_ups::a_process_that_waits"),
    ("a few workers are woken", "ORDER BY random() LIMIT 3", "ORDER BY random() LIMIT 9", "wake_ups::of_many"),
    ("a process asks about its own runs only", " AND r.server_id = '", " AND ''~<> '", "wake_ups::a_process_that_asks"),
    ("a change and its request are one transaction", "UPDATE run_requests SET done = TRUE WHERE id = ANY ($1)",
     "UPDATE run_requests SET done = done WHERE id = ANY ($1)", "requests::"),
    ("a lock is not waited for without end", "SET lock_timeout = '3s'", "SET lock_timeout = '0s'", "runs::a_change_waits"),
    ("a claim reads its frame behind the log's lock", "SELECT seq FROM event_head FOR UPDATE", "SELECT seq FROM event_head~", "log::a_claim"),
    ("an entry's number is the commit's", "SET seq = seq + cardinality($1)", "SET seq = seq + 1~", "events::each_change"),
    ("entries are read in their order", " FROM events WHERE seq > ...[[ ORDER BY seq LIMIT ]]", " ORDER BY-seq LIMIT ", "log::sixteen log::a_server_that"),
]


def pattern_of(sql: str) -> bytes:
    """A pattern for SQL of a format string: `...` is what is inserted, of which the program has a few bytes."""
    return b".{0,12}?".join(re.escape(part.encode()) for part in sql.split("..."))


def mutated(program: bytes, sql: str, replacement: str) -> bytes:
    """The program with `replacement` for the part of `sql` in double brackets, or all of it, wherever it occurs."""
    before, piece, after = re.fullmatch(r"(?:(.*)\[\[)?(.*?)(?:\]\](.*))?", sql).groups(default="")
    start, _, end = replacement.partition("~")
    if "~" in replacement:
        replacement = start + " " * (len(piece) - len(start) - len(end)) + end
    if len(replacement) != len(piece):
        raise ValueError(f"{replacement!r} has {len(replacement)} characters and not {len(piece)}")
    pattern = b"(?:%b)(%b)(?=%b)" % tuple(pattern_of(part) for part in (before, piece, after))
    found = list(re.finditer(pattern, program, re.DOTALL))
    if not found:
        raise LookupError(sql)
    changed = bytearray(program)
    for match in found:
        changed[match.start(1) : match.end(1)] = replacement.encode()
    return bytes(changed)


def fails(program: bytes, tests: str, folder: Path) -> list[str]:
    """The names of the tests that fail in this program."""
    path = folder / "mutant"
    path.unlink(missing_ok=True)
    path.write_bytes(program)
    path.chmod(0o700)
    try:
        output = subprocess.run([path, *tests.split()], capture_output=True, text=True, timeout=120).stdout
    except subprocess.TimeoutExpired:
        return ["no end within 2 minutes"]
    return re.findall(r"^test (\S+) \.\.\. FAILED", output, re.MULTILINE)


def main(path: str) -> int:
    original = Path(path).read_bytes()
    survivors = 0
    with tempfile.TemporaryDirectory() as folder:
        for lacks, sql, replacement, tests in MUTATIONS:
            try:
                found = fails(mutated(original, sql, replacement), tests, Path(folder))
                note = ", ".join(found) or "NO TEST FAILS"
            except LookupError:
                found, note = [], "NOT FOUND IN THE PROGRAM"
            survivors += not found
            print(f"{lacks}: {note}", flush=True)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) if len(sys.argv) == 2 else __doc__)
