//! Guarantees for projects.

use crate::database::{Database, create, names, new_project};
use crate::on_both;
use protocol::{ProjectId, ProjectPatch};
use std::collections::BTreeSet;
use std::time::Duration;
use store::StoreError;

on_both![
    a_project_is_read_back_as_it_was_made,
    the_last_changed_comes_first,
    the_list_comes_in_parts,
    a_patch_changes_what_it_names,
    a_deleted_project_comes_back_as_it_was,
    what_is_not_there_is_not_found,
    a_purge_takes_the_old_ones_with_all_their_rows,
    a_purge_spares_the_young_and_the_living,
    an_id_is_never_used_twice,
    odd_names_are_stored_as_they_are,
    what_validation_should_have_caught_is_refused,
    the_cover_is_the_newest_finished_take,
];

/// Changes in the same millisecond have no order; users' changes are never that close.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(3)).await;
}

fn rename(name: &str) -> ProjectPatch {
    ProjectPatch { name: Some(name.to_owned()), ..ProjectPatch::default() }
}

fn is_missing<T: std::fmt::Debug>(result: Result<T, StoreError>, id: ProjectId) -> bool {
    matches!(result, Err(StoreError::NotFound { what }) if what == format!("project {id}"))
}

async fn a_project_is_read_back_as_it_was_made(database: &Database) {
    let store = database.open().await;
    assert_eq!(store.all_projects().await.expect("an empty list"), []);
    let made = create(&store, "Storm").await;
    assert_eq!((made.name.as_str(), made.width, made.height, made.fps), ("Storm", 1024, 768, 12));
    assert_eq!(made.cover, None);
    assert_eq!(made.created_at, made.updated_at);
    assert_eq!(store.get_project(made.id).await.expect("one project"), made);
    assert_eq!(store.all_projects().await.expect("the list"), std::slice::from_ref(&made));
    // The system clock, read independently.
    let seconds = database.number(&format!("SELECT created_at / 1000 FROM projects WHERE id = {}", made.id)).await;
    let now = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_secs();
    assert!(now.abs_diff(seconds.unsigned_abs()) < 60, "{seconds} against {now}");
    assert!(made.created_at.ends_with('Z') && made.created_at.starts_with("20"), "{}", made.created_at);
}

async fn the_list_comes_in_parts(database: &Database) {
    let store = database.open().await;
    for number in 0..7 {
        create(&store, &number.to_string()).await;
    }
    // Some of one millisecond, in which the greater id comes first.
    database.execute("UPDATE projects SET updated_at = 1000 * (1 + id / 3)").await;
    let all = store.all_projects().await.expect("the list");
    let (mut parts, mut after) = (Vec::new(), None);
    loop {
        let part = store.list_projects(after, 2).await.expect("a part");
        let Some(last) = part.last() else { break };
        assert!(part.len() <= 2);
        let at = database.number(&format!("SELECT updated_at FROM projects WHERE id = {}", last.id)).await;
        after = Some((at, last.id));
        parts.extend(part);
    }
    assert_eq!(parts, all);
}

async fn the_last_changed_comes_first(database: &Database) {
    let store = database.open().await;
    let first = create(&store, "first").await;
    for name in ["second", "third"] {
        a_moment().await;
        create(&store, name).await;
    }
    assert_eq!(names(&store).await, ["third", "second", "first"]);
    a_moment().await;
    store.update_project(first.id, rename("first, again")).await.expect("a change");
    assert_eq!(names(&store).await, ["first, again", "third", "second"]);
}

async fn a_patch_changes_what_it_names(database: &Database) {
    let store = database.open().await;
    let (made, other) = (create(&store, "Storm").await, create(&store, "other").await);
    a_moment().await;
    let changed =
        store.update_project(made.id, ProjectPatch { fps: Some(24), ..Default::default() }).await.expect("fps");
    assert_ne!(changed.updated_at, made.updated_at);
    let expected = protocol::Project { fps: 24, updated_at: changed.updated_at.clone(), ..made.clone() };
    assert_eq!(changed, expected);
    let patch = ProjectPatch { name: Some("Calm".into()), width: Some(64), height: Some(2048), fps: Some(60) };
    let changed = store.update_project(made.id, patch).await.expect("everything");
    assert_eq!((changed.name.as_str(), changed.width, changed.height, changed.fps), ("Calm", 64, 2048, 60));
    assert_eq!(changed.created_at, made.created_at);
    a_moment().await;
    let same = store.update_project(made.id, ProjectPatch::default()).await.expect("nothing to change");
    assert_eq!(same, changed);
    assert_eq!(store.get_project(made.id).await.expect("read back"), changed);
    assert_eq!(store.get_project(other.id).await.expect("the other"), other);
}

async fn a_deleted_project_comes_back_as_it_was(database: &Database) {
    let store = database.open().await;
    let made = create(&store, "Storm").await;
    a_moment().await;
    create(&store, "newer").await;
    assert_eq!(store.delete_project(made.id).await.expect("deleted").project, made);
    assert_eq!(names(&store).await, ["newer"]);
    assert_eq!(store.restore_project(made.id).await.expect("restored"), made);
    assert_eq!(names(&store).await, ["newer", "Storm"]);
    assert_eq!(store.restore_project(made.id).await.expect("it is not deleted: no harm"), made);
}

async fn what_is_not_there_is_not_found(database: &Database) {
    let store = database.open().await;
    let deleted = create(&store, "gone").await.id;
    store.delete_project(deleted).await.expect("deleted");
    let never = [ProjectId(deleted.0 + 1), ProjectId(0), ProjectId(-1), ProjectId(i64::MAX), ProjectId(i64::MIN)];
    for id in never.into_iter().chain([deleted]) {
        assert!(is_missing(store.get_project(id).await, id));
        assert!(is_missing(store.update_project(id, rename("x")).await, id));
        assert!(is_missing(store.update_project(id, ProjectPatch::default()).await, id));
        assert!(is_missing(store.delete_project(id).await, id));
    }
    for id in never {
        assert!(is_missing(store.restore_project(id).await, id));
    }
}

async fn a_purge_takes_the_old_ones_with_all_their_rows(database: &Database) {
    let store = database.open().await;
    let (gone, kept) = (create(&store, "gone").await.id, create(&store, "kept").await.id);
    for (project, letter) in [(gone, "a"), (kept, "b")] {
        let frame = database.add_frame(project).await;
        let take = database.add_take(frame, &letter.repeat(32), Some(1)).await;
        database.add_take(frame, &format!("{letter}2").repeat(16), None).await;
        database.execute(&format!("UPDATE frames SET selected_take_id = {take} WHERE id = {frame}")).await;
    }
    store.delete_project(gone).await.expect("deleted");
    let mut purged = store.purge_projects(Duration::ZERO).await.expect("purged");
    purged.take_keys.sort();
    assert_eq!(purged.projects, [gone]);
    assert_eq!(purged.take_keys, ["a2".repeat(16), "a".repeat(32)]);
    assert!(is_missing(store.restore_project(gone).await, gone));
    for (table, rows) in [("projects", 1), ("frames", 1), ("tasks", 2), ("takes", 2)] {
        assert_eq!(database.number(&format!("SELECT count(*) FROM {table}")).await, rows, "{table}");
    }
    assert_eq!(store.purge_projects(Duration::ZERO).await.expect("nothing left"), store::Purged::default());
}

async fn a_purge_spares_the_young_and_the_living(database: &Database) {
    let store = database.open().await;
    let (young, old) = (create(&store, "young").await.id, create(&store, "old").await.id);
    create(&store, "living").await;
    for id in [young, old] {
        store.delete_project(id).await.expect("deleted");
    }
    let minute_ms = 60_000;
    database.execute(&format!("UPDATE projects SET deleted_at = deleted_at - {minute_ms} WHERE id = {old}")).await;
    let half_a_minute = Duration::from_secs(30);
    assert_eq!(store.purge_projects(half_a_minute).await.expect("purged").projects, [old]);
    assert_eq!(store.purge_projects(Duration::MAX).await.expect("none is that old").projects, []);
    store.restore_project(young).await.expect("still there");
    assert_eq!(names(&store).await.len(), 2);
}

async fn an_id_is_never_used_twice(database: &Database) {
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        let store = database.open().await;
        for round in 0..3 {
            let id = create(&store, &format!("round {round}")).await.id;
            assert!(seen.insert(id), "{id} was given away again");
            store.delete_project(id).await.expect("deleted");
            store.purge_projects(Duration::ZERO).await.expect("purged");
            assert_eq!(database.number("SELECT count(*) FROM projects").await, 0);
        }
        store.close().await.expect("closed");
    }
}

async fn odd_names_are_stored_as_they_are(database: &Database) {
    let store = database.open().await;
    let odd = [
        "<script>alert('x')</script>",
        "Robert'); DROP TABLE projects;--",
        "\"double\" 'single' `back` \\slash\\ %s %00 {} $1 ?1",
        "🔥🐉👩‍👩‍👧‍👦",
        "قصة مصورة \u{202e}abc\u{202c}",
        "e\u{301} is not é",
        &"龍".repeat(120),
        &"😀".repeat(120),
    ];
    for name in odd {
        let made = create(&store, name).await;
        assert_eq!(store.get_project(made.id).await.expect("read back").name, name);
        let renamed = store.update_project(made.id, rename(name)).await.expect("renamed");
        assert_eq!(renamed.name, name);
    }
    let stored: BTreeSet<_> = names(&store).await.into_iter().collect();
    assert_eq!(stored, odd.iter().map(ToString::to_string).collect());
}

async fn what_validation_should_have_caught_is_refused(database: &Database) {
    let store = database.open().await;
    let made = create(&store, "fine").await;
    let good = new_project("x");
    let bad = [
        protocol::NewProject { name: String::new(), ..good.clone() },
        protocol::NewProject { name: "龍".repeat(121), ..good.clone() },
        protocol::NewProject { width: 0, ..good.clone() },
        protocol::NewProject { width: 1023, ..good.clone() },
        protocol::NewProject { height: 100_000, ..good.clone() },
        protocol::NewProject { fps: 0, ..good.clone() },
        protocol::NewProject { fps: 61, ..good },
    ];
    for request in bad {
        let result = store.create_project(request.clone()).await;
        assert!(matches!(result, Err(StoreError::Constraint { .. })), "{request:?}: {result:?}");
    }
    let result = store.update_project(made.id, ProjectPatch { fps: Some(u32::MAX), ..Default::default() }).await;
    assert!(result.is_err(), "{result:?}");
    let result = store.update_project(made.id, rename("")).await;
    assert!(matches!(result, Err(StoreError::Constraint { .. })), "{result:?}");
    assert_eq!(store.all_projects().await.expect("the list"), [made]);
}

async fn the_cover_is_the_newest_finished_take(database: &Database) {
    let store = database.open().await;
    let (storm, calm, bare) =
        (create(&store, "storm").await.id, create(&store, "calm").await.id, create(&store, "bare").await.id);
    let (early, late) = (database.add_frame(storm).await, database.add_frame(storm).await);
    database.add_take(early, "storm-newer-of-the-early", Some(2_000)).await;
    database.add_take(early, "storm-older-of-the-early", Some(1_000)).await;
    database.add_take(late, "storm-late-frame", Some(3_000)).await;
    database.add_take(early, "storm-still-running", None).await;
    let frame = database.add_frame(calm).await;
    database.add_take(frame, "calm-first-of-the-tie", Some(9_000)).await;
    database.add_take(frame, "calm-second-of-the-tie", Some(9_000)).await;
    let cover = async |id| store.get_project(id).await.expect("a project").cover;
    assert_eq!(cover(storm).await.as_deref(), Some("/media/storm-late-frame.png"));
    assert_eq!(cover(calm).await.as_deref(), Some("/media/calm-second-of-the-tie.png"));
    assert_eq!(cover(bare).await, None);

    database.execute(&format!("UPDATE frames SET deleted_at = 1 WHERE id = {late}")).await;
    assert_eq!(cover(storm).await.as_deref(), Some("/media/storm-newer-of-the-early.png"));
    let listed = store.all_projects().await.expect("the list");
    for project in &listed {
        assert_eq!(*project, store.get_project(project.id).await.expect("the same, alone"));
    }
    let changed = store.update_project(storm, rename("Storm")).await.expect("renamed");
    assert_eq!(changed.cover.as_deref(), Some("/media/storm-newer-of-the-early.png"));
}
