//! Steps of a random sequence, applied to the store and to the model.

use crate::model::{Life, Model, ModelFrame, ModelTake, ModelTask, Outcome};
use crate::studio::{finished_take, key, request};
use protocol::{FrameId, FramePatch, ProjectId, TakeId, TaskId, TaskStatus};
use std::time::Duration;
use store::{Created, End, Store, StoreError};

/// The numbers select among the existing rows.
#[derive(Clone, Debug)]
pub enum Step {
    Create { frame: Option<usize>, takes: u64 },
    Claim,
    Complete { task: usize, is_stale: bool },
    End { task: usize, has_failed: bool, from: usize },
    Retry { task: usize },
    Requeue { task: usize },
    Pause { task: usize, is_stale: bool },
    Resume { task: usize },
    DeleteFrame { frame: usize },
    RestoreFrame { frame: usize },
    DeleteTake { take: usize },
    RestoreTake { take: usize },
    ForgetTake { take: usize },
    Select { frame: usize, take: usize },
    Move { frame: usize, rank: usize },
    Reorder { by: usize, named: usize },
    Duplicate { frame: usize },
    Import { rank: Option<usize> },
}

fn outcome<T>(result: &Result<T, StoreError>) -> Outcome {
    match result {
        Ok(_) => Outcome::Done,
        Err(StoreError::NotFound { .. }) => Outcome::NotFound,
        Err(StoreError::Conflict { .. }) => Outcome::Conflict,
        Err(StoreError::Invalid { .. }) => Outcome::Invalid,
        Err(error) => panic!("{error}"),
    }
}

fn any_frame(model: &Model, n: usize) -> Option<FrameId> {
    model.frames.get(n % model.frames.len().max(1)).map(|frame| frame.id)
}

fn any_task(model: &Model, n: usize) -> Option<ModelTask> {
    model.tasks.get(n % model.tasks.len().max(1)).cloned()
}

fn any_take(model: &Model, n: usize) -> Option<(ModelTask, ModelTake)> {
    let takes: Vec<_> = model.tasks.iter().filter_map(|task| Some((task.clone(), task.take.clone()?))).collect();
    takes.get(n % takes.len().max(1)).cloned()
}

/// Applies the step. Returns the actual and the expected result; none when there is no row to apply it to.
pub async fn take_step(store: &Store, project: ProjectId, model: &mut Model, step: Step) -> Option<(Outcome, Outcome)> {
    match step {
        Step::Create { frame, takes } => create_some(store, project, model, frame, takes).await,
        Step::Claim => claim_one(store, model).await,
        Step::Complete { task, is_stale } => complete_one(store, model, task, is_stale).await,
        Step::End { task, has_failed, from } => end_one(store, model, task, has_failed, from).await,
        Step::Retry { task } => retry_one(store, model, task).await,
        Step::Requeue { task } => requeue_one(store, model, task).await,
        Step::Pause { task, is_stale } => pause_one(store, model, task, is_stale).await,
        Step::Resume { task } => resume_one(store, model, task).await,
        Step::DeleteFrame { frame } => delete_frame(store, model, frame).await,
        Step::RestoreFrame { frame } => restore_frame(store, model, frame).await,
        Step::DeleteTake { take } => delete_take(store, model, take).await,
        Step::RestoreTake { take } => restore_take(store, model, take).await,
        Step::ForgetTake { take } => forget_take(store, model, take).await,
        Step::Select { frame, take } => select(store, model, frame, take).await,
        Step::Move { frame, rank } => move_frame(store, model, frame, rank).await,
        Step::Reorder { by, named } => reorder(store, model, by, named).await,
        Step::Duplicate { frame } => duplicate(store, model, frame).await,
        Step::Import { rank } => import(store, project, model, rank).await,
    }
}

fn queued_take(created: &Created, n: usize) -> ModelTake {
    let accepted = &created.accepted[n];
    ModelTake { id: accepted.take_id, path: accepted.preview_path.clone(), finished: None }
}

async fn create_some(
    store: &Store,
    project: ProjectId,
    model: &mut Model,
    frame: Option<usize>,
    takes: u64,
) -> Option<(Outcome, Outcome)> {
    let frame = frame.and_then(|n| any_frame(model, n));
    let is_gone = frame.is_some_and(|id| model.life(id) != Life::Live);
    let result = store.create_tasks(request(project, frame, takes)).await;
    if let Ok(created) = &result {
        let id = created.frame.as_ref().expect("a live frame").id;
        assert_eq!(created.frame_is_new, frame.is_none());
        assert_eq!(frame.unwrap_or(id), id);
        if frame.is_none() {
            assert!(model.frames.iter().all(|known| known.id < id), "an id is never used twice");
            model.frames.push(ModelFrame { id, life: Life::Live, selected: None });
        }
        for (n, task) in created.tasks.iter().enumerate() {
            let (take, place) = (queued_take(created, n), model.next_place());
            assert!(model.tasks.iter().all(|known| known.id < task.id), "an id is never used twice");
            let status = TaskStatus::Queued;
            model.tasks.push(ModelTask {
                id: task.id,
                frame: id,
                status,
                attempt: 0,
                take: Some(take),
                deleted: None,
                place,
            });
        }
    }
    Some((outcome(&result), if is_gone { Outcome::NotFound } else { Outcome::Done }))
}

async fn claim_one(store: &Store, model: &mut Model) -> Option<(Outcome, Outcome)> {
    let claimed = store.claim_task().await.expect("the database answers");
    let expected = model.waiting().first().copied();
    assert_eq!(claimed.as_ref().map(|open| open.task.id), expected);
    let claimed = claimed?;
    let task = model.task(claimed.task.id);
    task.status = TaskStatus::Running;
    task.attempt += 1;
    assert_eq!(claimed.task.attempt, task.attempt);
    None
}

async fn complete_one(store: &Store, model: &mut Model, n: usize, is_stale: bool) -> Option<(Outcome, Outcome)> {
    let task = any_task(model, n)?;
    // Pictures of the same millisecond are ordered by id.
    tokio::time::sleep(Duration::from_millis(2)).await;
    let attempt = if is_stale { task.attempt.saturating_sub(1) } else { task.attempt };
    let result = store.complete_task(task.id, attempt, "etag".into(), 7).await;
    let may = task.status == TaskStatus::Running && attempt == task.attempt;
    if may {
        let order = model.next_finished();
        let done = model.task(task.id);
        done.status = TaskStatus::Completed;
        let take = done.take.as_mut().expect("a running task has a take");
        take.finished = Some(order);
        let id = take.id;
        model.frame(task.frame).selected = Some(id);
        let frame = result.as_ref().ok().and_then(|ended| ended.frame.clone());
        assert_eq!(frame.is_some(), model.life(task.frame) == Life::Live);
    }
    Some((outcome(&result), if may { Outcome::Done } else { Outcome::Conflict }))
}

async fn end_one(
    store: &Store,
    model: &mut Model,
    n: usize,
    has_failed: bool,
    from: usize,
) -> Option<(Outcome, Outcome)> {
    let task = any_task(model, n)?;
    let from: &[TaskStatus] =
        [&[TaskStatus::Queued], &[TaskStatus::Running], &[TaskStatus::Paused], &TaskStatus::ALL as &[_]]
            .get(from)
            .copied()?;
    let end = if has_failed { End::Failed("it broke".into()) } else { End::Cancelled };
    let result = store.end_task(task.id, from, end).await;
    let may = task.status.is_open() && from.contains(&task.status);
    if may {
        let was = model.life(task.frame);
        let ended = model.task(task.id);
        ended.status = if has_failed { TaskStatus::Failed } else { TaskStatus::Cancelled };
        ended.take = None;
        model.empty(task.frame);
        let is_removed = was == Life::Live && model.life(task.frame) == Life::Emptied;
        let told = result.as_ref().expect("ended");
        assert_eq!(told.frame_removed.as_ref().map(|frame| frame.id), is_removed.then_some(task.frame));
        assert_eq!(told.frame.is_some(), model.life(task.frame) == Life::Live);
        let path = task.take.as_ref().map(|take| take.path.clone());
        assert_eq!(Some(protocol::media_path(&told.key)), path);
    }
    Some((outcome(&result), if may { Outcome::Done } else { Outcome::Conflict }))
}

async fn retry_one(store: &Store, model: &mut Model, n: usize) -> Option<(Outcome, Outcome)> {
    let task = any_task(model, n)?;
    let result = store.retry_task(task.id, key()).await;
    let has_ended = matches!(task.status, TaskStatus::Failed | TaskStatus::Cancelled);
    let may = has_ended && model.life(task.frame) != Life::Deleted;
    if may {
        let created = result.as_ref().expect("queued again");
        assert_eq!(created.frame_is_new, model.life(task.frame) == Life::Emptied);
        let (take, place) = (queued_take(created, 0), model.next_place());
        model.frame(task.frame).life = Life::Live;
        let again = model.task(task.id);
        (again.status, again.take, again.place) = (TaskStatus::Queued, Some(take), place);
    }
    Some((outcome(&result), if may { Outcome::Done } else { Outcome::Conflict }))
}

async fn requeue_one(store: &Store, model: &mut Model, n: usize) -> Option<(Outcome, Outcome)> {
    let task = any_task(model, n)?;
    let result = store.requeue_task(task.id).await;
    let may = task.status == TaskStatus::Running;
    if may {
        model.task(task.id).status = TaskStatus::Queued;
    }
    Some((outcome(&result), if may { Outcome::Done } else { Outcome::Conflict }))
}

/// Pauses a task: the attempt of a running one, else the queued one.
async fn pause_one(store: &Store, model: &mut Model, n: usize, is_stale: bool) -> Option<(Outcome, Outcome)> {
    let task = any_task(model, n)?;
    let (result, may) = match task.status {
        TaskStatus::Running => {
            let attempt = if is_stale { task.attempt.saturating_sub(1) } else { task.attempt };
            (store.pause_attempt(task.id, attempt, 5).await, !is_stale)
        }
        status => (store.pause_task(task.id).await, status == TaskStatus::Queued),
    };
    if may {
        let open = result.as_ref().expect("paused");
        assert_eq!((open.task.status, open.task.attempt), (TaskStatus::Paused, task.attempt));
        model.task(task.id).status = TaskStatus::Paused;
    }
    Some((outcome(&result), if may { Outcome::Done } else { Outcome::Conflict }))
}

async fn resume_one(store: &Store, model: &mut Model, n: usize) -> Option<(Outcome, Outcome)> {
    let task = any_task(model, n)?;
    let result = store.resume_task(task.id, false).await;
    let may = task.status == TaskStatus::Paused;
    if may {
        model.task(task.id).status = TaskStatus::Queued;
    }
    Some((outcome(&result), if may { Outcome::Done } else { Outcome::Conflict }))
}

async fn delete_frame(store: &Store, model: &mut Model, n: usize) -> Option<(Outcome, Outcome)> {
    let id = any_frame(model, n)?;
    let result = store.delete_frame(id).await;
    let may = model.life(id) == Life::Live;
    if may {
        let open: Vec<TaskId> =
            model.tasks.iter().filter(|task| task.frame == id && task.status.is_open()).map(|task| task.id).collect();
        assert_eq!(result.as_ref().expect("deleted").open_tasks, open);
        model.frame(id).life = Life::Deleted;
    }
    Some((outcome(&result), if may { Outcome::Done } else { Outcome::NotFound }))
}

async fn restore_frame(store: &Store, model: &mut Model, n: usize) -> Option<(Outcome, Outcome)> {
    let id = any_frame(model, n)?;
    let result = store.restore_frame(id).await;
    let may = !model.is_bare(id);
    if may {
        model.frame(id).life = Life::Live;
    }
    Some((outcome(&result), if may { Outcome::Done } else { Outcome::NotFound }))
}

async fn delete_take(store: &Store, model: &mut Model, n: usize) -> Option<(Outcome, Outcome)> {
    let (task, take) = any_take(model, n)?;
    let result = store.delete_take(take.id).await;
    let mut without = model.clone();
    without.task(task.id).deleted = Some(without.drop_take(task.id));
    let expected = match () {
        () if model.life(task.frame) != Life::Live => Outcome::NotFound,
        () if task.status.is_open() || without.is_bare(task.frame) => Outcome::Conflict,
        () => {
            *model = without;
            Outcome::Done
        }
    };
    Some((outcome(&result), expected))
}

async fn restore_take(store: &Store, model: &mut Model, n: usize) -> Option<(Outcome, Outcome)> {
    let deleted: Vec<ModelTask> = model.tasks.iter().filter(|task| task.deleted.is_some()).cloned().collect();
    let task = deleted.get(n % deleted.len().max(1))?;
    let take = task.deleted.clone()?;
    let result = store.restore_take(take.id).await;
    if model.life(task.frame) == Life::Deleted {
        return Some((outcome(&result), Outcome::Conflict));
    }
    let again = model.task(task.id);
    (again.take, again.deleted) = (Some(take.clone()), None);
    let frame = model.frame(task.frame);
    frame.life = Life::Live;
    frame.selected.get_or_insert(take.id);
    assert_eq!(result.as_ref().map(|frame| frame.id).ok(), Some(task.frame));
    Some((outcome(&result), Outcome::Done))
}

async fn forget_take(store: &Store, model: &mut Model, n: usize) -> Option<(Outcome, Outcome)> {
    let (task, take) = any_take(model, n)?;
    let result = store.forget_take(take.id).await;
    let may = take.finished.is_some();
    if may {
        model.drop_take(task.id);
        model.empty(task.frame);
    }
    Some((outcome(&result), if may { Outcome::Done } else { Outcome::Conflict }))
}

async fn select(store: &Store, model: &mut Model, frame: usize, take: usize) -> Option<(Outcome, Outcome)> {
    let (id, (task, take)) = (any_frame(model, frame)?, any_take(model, take)?);
    let result = store.update_frame(id, FramePatch { take_id: Some(take.id), ..FramePatch::default() }).await;
    let expected = match () {
        () if model.life(id) != Life::Live => Outcome::NotFound,
        () if task.frame != id || take.finished.is_none() => Outcome::Invalid,
        () => {
            model.frame(id).selected = Some(take.id);
            Outcome::Done
        }
    };
    Some((outcome(&result), expected))
}

async fn move_frame(store: &Store, model: &mut Model, n: usize, rank: usize) -> Option<(Outcome, Outcome)> {
    let id = any_frame(model, n)?;
    let position = Some(u32::try_from(rank).expect("a small number"));
    let result = store.update_frame(id, FramePatch { position, ..FramePatch::default() }).await;
    let may = model.life(id) == Life::Live;
    if may {
        assert_eq!(result.as_ref().expect("moved")[0].id, id);
        model.move_frame(id, rank);
    }
    Some((outcome(&result), if may { Outcome::Done } else { Outcome::NotFound }))
}

async fn reorder(store: &Store, model: &mut Model, by: usize, named: usize) -> Option<(Outcome, Outcome)> {
    let mut order = model.waiting();
    let by = by % order.len().max(1);
    order.rotate_left(by);
    // Tasks that are not named follow in their old order.
    let (front, back) = order.split_at(named % (order.len() + 1));
    let still: Vec<TaskId> = model.waiting().into_iter().filter(|id| back.contains(id)).collect();
    let result = store.reorder_queue(front).await;
    model.reorder(&[front, &still].concat());
    Some((outcome(&result), Outcome::Done))
}

async fn duplicate(store: &Store, model: &mut Model, n: usize) -> Option<(Outcome, Outcome)> {
    let id = any_frame(model, n)?;
    let selected = model.frame(id).selected;
    let result = store.duplicate_frame(id, selected.unwrap_or(TakeId(0)), key()).await;
    let expected = match selected {
        _ if model.life(id) != Life::Live => Outcome::NotFound,
        None => Outcome::Invalid,
        Some(_) => {
            let copy = result.as_ref().expect("copied")[0].clone();
            let at = model.frames.iter().position(|frame| frame.id == id).expect("the original");
            let frame = ModelFrame { id: copy.id, life: Life::Live, selected: Some(copy.take_id) };
            model.frames.insert(at + 1, frame);
            let source = model.tasks.iter().find(|task| task.take.as_ref().map(|take| take.id) == selected);
            let attempt = source.expect("the copied take's task").attempt;
            let (place, finished) = (model.next_place(), Some(model.next_finished()));
            let take = Some(ModelTake { id: copy.take_id, path: copy.path, finished });
            let status = TaskStatus::Completed;
            model.tasks.push(ModelTask {
                id: copy.task_id,
                frame: copy.id,
                status,
                attempt,
                take,
                deleted: None,
                place,
            });
            Outcome::Done
        }
    };
    Some((outcome(&result), expected))
}

async fn import(
    store: &Store,
    project: ProjectId,
    model: &mut Model,
    rank: Option<usize>,
) -> Option<(Outcome, Outcome)> {
    let position = rank.map(|rank| u32::try_from(rank).expect("a small number"));
    let result = store.import_frame(project, position, finished_take()).await;
    let made = result.as_ref().expect("imported")[0].clone();
    model.frames.push(ModelFrame { id: made.id, life: Life::Live, selected: Some(made.take_id) });
    if let Some(rank) = rank {
        model.move_frame(made.id, rank);
    }
    let (place, finished) = (model.next_place(), Some(model.next_finished()));
    let take = Some(ModelTake { id: made.take_id, path: made.path, finished });
    let status = TaskStatus::Completed;
    model.tasks.push(ModelTask { id: made.task_id, frame: made.id, status, attempt: 1, take, deleted: None, place });
    Some((outcome(&result), Outcome::Done))
}
