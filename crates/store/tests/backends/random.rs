//! Random sequences of everything that can happen to tasks, frames and takes, checked against a model.

use crate::database::{Database, create};
use crate::model::{Life, Model, ModelFrame, ModelTask};
use crate::on_both;
use crate::steps::{Step, take_step};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use protocol::{BinKind, FrameId, ProjectId, TakeId, TaskId, TaskStatus};
use std::collections::BTreeMap;
use store::{Store, TaskFilter};

on_both![any_sequence_of_steps_keeps_to_the_model];

/// Sequences for each database, and steps in each at most.
const SEQUENCES: u32 = 40;
const STEPS: usize = 60;

fn step() -> impl Strategy<Value = Step> {
    let n = || 0..1000_usize;
    prop_oneof![
        4 => (prop::option::of(n()), 1..4_u64).prop_map(|(frame, takes)| Step::Create { frame, takes }),
        6 => Just(Step::Claim),
        5 => (n(), prop::bool::weighted(0.1)).prop_map(|(task, is_stale)| Step::Complete { task, is_stale }),
        5 => (n(), any::<bool>(), 0..4_usize).prop_map(|(task, has_failed, from)| Step::End { task, has_failed, from }),
        3 => n().prop_map(|task| Step::Retry { task }),
        2 => n().prop_map(|task| Step::Requeue { task }),
        3 => (n(), prop::bool::weighted(0.1)).prop_map(|(task, is_stale)| Step::Pause { task, is_stale }),
        2 => n().prop_map(|task| Step::Resume { task }),
        2 => n().prop_map(|frame| Step::DeleteFrame { frame }),
        2 => n().prop_map(|frame| Step::RestoreFrame { frame }),
        2 => n().prop_map(|take| Step::DeleteTake { take }),
        2 => n().prop_map(|take| Step::RestoreTake { take }),
        1 => n().prop_map(|take| Step::ForgetTake { take }),
        2 => (n(), n()).prop_map(|(frame, take)| Step::Select { frame, take }),
        2 => (n(), 0..6_usize).prop_map(|(frame, rank)| Step::Move { frame, rank }),
        1 => (n(), n()).prop_map(|(by, named)| Step::Reorder { by, named }),
        1 => n().prop_map(|frame| Step::Duplicate { frame }),
        1 => prop::option::of(0..6_usize).prop_map(|rank| Step::Import { rank }),
    ]
}

async fn any_sequence_of_steps_keeps_to_the_model(database: &Database) {
    let store = database.open().await;
    let mut runner = TestRunner::new(Config {
        cases: SEQUENCES,
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Config::default()
    });
    let sequences = prop::collection::vec(step(), 1..STEPS);
    let runtime = tokio::runtime::Handle::current();
    let result = tokio::task::block_in_place(|| {
        runner.run(&sequences, |steps| {
            runtime.block_on(run(&store, steps));
            Ok(())
        })
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(why, steps)) => panic!("{why}\nafter {steps:#?}"),
        Err(error) => panic!("{error}"),
    }
}

async fn run(store: &Store, steps: Vec<Step>) {
    let project = create(store, "any").await.id;
    let mut model = Model::default();
    for step in steps {
        let told = format!("{step:?}");
        if let Some((outcome, expected)) = take_step(store, project, &mut model, step).await {
            assert_eq!(outcome, expected, "{told} on {model:#?}");
        }
        check(store, project, &model, &told).await;
    }
    // The next sequence's queue is its own.
    store.delete_project(project).await.expect("deleted");
}

/// The store holds what the model holds.
async fn check(store: &Store, project: ProjectId, model: &Model, step: &str) {
    let frames = store.list_frames(project).await.expect("the timeline");
    let live: Vec<&ModelFrame> = model.frames.iter().filter(|frame| frame.life == Life::Live).collect();
    let ids = |frames: &[protocol::Frame]| frames.iter().map(|frame| frame.id).collect::<Vec<_>>();
    assert_eq!(ids(&frames), live.iter().map(|frame| frame.id).collect::<Vec<_>>(), "after {step}");
    for (rank, (frame, expected)) in frames.iter().zip(&live).enumerate() {
        let (task, status) = model.shown(expected).expect("a live frame shows something");
        let take = task.take.as_ref().expect("a shown take");
        assert_eq!((frame.position as usize, frame.status), (rank, status), "after {step}: {frame:?}");
        assert_eq!((frame.task_id, frame.take_id, &frame.path), (task.id, take.id, &take.path), "after {step}");
        assert_eq!(frame.selected_take_id, expected.selected, "after {step}: {frame:?}");
        assert_eq!(*frame, store.get_frame(frame.id).await.expect("the same, alone"), "after {step}");
    }
    let filter = TaskFilter { project_id: Some(project), ..TaskFilter::default() };
    let mut tasks = store.first_tasks(filter).await.expect("the tasks");
    tasks.reverse();
    assert_eq!(tasks.len(), model.tasks.len(), "after {step}");
    for (task, expected) in tasks.iter().zip(&model.tasks) {
        let take = expected.take.as_ref();
        assert_eq!(
            (task.id, task.frame_id, task.status),
            (expected.id, expected.frame, expected.status),
            "after {step}"
        );
        assert_eq!(task.attempt, expected.attempt, "after {step}: {task:?}");
        assert_eq!(task.take_id, take.map(|take| take.id), "after {step}: {task:?}");
        assert_eq!(task.preview_path.as_ref(), take.map(|take| &take.path), "after {step}: {task:?}");
        assert_eq!(task.finished_at.is_some(), !task.status.is_open(), "after {step}: {task:?}");
        assert_eq!(task.error.is_some(), task.status == TaskStatus::Failed, "after {step}: {task:?}");
        assert!(task.status != TaskStatus::Running || task.started_at.is_some(), "after {step}: {task:?}");
    }
    check_files(store, model, step).await;
    check_bin(store, project, model, step).await;
    let queue = store.get_queue().await.expect("the queue");
    let waiting: Vec<TaskId> =
        queue.iter().filter(|task| task.status == TaskStatus::Queued).map(|task| task.id).collect();
    assert_eq!(waiting, model.waiting(), "after {step}");
}

/// One row for each take of the model, deleted ones and those of deleted frames too, and none besides.
async fn check_files(store: &Store, model: &Model, step: &str) {
    let ours: BTreeMap<TaskId, &ModelTask> = model.tasks.iter().map(|task| (task.id, task)).collect();
    let files = store.take_files().await.expect("the files");
    let mut found = 0;
    for file in files {
        let Some(task) = ours.get(&file.task_id) else { continue };
        let take =
            task.take.as_ref().or(task.deleted.as_ref()).unwrap_or_else(|| panic!("after {step}: a row of {task:?}"));
        assert_eq!((file.take_id, protocol::media_path(&file.key)), (take.id, take.path.clone()), "after {step}");
        assert_eq!((file.finished, file.status), (take.finished.is_some(), task.status), "after {step}");
        found += 1;
    }
    assert_eq!(
        found,
        model.tasks.iter().filter(|task| task.take.is_some() || task.deleted.is_some()).count(),
        "after {step}"
    );
}

/// The bin has the deleted frames that show something, and the deleted takes and cancelled tasks of all other frames.
async fn check_bin(store: &Store, project: ProjectId, model: &Model, step: &str) {
    let bin = store.get_bin(project).await.expect("the bin");
    let frames = model.frames.iter().filter(|frame| frame.life == Life::Deleted && frame.selected.is_some());
    let mut expected: Vec<_> = frames.map(|frame| (BinKind::Frame, frame.id, frame.selected)).collect();
    for task in model.tasks.iter().filter(|task| model.life(task.frame) != Life::Deleted) {
        expected.extend(task.deleted.as_ref().map(|take| (BinKind::Take, task.frame, Some(take.id))));
        expected.extend((task.status == TaskStatus::Cancelled).then_some((BinKind::Task, task.frame, None)));
    }
    let mut found: Vec<_> = bin.items.iter().map(|item| (item.kind, item.frame_id, item.take_id)).collect();
    let order = |(kind, frame, take): &(BinKind, FrameId, Option<TakeId>)| (*kind as u8, *frame, *take);
    expected.sort_by_key(order);
    found.sort_by_key(order);
    assert_eq!((found, bin.total), (expected.clone(), expected.len() as u64), "after {step}");
    assert!(bin.items.is_sorted_by(|a, b| a.deleted_at >= b.deleted_at), "after {step}: {bin:?}");
}
