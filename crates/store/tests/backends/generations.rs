//! Guarantees for creating tasks: atomic, once for each idempotency key, and within the queue's limit.

use crate::database::{Database, create};
use crate::on_both;
use crate::studio::{
    cancel, claim, conflict, finish, generate, missing, new_frame, parameters, ready_frame, request, timeline,
};
use protocol::generation::limits::{QUEUED_TASKS, SEED};
use protocol::{FrameId, FrameStatus, ProjectId, TaskId, TaskStatus};
use store::{Idempotency, NewTake, NewTasks, StoreError, TaskFilter};

on_both![
    a_task_is_read_back_as_it_was_asked_for,
    variants_are_takes_of_one_frame_in_the_order_of_their_seeds,
    what_is_refused_leaves_nothing,
    a_full_queue_refuses_more,
    a_repeated_key_answers_as_the_first_time,
    a_key_of_many_callers_at_once_makes_one_frame,
    old_keys_are_forgotten_and_young_ones_kept,
    tasks_are_listed_by_status_and_project,
    a_generation_moves_its_project_to_the_top,
];

fn keyed(project: ProjectId, key: &str, fingerprint: &str) -> NewTasks {
    let idempotency = Some(Idempotency { key: key.into(), fingerprint: fingerprint.into() });
    NewTasks { idempotency, ..request(project, None, 2) }
}

async fn a_task_is_read_back_as_it_was_asked_for(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let new = NewTasks {
        takes: vec![NewTake { key: "0123456789abcdef".into(), parameters: parameters(), seed: SEED }],
        ..request(project, None, 0)
    };
    let made = store.create_tasks(new).await.expect("accepted");
    let (frame, task) = (made.frame.expect("a frame"), made.tasks[0].clone());
    assert!(made.frame_is_new && !made.replayed);
    assert_eq!((task.parameters.clone(), task.seed), (parameters(), SEED), "to the last bit of a float");
    assert_eq!((task.status, task.attempt, task.step, task.total_steps), (TaskStatus::Queued, 0, 0, 30));
    assert_eq!((task.started_at.as_ref(), task.finished_at.as_ref(), task.error.as_ref()), (None, None, None));
    assert_eq!(task.preview_path.as_deref(), Some("/media/0123456789abcdef.png"));
    assert_eq!((frame.position, frame.duration, frame.status), (0, 1, FrameStatus::Queued));
    assert_eq!((frame.width, frame.height, frame.path.as_str()), (64, 128, "/media/0123456789abcdef.png"));
    assert_eq!((frame.take_id, frame.task_id, frame.selected_take_id), (made.accepted[0].take_id, task.id, None));
    assert_eq!((made.accepted[0].task_id, made.accepted[0].frame_id), (task.id, frame.id));
    assert_eq!(store.get_task(task.id).await.expect("read back"), task);
    let take = store.get_take(frame.take_id).await.expect("its take");
    assert_eq!((take.key.as_str(), take.take.path.as_str()), ("0123456789abcdef", frame.path.as_str()));
    assert_eq!((take.take.parameters, take.take.seed, take.take.selected), (parameters(), SEED, false));
}

async fn variants_are_takes_of_one_frame_in_the_order_of_their_seeds(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    let first = ready_frame(&store, project).await;
    let made = generate(&store, project, None, 16).await;
    let frame = made.frame.expect("a frame");
    assert_eq!(made.tasks.iter().map(|task| task.seed).collect::<Vec<_>>(), (100..116).collect::<Vec<u64>>());
    assert!(made.tasks.iter().all(|task| task.frame_id == frame.id));
    assert_eq!(timeline(&store, project).await, [first.id, frame.id]);
    assert_eq!(frame.take_id, made.accepted[0].take_id, "the oldest queued one");
    let more = generate(&store, project, Some(first.id), 2).await;
    assert!(!more.frame_is_new);
    assert_eq!(more.frame.expect("the first frame").status, FrameStatus::Ready, "its picture stays");
    assert_eq!(timeline(&store, project).await, [first.id, frame.id]);
    assert_eq!(store.list_takes(first.id).await.expect("takes").len(), 3);
    for expected in made.tasks.iter().chain(&more.tasks) {
        assert_eq!(claim(&store).await.task.id, expected.id);
    }
}

async fn what_is_refused_leaves_nothing(database: &Database) {
    let store = database.open().await;
    let (project, other) = (create(&store, "Storm").await.id, create(&store, "other").await.id);
    let (frame, _) = new_frame(&store, project).await;
    let gone = create(&store, "gone").await.id;
    store.delete_project(gone).await.expect("deleted");
    let deleted = new_frame(&store, project).await.0.id;
    store.delete_frame(deleted).await.expect("deleted");
    let rows = async || {
        let count = |table| format!("SELECT count(*) FROM {table}");
        let (frames, tasks) = (database.number(&count("frames")).await, database.number(&count("tasks")).await);
        (frames, tasks, database.number(&count("takes")).await)
    };
    let before = rows().await;
    let named = |frame| Some(FrameId(frame));
    assert_eq!(missing(store.create_tasks(request(ProjectId(999), None, 1)).await), "project 999");
    assert_eq!(missing(store.create_tasks(request(gone, None, 1)).await), format!("project {gone}"));
    assert_eq!(missing(store.create_tasks(request(project, named(999), 1)).await), "frame 999");
    assert_eq!(missing(store.create_tasks(request(other, Some(frame.id), 1)).await), format!("frame {}", frame.id));
    assert_eq!(missing(store.create_tasks(request(project, Some(deleted), 1)).await), format!("frame {deleted}"));
    let none = store.create_tasks(request(project, None, 0)).await;
    assert!(matches!(none, Err(StoreError::Invalid { field: "num_variants", .. })), "{none:?}");
    // The second take is invalid, so neither the first nor their frame is created.
    let mut twice = request(project, None, 2);
    twice.takes[1].key = twice.takes[0].key.clone();
    let result = store.create_tasks(twice).await;
    assert!(matches!(result, Err(StoreError::Constraint { .. })), "{result:?}");
    let mut large = request(project, None, 1);
    large.takes[0].seed = SEED + 1;
    let result = store.create_tasks(large).await;
    assert!(matches!(result, Err(StoreError::Constraint { .. })), "{result:?}");
    assert_eq!(rows().await, before);
    assert_eq!(missing(store.get_task(TaskId(999)).await), "task 999");
}

async fn a_full_queue_refuses_more(database: &Database) {
    let store = database.open().await;
    let (project, hidden) = (create(&store, "Storm").await.id, create(&store, "hidden").await.id);
    let made = generate(&store, project, None, 2).await;
    generate(&store, hidden, None, 3).await;
    // The rows of a full queue, made at once.
    let fill = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) \
         INSERT INTO tasks (project_id, frame_id, status, parameters, seed, queue_order, created_at) \
         SELECT t.project_id, t.frame_id, 'queued', t.parameters, 0, i, 0 FROM n, tasks t WHERE t.id = {}",
        QUEUED_TASKS - 5,
        made.tasks[0].id
    );
    database.execute(&fill).await;
    let is_full = |result: &Result<_, _>| matches!(result, Err(StoreError::QueueFull { limit: QUEUED_TASKS }));
    let result = store.create_tasks(request(project, None, 1)).await;
    assert!(is_full(&result), "{result:?}");
    // Tasks of a deleted project do not count.
    store.delete_project(hidden).await.expect("deleted");
    let result = store.create_tasks(request(project, None, 4)).await;
    assert!(is_full(&result), "{result:?}");
    generate(&store, project, None, 3).await;
    let error = store.create_tasks(request(project, None, 1)).await.expect_err("full again");
    assert!(error.to_string().contains("1000 tasks wait"), "{error}");
    let ended = cancel(&store, &made.tasks[0]).await;
    assert_eq!(ended.task.status, TaskStatus::Cancelled);
    generate(&store, project, None, 1).await;
    let result = store.retry_task(made.tasks[0].id, crate::studio::key()).await;
    assert!(is_full(&result), "{result:?}");
}

async fn a_repeated_key_answers_as_the_first_time(database: &Database) {
    let store = database.open().await;
    let (project, other) = (create(&store, "Storm").await.id, create(&store, "other").await.id);
    let first = store.create_tasks(keyed(project, "k", "hash")).await.expect("accepted");
    assert!(!first.replayed);
    let again = store.create_tasks(keyed(project, "k", "hash")).await.expect("answered");
    assert!(again.replayed && !again.frame_is_new);
    assert_eq!((&again.frame, &again.tasks, &again.accepted), (&first.frame, &first.tasks, &first.accepted));
    assert_eq!(timeline(&store, project).await.len(), 1);
    assert!(conflict(store.create_tasks(keyed(project, "k", "another hash")).await).contains("idempotency key"));
    let elsewhere = store.create_tasks(keyed(other, "k", "another hash")).await.expect("a key of another project");
    assert!(!elsewhere.replayed);
    // The response stays the same after the tasks are purged.
    for task in &first.tasks {
        cancel(&store, task).await;
    }
    let again = store.create_tasks(keyed(project, "k", "hash")).await.expect("answered");
    assert_eq!((again.frame, &again.accepted), (None, &first.accepted));
    assert!(again.tasks.iter().all(|task| task.status == TaskStatus::Cancelled && task.preview_path.is_none()));
    assert_eq!(timeline(&store, project).await, []);
    store.close().await.expect("closed");
    let again = database.open().await.create_tasks(keyed(project, "k", "hash")).await.expect("after a restart");
    assert_eq!(again.accepted, first.accepted);
}

async fn a_key_of_many_callers_at_once_makes_one_frame(database: &Database) {
    let (one, two) = (database.open().await, database.open().await);
    let project = create(&one, "Storm").await.id;
    let calls: Vec<_> = (0..12)
        .map(|n| {
            let store = if n % 2 == 0 { one.clone() } else { two.clone() };
            tokio::spawn(async move { store.create_tasks(keyed(project, "k", "hash")).await.expect("answered") })
        })
        .collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.expect("no panic"));
    }
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    assert!(answers.iter().all(|answer| answer.accepted == answers[0].accepted));
    assert_eq!(timeline(&one, project).await.len(), 1);
}

async fn old_keys_are_forgotten_and_young_ones_kept(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Storm").await.id;
    for key in ["old", "young"] {
        store.create_tasks(keyed(project, key, "hash")).await.expect("accepted");
    }
    let (day_ms, minute_ms) = (86_400_000, 60_000);
    for (key, age_ms) in [("old", day_ms + minute_ms), ("young", day_ms - minute_ms)] {
        database
            .execute(&format!("UPDATE idempotency_keys SET created_at = created_at - {age_ms} WHERE key = '{key}'"))
            .await;
    }
    store.purge_frames(std::time::Duration::ZERO).await.expect("purged");
    assert!(store.create_tasks(keyed(project, "young", "hash")).await.expect("answered").replayed);
    assert!(!store.create_tasks(keyed(project, "old", "another hash")).await.expect("a new key by now").replayed);
    store.delete_project(project).await.expect("deleted");
    store.purge_projects(std::time::Duration::ZERO).await.expect("purged");
    assert_eq!(database.number("SELECT count(*) FROM idempotency_keys").await, 0);
}

async fn tasks_are_listed_by_status_and_project(database: &Database) {
    let store = database.open().await;
    let (project, other) = (create(&store, "Storm").await.id, create(&store, "other").await.id);
    let (done, cancelled) = (ready_frame(&store, project).await.task_id, new_frame(&store, project).await.1);
    cancel(&store, &cancelled).await;
    let running = generate(&store, project, None, 1).await.tasks[0].id;
    claim(&store).await;
    let (queued, theirs) = (new_frame(&store, project).await.1.id, new_frame(&store, other).await.1.id);
    let ids = async |status, project_id| {
        let listed = store.first_tasks(TaskFilter { status, project_id }).await.expect("a list");
        listed.into_iter().map(|task| task.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, None).await, [theirs, queued, running, cancelled.id, done]);
    assert_eq!(ids(None, Some(project)).await, [queued, running, cancelled.id, done]);
    assert_eq!(ids(Some(TaskStatus::Queued), None).await, [theirs, queued]);
    assert_eq!(ids(Some(TaskStatus::Queued), Some(project)).await, [queued]);
    assert_eq!(ids(Some(TaskStatus::Failed), None).await, []);
    let before = store.list_tasks(TaskFilter::default(), Some(running), 1).await.expect("a list");
    assert_eq!(before.iter().map(|task| task.id).collect::<Vec<_>>(), [cancelled.id]);
    let counts = store.counts().await.expect("counts");
    let expected = TaskStatus::ALL.into_iter().zip([2, 1, 0, 1, 0, 1]).collect::<Vec<_>>();
    assert_eq!(counts, expected, "{:?}", TaskStatus::ALL);
    store.delete_project(other).await.expect("deleted");
    assert_eq!(ids(Some(TaskStatus::Queued), None).await, [queued]);
    assert_eq!(missing(store.get_task(theirs).await), format!("task {theirs}"));
    assert_eq!(store.counts().await.expect("counts")[0], (TaskStatus::Queued, 1));
}

async fn a_generation_moves_its_project_to_the_top(database: &Database) {
    let store = database.open().await;
    let (old, new) = (create(&store, "old").await.id, create(&store, "new").await.id);
    let top = async || store.all_projects().await.expect("the list")[0].id;
    let a_moment = || tokio::time::sleep(std::time::Duration::from_millis(3));
    a_moment().await;
    generate(&store, old, None, 1).await;
    assert_eq!(top().await, old);
    a_moment().await;
    generate(&store, new, None, 1).await;
    assert_eq!(top().await, new);
    finish(&store, &claim(&store).await).await;
    assert_eq!(top().await, old);
    assert_eq!(
        store.get_project(old).await.expect("it").cover,
        store.list_frames(old).await.expect("frames")[0].path.clone().into()
    );
}
