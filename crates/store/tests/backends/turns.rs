//! On PostgreSQL tasks are claimed in the order of the function `turns`, which lists the queue and is simulated.

use crate::database::create;
use crate::runs::servers;
use crate::studio::{claim, finish, request};
use protocol::{ProjectId, TaskId, TaskStatus};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::time::Duration;
use store::{NewTasks, OpenTask, Store, Waits, turns};

/// Longer than the test.
const LONG: Duration = Duration::from_secs(600);
const TASKS: usize = 60;

/// What a test knows of the queue.
#[derive(Default)]
struct Queue {
    waiting: Vec<(TaskId, Waits)>,
    running: Vec<OpenTask>,
}

impl Queue {
    /// The task that is claimed next.
    fn next(&self) -> Option<TaskId> {
        let running = self.running.iter().map(|open| open.task.project_id.0);
        let waiting: Vec<_> = self.waiting.iter().map(|(_, waits)| *waits).collect();
        turns(running, &waiting).first().map(|index| self.waiting[*index].0)
    }

    async fn add(&mut self, store: &Store, project: ProjectId, overnight: bool) {
        let tasks = NewTasks { overnight, ..request(project, None, 1) };
        let created = store.create_tasks(tasks).await.expect("created");
        self.waiting.push((created.tasks[0].id, Waits { project: project.0, overnight }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_are_in_the_order_of_the_function() {
    let Some((_database, one, two, first)) = servers().await else { return };
    let mut projects = vec![first];
    for name in ["two", "three", "four"] {
        projects.push(create(&one, name).await.id);
    }
    [&one, &two].iter().for_each(|store| store.set_lease(LONG));
    [&one, &two].iter().for_each(|store| store.take_turns());
    let (mut random, mut queue, mut added) = (StdRng::seed_from_u64(1), Queue::default(), 0);
    while added < TASKS || !queue.waiting.is_empty() {
        match random.random_range(0..10) {
            0..5 if added < TASKS => {
                // The first project has most of the tasks.
                let project = projects[random.random_range(0..8usize).saturating_sub(4)];
                queue.add(&one, project, random.random_bool(0.2)).await;
                added += 1;
            }
            5..9 => {
                let Some(expected) = queue.next() else { continue };
                let open = claim(if random.random() { &one } else { &two }).await;
                assert_eq!(open.task.id, expected, "after {added} tasks");
                queue.waiting.retain(|(id, _)| *id != expected);
                queue.running.push(open);
            }
            _ if !queue.running.is_empty() => {
                let open = queue.running.swap_remove(random.random_range(0..queue.running.len()));
                one.give_back_run(crate::runs::run_of(&open), None).await.expect("answered");
                two.give_back_run(crate::runs::run_of(&open), None).await.expect("answered");
                // It has its old place, before all later ones.
                let waits = Waits { project: open.task.project_id.0, overnight: open.task.overnight };
                let place = queue.waiting.partition_point(|(id, _)| *id < open.task.id);
                match random.random() {
                    true => queue.waiting.insert(place, (open.task.id, waits)),
                    false => one
                        .end_task(open.task.id, &[TaskStatus::Queued], store::End::Cancelled)
                        .await
                        .map(drop)
                        .expect("it waits"),
                }
            }
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_tasks_are_listed_last_and_take_no_turn() {
    let Some((_database, one, _two, first)) = servers().await else { return };
    let second = create(&one, "two").await.id;
    one.set_lease(LONG);
    one.take_turns();
    let mut queue = Queue::default();
    for project in [first, first, first, second] {
        queue.add(&one, project, false).await;
    }
    let ids: Vec<_> = queue.waiting.iter().map(|(id, _)| *id).collect();
    one.pause_task(ids[3]).await.expect("paused");
    one.pause_task(ids[0]).await.expect("paused");
    let listed: Vec<_> = one.get_queue().await.expect("the queue").iter().map(|task| task.id).collect();
    assert_eq!(listed, [ids[1], ids[2], ids[0], ids[3]]);
    let open = claim(&one).await;
    assert_eq!(open.task.id, ids[1]);
    finish(&one, &open).await;
}
