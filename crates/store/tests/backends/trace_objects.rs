//! Traces and saved states that are objects.

use crate::database::{Database, create};
use crate::on_both;
use crate::studio::{claim, conflict, finish, generate, new_frame};
use std::{collections::HashSet, time::Duration};
use store::{OpenTask, Run, Store, TraceKind, TraceObject};

on_both![
    an_attempt_names_one_object_of_each_kind_and_only_while_it_runs,
    a_task_goes_on_after_its_saved_state,
    what_has_no_take_is_forgotten_after_a_while
];

fn run(open: &OpenTask) -> Run {
    Run { task: open.task.id, attempt: open.task.attempt }
}

fn object(key: &str, kind: TraceKind, step: u32) -> TraceObject {
    let object = format!("traces/{key}/1-{step:032x}.{}", kind.as_str());
    TraceObject { key: key.to_owned(), kind, object, bytes: 100 + u64::from(step), step }
}

async fn named(store: &Store, key: &str, kind: TraceKind) -> Option<TraceObject> {
    store.trace_object(key, kind).await.expect("answered")
}

async fn an_attempt_names_one_object_of_each_kind_and_only_while_it_runs(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Traces").await.id;
    generate(&store, project, None, 1).await;
    let open = claim(&store).await;
    let of = |kind, step| object(&open.key, kind, step);
    assert_eq!(named(&store, &open.key, TraceKind::State).await, None);
    let name = async |of: &TraceObject| store.name_trace_of_run(run(&open), of.clone()).await;
    let (first, second, trace) = (of(TraceKind::State, 5), of(TraceKind::State, 9), of(TraceKind::Trace, 9));
    assert_eq!(name(&first).await.expect("named"), None);
    assert_eq!(name(&first).await.expect("again"), None, "the same object is not the earlier one");
    assert_eq!(name(&second).await.expect("named"), Some(first.object.clone()));
    assert_eq!(name(&trace).await.expect("named"), None);
    assert_eq!(named(&store, &open.key, TraceKind::State).await.as_ref(), Some(&second));
    assert_eq!(named(&store, &open.key, TraceKind::Trace).await.as_ref(), Some(&trace));
    assert_eq!(store.trace_object_bytes().await.expect("summed"), 109 + 109);
    let asked = [&first, &second, &trace].map(|of| of.object.clone());
    let found = store.named_objects(asked.to_vec()).await.expect("answered");
    assert_eq!(found, HashSet::from([second.object.clone(), trace.object.clone()]));
    let other = Run { attempt: 2, ..run(&open) };
    conflict(store.name_trace_of_run(other, first.clone()).await);
    finish(&store, &open).await;
    conflict(name(&first).await);
    let listed = store.list_trace_objects().await.expect("listed");
    assert!(listed.iter().all(|listed| listed.is_finished && listed.project == project), "{listed:?}");
    assert_eq!(listed.into_iter().map(|listed| listed.of).collect::<Vec<_>>(), [second.clone(), trace]);
    let forgotten = store.forget_trace_object(&open.key, TraceKind::State).await.expect("forgotten");
    assert_eq!(forgotten, Some(second.object));
    assert_eq!(store.forget_trace_object(&open.key, TraceKind::State).await.expect("none"), None);
}

async fn a_task_goes_on_after_its_saved_state(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Saved").await.id;
    new_frame(&store, project).await;
    let open = claim(&store).await;
    store.name_trace_of_run(run(&open), object(&open.key, TraceKind::State, 12)).await.expect("named");
    let again = store.requeue_task(open.task.id).await.expect("queued");
    assert_eq!((again.done_steps, again.task.step), (12, 12));
    assert_eq!(claim(&store).await.done_steps, 12);
    // An older state than that of the pause counts for nothing.
    store.pause_attempt(open.task.id, 2, 20).await.expect("paused");
    store.resume_task(open.task.id, false).await.expect("resumed");
    claim(&store).await;
    assert_eq!(store.requeue_task(open.task.id).await.expect("queued").done_steps, 20);
}

async fn what_has_no_take_is_forgotten_after_a_while(database: &Database) {
    let store = database.open().await;
    let project = create(&store, "Gone").await.id;
    generate(&store, project, None, 2).await;
    let (kept, cancelled) = (claim(&store).await, claim(&store).await);
    for open in [&kept, &cancelled] {
        for kind in [TraceKind::Trace, TraceKind::State] {
            store.name_trace_of_run(run(open), object(&open.key, kind, 3)).await.expect("named");
        }
    }
    let new = object("0123456789abcdef-new", TraceKind::Trace, 2);
    store.name_trace_of_new_take(new.clone()).await.expect("named");
    finish(&store, &kept).await;
    store.fail_attempt(cancelled.task.id, 1, "why".to_owned()).await.expect("failed");
    assert_eq!(named(&store, &cancelled.key, TraceKind::Trace).await, None, "its take is gone");
    assert_eq!(named(&store, &new.key, TraceKind::Trace).await, None, "its take is not there yet");
    assert_eq!(store.forget_traces_without_take(Duration::from_secs(60)).await.expect("none"), 0);
    tokio::time::sleep(Duration::from_millis(5)).await;
    // Two of the failed take, that of the one that was never made, and the state of the finished one.
    assert_eq!(store.forget_traces_without_take(Duration::ZERO).await.expect("forgotten"), 4);
    let left = [kept.key.clone(), cancelled.key, new.key];
    let objects =
        left.iter().flat_map(|key| [TraceKind::Trace, TraceKind::State].map(|kind| object(key, kind, 3).object));
    let found = store.named_objects(objects.collect()).await.expect("answered");
    assert_eq!(found, HashSet::from([object(&kept.key, TraceKind::Trace, 3).object]));
}
