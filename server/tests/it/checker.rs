//! Consistency check of the database and the media folder. It reads both directly, with its own SQL, and does not use
//! the store.

use crate::support::whole_png;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query, sql_types};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

#[derive(QueryableByName)]
struct TakeRow {
    #[diesel(sql_type = sql_types::Text)]
    key: String,
    #[diesel(sql_type = sql_types::Bool)]
    finished: bool,
    #[diesel(sql_type = sql_types::Text)]
    status: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = sql_types::BigInt)]
    count: i64,
}

fn count(database: &mut SqliteConnection, query: &str) -> i64 {
    sql_query(format!("SELECT count(*) AS count FROM {query}")).get_result::<Count>(database).expect("a count").count
}

/// Checks the invariants that hold after a clean stop. Returns the number of takes for each task status.
pub fn check(data: &Path) -> BTreeMap<String, usize> {
    let file = data.join("emberline.db");
    let mut database = SqliteConnection::establish(&file.display().to_string()).expect("a database");
    let takes: Vec<TakeRow> = sql_query(
        "SELECT takes.key AS key, takes.finished_at IS NOT NULL AS finished, tasks.status AS status \
         FROM takes JOIN tasks ON tasks.id = takes.task_id",
    )
    .load(&mut database)
    .expect("takes");
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(data.join("media")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.ends_with(".media.id") {
            continue;
        }
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let bytes = fs::read(&path).expect("read");
        assert!(whole_png(&bytes).is_some(), "{name} is half-written: {} bytes", bytes.len());
        names.insert(name);
    }
    let keys: BTreeSet<_> = takes.iter().map(|take| format!("{}.png", take.key)).collect();
    assert_eq!(names, keys, "no file without a row, no row without a file");
    // A take has the trace that is there, or none. A saved state is of a take that is not finished.
    for entry in fs::read_dir(data.join("traces")).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let (key, is_state) = match (name.strip_suffix(".trace"), name.strip_suffix(".state")) {
            (Some(key), _) => (key, false),
            (_, Some(key)) => (key, true),
            _ => panic!("{name} is neither a trace nor a state"),
        };
        let take = takes.iter().find(|take| take.key == key);
        let take = take.unwrap_or_else(|| panic!("{name} has no row"));
        assert!(!(is_state && take.finished), "{name} is of a finished take");
        let trace = trace::Trace::read(fs::File::open(&path).expect("opens")).expect("a trace");
        assert!(!trace.is_cut(), "{name} is half-written");
    }
    for take in &takes {
        let fits = match take.status.as_str() {
            "completed" => take.finished,
            "queued" | "running" => !take.finished,
            _ => false,
        };
        assert!(fits, "{} is {}finished and its task {}", take.key, if take.finished { "" } else { "un" }, take.status);
    }
    let empty = "frames WHERE deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM takes WHERE takes.frame_id = frames.id)";
    assert_eq!(count(&mut database, empty), 0, "a frame shows nothing");
    let foreign = "frames JOIN takes ON takes.id = frames.selected_take_id \
                   WHERE takes.frame_id <> frames.id OR takes.finished_at IS NULL";
    assert_eq!(count(&mut database, foreign), 0, "a frame selects what it cannot show");
    let doubled = "(SELECT task_id FROM takes GROUP BY task_id HAVING count(*) > 1)";
    assert_eq!(count(&mut database, doubled), 0, "a task has two takes");
    let mut by_status = BTreeMap::new();
    takes.into_iter().for_each(|take| *by_status.entry(take.status).or_insert(0) += 1);
    by_status
}
