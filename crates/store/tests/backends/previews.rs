//! Previews that servers share on PostgreSQL. A server is a store of its own: two of them meet only in the database.

use crate::database::{Database, create};
use crate::studio::{cancel, claim, finish, generate, missing, parameters};
use protocol::{FrameId, GenerationIds, GenerationProgress, ProjectId};
use std::time::Duration;
use store::{NewPreview, OpenTask, RunEnd, Showing, Store};

async fn servers() -> Option<(Database, Store, Store, ProjectId)> {
    let database = Database::postgres().await?;
    let (one, two) = (database.open().await, database.open().await);
    let project = create(&one, "Forming").await.id;
    Some((database, one, two, project))
}

/// A preview that differs from all others. Compression would not make it smaller.
fn preview(attempt: u32, step: u32) -> NewPreview {
    let mixed = |n: u32| (n.wrapping_mul(2_654_435_761) ^ (attempt * 1000 + step).wrapping_mul(40_503)) >> 13;
    let png = (0..40_000).map(|n| mixed(n).to_le_bytes()[0]).collect();
    NewPreview { step, etag: format!("{attempt}.{step}"), png }
}

/// Reports a step with its preview. Returns whether the run was still the server's.
async fn report(store: &Store, open: &OpenTask, step: u32) -> bool {
    let (task_id, attempt, take_id) = (open.task.id, open.task.attempt, open.take_id);
    let of = GenerationIds { task_id, frame_id: FrameId(1), project_id: ProjectId(1), take_id, attempt };
    let preview_path = String::new();
    let event = GenerationProgress { of, step, total_steps: 30, preview_path, eta_ms: None, waiting_for: None };
    store.report_step(event, Some(&preview(attempt, step))).await.expect("answered").is_some()
}

async fn showing(store: &Store, open: &OpenTask) -> Showing {
    store.showing(&open.key, None).await.expect("answered").expect("on PostgreSQL")
}

/// Asserts that this is at the address on both servers.
async fn shows(servers: [&Store; 2], open: &OpenTask, attempt: u32, step: u32) {
    let NewPreview { etag, png, .. } = preview(attempt, step);
    for store in servers {
        let shown = Showing::Preview { attempt, step, etag: etag.clone(), png: Some(png.clone()) };
        assert_eq!(showing(store, open).await, shown);
    }
}

async fn give_back(store: &Store, open: &OpenTask) {
    let run = store::Run { task: open.task.id, attempt: open.task.attempt };
    assert_eq!(store.give_back_run(run, None).await.expect("given back"), RunEnd::Queued);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_preview_is_at_the_address_on_every_server_until_the_picture_is_finished() {
    let Some((database, one, two, project)) = servers().await else { return };
    generate(&one, project, None, 1).await;
    let open = claim(&one).await;
    let first = Showing::First { parameters: Box::new(parameters()), seed: 100 };
    assert_eq!((showing(&one, &open).await, showing(&two, &open).await), (first.clone(), first));
    assert!(report(&one, &open, 2).await);
    shows([&one, &two], &open, 1, 2).await;
    // What this server has is not read again; something else is.
    let again = |known: &'static str| two.showing(&open.key, Some(known));
    let png = |showing: Option<Showing>| match showing {
        Some(Showing::Preview { png, .. }) => png.map(|png| png.len()),
        other => panic!("{other:?}"),
    };
    assert_eq!(png(again("1.2").await.expect("answered")), None);
    assert_eq!(png(again("1.1").await.expect("answered")), Some(40_000));
    assert!(report(&one, &open, 1).await, "a report that was late");
    shows([&one, &two], &open, 1, 2).await;
    finish(&one, &open).await;
    assert_eq!((showing(&one, &open).await, showing(&two, &open).await), (Showing::Finished, Showing::Finished));
    assert!(!report(&one, &open, 3).await);
    assert_eq!(showing(&two, &open).await, Showing::Finished);
    assert_eq!(database.number("SELECT count(*) FROM live_previews").await, 0);
    assert_eq!(missing(two.showing("0123456789abcdef", None).await), "picture \"0123456789abcdef\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_lost_its_run_shows_nothing_and_a_later_attempt_replaces_its_previews() {
    let Some((_database, one, two, project)) = servers().await else { return };
    generate(&one, project, None, 1).await;
    let open = claim(&one).await;
    assert!(!report(&two, &open, 1).await, "the run is another server's");
    assert!(report(&one, &open, 9).await);
    give_back(&one, &open).await;
    assert!(!report(&one, &open, 10).await);
    shows([&one, &two], &open, 1, 9).await;
    let again = claim(&two).await;
    assert!(!report(&one, &open, 10).await, "it runs as another attempt");
    shows([&one, &two], &open, 1, 9).await;
    assert!(report(&two, &again, 1).await);
    shows([&one, &two], &open, 2, 1).await;
    // A paused picture keeps its preview, also over a restart.
    two.pause_attempt(again.task.id, 2, 1).await.expect("paused");
    assert!(!report(&two, &again, 2).await);
    shows([&one, &two], &open, 2, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_picture_has_no_preview() {
    let Some((database, one, two, project)) = servers().await else { return };
    generate(&one, project, None, 1).await;
    let open = claim(&one).await;
    assert!(report(&one, &open, 3).await);
    cancel(&two, &open.task).await;
    assert!(!report(&one, &open, 4).await);
    for store in [&one, &two] {
        assert_eq!(missing(store.showing(&open.key, None).await), format!("picture {:?}", open.key));
    }
    assert_eq!(database.number("SELECT count(*) FROM live_previews").await, 0);
}

/// Each preview replaces one of 40 kB.
#[tokio::test(flavor = "multi_thread")]
async fn the_space_of_replaced_previews_is_used_again() {
    let Some((database, one, two, project)) = servers().await else { return };
    generate(&one, project, None, 1).await;
    let open = claim(&one).await;
    for step in 1..=200 {
        assert!(report(&one, &open, step).await);
        if step % 10 == 0 {
            one.vacuum_previews(Duration::ZERO).await.expect("freed");
        }
    }
    // Of many processes one does it.
    let freed = "SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'live_previews'";
    let before = database.number(freed).await;
    two.vacuum_previews(Duration::from_secs(600)).await.expect("answered");
    assert!(before >= 20 && database.number(freed).await == before, "{before}");
    let bytes = database.number("SELECT pg_total_relation_size('live_previews')").await;
    assert!((40_000..1_500_000).contains(&bytes), "{bytes} bytes, of 8,000,000 that were stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_previews_are_files() {
    let database = Database::sqlite();
    let store = database.open().await;
    let project = create(&store, "Forming").await.id;
    generate(&store, project, None, 1).await;
    let open = claim(&store).await;
    assert!(!report(&store, &open, 1).await);
    assert_eq!(store.showing(&open.key, None).await.expect("answered"), None);
}
