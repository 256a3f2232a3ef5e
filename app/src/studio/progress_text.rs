//! Progress of a task as text.

use protocol::{TaskStatus, TaskSummary};

/// `Queued`, `Overnight`, `Overnight, at step 12 of 30`, `Step 12/30` or `Paused at step 12 of 30`.
pub fn step(task: &TaskSummary) -> String {
    match task.status {
        TaskStatus::Queued if task.overnight && task.step > 0 => {
            format!("Overnight, at step {} of {}", task.step, task.total_steps)
        }
        TaskStatus::Queued if task.overnight => "Overnight".to_owned(),
        TaskStatus::Queued => "Queued".to_owned(),
        TaskStatus::Paused => format!("Paused at step {} of {}", task.step, task.total_steps),
        _ => format!("Step {}/{}", task.step, task.total_steps),
    }
}

/// `8 s left`, `3 min left`, `waiting: the disk is full` or `loading sdxl: 37 %`; empty while unknown.
pub fn time_left(task: &TaskSummary) -> String {
    if let Some(reason) = &task.waiting_for {
        return ["waiting: ", reason].concat();
    }
    if let Some(loading) = &task.loading {
        return format!("loading {}: {} %", loading.model, loading.percent);
    }
    let left = task.eta_ms.filter(|_| task.status == TaskStatus::Running);
    left.map(|ms| format!("{} left", lasting(ms))).unwrap_or_default()
}

/// `8 s`, `3 min`, `2 h`. Rounded up, so that it is never `0 s` before the end.
pub fn lasting(ms: u64) -> String {
    match ms.div_ceil(1000) {
        s @ 0..100 => format!("{s} s"),
        s @ 100..6000 => format!("{} min", s.div_ceil(60)),
        s => format!("{} h", s.div_ceil(3600)),
    }
}

/// A task's line in the queue: `Waiting`, `Waiting for a worker with the model "sdxl"`, `Overnight`, `Step 12 of 30 · 8 s left`,
/// `loading sdxl: 37 %`, or `Paused at step 12 of 30`.
pub fn in_queue(task: &TaskSummary) -> String {
    match (task.status, &task.loading) {
        (TaskStatus::Queued, _) => match &task.waiting_for {
            Some(reason) => ["Waiting for ", reason].concat(),
            None if task.overnight => step(task),
            None => "Waiting".to_owned(),
        },
        (TaskStatus::Paused, _) => step(task),
        (_, Some(_)) => time_left(task),
        _ => {
            let step = format!("Step {} of {}", task.step, task.total_steps);
            let left = time_left(task);
            if left.is_empty() { step } else { format!("{step} · {left}") }
        }
    }
}

/// Progress in thousandths: of the steps, or of the model that is loaded before the first one.
pub fn done_permille(task: &TaskSummary) -> u32 {
    if let Some(loading) = &task.loading {
        return u32::from(loading.percent.min(100)) * 10;
    }
    (task.step.min(task.total_steps) * 1000).checked_div(task.total_steps).unwrap_or_default()
}

/// The mean progress of the running tasks, percent; none if none runs.
pub fn running_percent(tasks: &[TaskSummary]) -> Option<u32> {
    let running = tasks.iter().filter(|task| task.status == TaskStatus::Running).map(done_permille);
    let (count, sum) = running.fold((0, 0), |(count, sum), permille| (count + 1, sum + permille));
    (sum / 10).checked_div(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::state::examples::task;

    fn at(status: TaskStatus, step: u32, eta_ms: Option<u64>) -> TaskSummary {
        TaskSummary { status, step, eta_ms, ..task(1) }
    }

    #[test]
    fn it_says_how_far_it_is() {
        assert_eq!(step(&at(TaskStatus::Queued, 0, None)), "Queued");
        assert_eq!(step(&at(TaskStatus::Running, 12, None)), "Step 12/30");
        assert_eq!(step(&at(TaskStatus::Paused, 8, None)), "Paused at step 8 of 30");
        assert_eq!(in_queue(&at(TaskStatus::Paused, 8, None)), "Paused at step 8 of 30");
        let overnight = |step| TaskSummary { overnight: true, ..at(TaskStatus::Queued, step, None) };
        assert_eq!([0, 8].map(|step| in_queue(&overnight(step))), ["Overnight", "Overnight, at step 8 of 30"]);
        assert_eq!(done_permille(&at(TaskStatus::Running, 12, None)), 400);
        assert_eq!(done_permille(&TaskSummary { total_steps: 0, ..task(1) }), 0);
    }

    #[test]
    fn the_percentage_is_of_running_tasks_alone() {
        let running = |step| at(TaskStatus::Running, step, None);
        assert_eq!(running_percent(&[running(12), running(21), at(TaskStatus::Queued, 0, None)]), Some(55));
        assert_eq!(running_percent(&[running(30)]), Some(100));
        assert_eq!(running_percent(&[at(TaskStatus::Paused, 12, None)]), None);
    }

    #[test]
    fn it_says_how_long_it_takes() {
        let left = |ms| time_left(&at(TaskStatus::Running, 1, Some(ms)));
        assert_eq!([1, 8000, 8001, 99_000].map(left), ["1 s left", "8 s left", "9 s left", "99 s left"]);
        assert_eq!([100_000, 3_600_000, 36_000_000].map(left), ["2 min left", "60 min left", "10 h left"]);
        assert_eq!(time_left(&at(TaskStatus::Running, 1, None)), "");
        assert_eq!(time_left(&at(TaskStatus::Queued, 0, Some(5))), "");
    }

    #[test]
    fn it_says_how_much_of_a_model_is_loaded() {
        let loading = Some(protocol::ModelLoading { model: "sdxl".into(), percent: 37 });
        let loads = TaskSummary { loading, ..at(TaskStatus::Running, 0, None) };
        assert_eq!((in_queue(&loads), done_permille(&loads)), ("loading sdxl: 37 %".into(), 370));
        assert_eq!(in_queue(&at(TaskStatus::Running, 12, Some(8000))), "Step 12 of 30 · 8 s left");
        assert_eq!(in_queue(&at(TaskStatus::Queued, 0, None)), "Waiting");
    }

    #[test]
    fn it_says_what_it_waits_for() {
        let waits = TaskSummary { waiting_for: Some("the disk is full".into()), ..at(TaskStatus::Running, 30, None) };
        assert_eq!((step(&waits), time_left(&waits)), ("Step 30/30".into(), "waiting: the disk is full".into()));
        let no_worker = Some("a worker with the model \"sdxl\"".into());
        let queued = TaskSummary { waiting_for: no_worker, ..at(TaskStatus::Queued, 0, None) };
        assert_eq!(in_queue(&queued), "Waiting for a worker with the model \"sdxl\"");
    }
}
