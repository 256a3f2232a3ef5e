//! The page of the servers and workers that share the database: what each has and does, and a button that drains it.

use crate::{
    components::TopBar,
    format::count,
    live::{Live, wire},
    view::{Erase, dynamic, list, nothing, words},
};
use leptos::prelude::*;
use protocol::{TaskId, Worker, Workers, url_path};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The fields of `generation_progress` that the page shows.
#[derive(Deserialize)]
struct Progress {
    task_id: TaskId,
    step: u32,
    total_steps: u32,
}

/// The page's state as signals.
#[derive(Clone, Copy)]
struct View {
    workers: RwSignal<Vec<Worker>>,
    /// Step and number of steps of running tasks.
    steps: RwSignal<BTreeMap<TaskId, (u32, u32)>>,
}

impl View {
    /// A message of the socket.
    fn handle_message(self, text: &str) {
        match wire::kind(text).as_deref() {
            Some("workers_updated") => {
                let Some(Workers { workers }) = wire::data(text) else { return };
                let runs = |task: &TaskId| workers.iter().any(|worker| worker.tasks.contains(task));
                self.steps.update(|steps| steps.retain(|task, _| runs(task)));
                self.workers.set(workers);
            }
            Some("generation_progress") => {
                let Some(Progress { task_id, step, total_steps }) = wire::data(text) else { return };
                self.steps.update(|steps| _ = steps.insert(task_id, (step, total_steps)));
            }
            _ => {}
        }
    }

    fn row(self, key: i64) -> AnyView {
        let find = move |workers: &Vec<Worker>| workers.iter().find(|worker| self::key(worker) == key).cloned();
        let Some(first) = self.workers.with_untracked(find) else { return nothing() };
        // It keeps its last value until its row is removed.
        let worker = Memo::new(move |last: Option<&Worker>| {
            self.workers.with(find).unwrap_or_else(|| last.unwrap_or(&first).clone())
        });
        let of = move |read: fn(&Worker) -> String| words(move || worker.with(read));
        let now = words(move || worker.with(|worker| self.steps.with(|steps| doing(worker, steps))));
        let button = Memo::new(move |_| worker.with(button));
        let id = worker.with_untracked(|worker| worker.id.0.clone());
        let of_row = id.clone();
        view! {
            <tr data-worker=of_row>
                <th scope="row">{of(|worker| worker.name.clone())}</th>
                <td>{of(|worker| worker.kind.as_str().to_owned())}</td>
                <td>{of(device)}</td>
                <td>{of(models)}</td>
                <td class="worker-now">{now}</td>
                <td>{dynamic(move || button.get().map_or_else(nothing, |act| drain_button(&id, act)))}</td>
            </tr>
        }
        .erase()
    }
}

/// The id as a number, for the keyed list.
fn key(worker: &Worker) -> i64 {
    let digits = worker.id.0.get(..16).unwrap_or(&worker.id.0);
    u64::from_str_radix(digits, 16).unwrap_or_default() as i64
}

fn device(worker: &Worker) -> String {
    match worker.concurrency {
        0 => "makes no pictures".to_owned(),
        1 => worker.device.clone(),
        at_once => format!("{}, {at_once} at a time", worker.device),
    }
}

/// The names of the models; those in memory are marked.
fn models(worker: &Worker) -> String {
    if worker.concurrency == 0 {
        return String::new();
    }
    let name = |name: &String| match worker.loaded.contains(name) {
        true => format!("{name} (loaded)"),
        false => name.clone(),
    };
    worker.models.iter().map(|model| name(&model.name)).collect::<Vec<_>>().join(", ")
}

/// `task 7, step 12 of 30`, `idle`, `drains: task 7` or `drained`.
fn doing(worker: &Worker, steps: &BTreeMap<TaskId, (u32, u32)>) -> String {
    let task = |task: &TaskId| match steps.get(task) {
        Some((step, total)) => format!("task {task}, step {step} of {total}"),
        None => format!("task {task}"),
    };
    let tasks: Vec<String> = worker.tasks.iter().map(task).collect();
    match (tasks.is_empty(), worker.draining) {
        (true, true) => "drained".to_owned(),
        (true, false) => "idle".to_owned(),
        (false, true) => format!("drains: {}", tasks.join("; ")),
        (false, false) => tasks.join("; "),
    }
}

/// The address and the label of a worker's button. None for a server that makes no pictures anyway.
fn button(worker: &Worker) -> Option<(&'static str, &'static str)> {
    match (worker.draining, worker.concurrency) {
        (true, _) => Some(("/fn/workers/resume", "Resume")),
        (false, 0) => None,
        (false, _) => Some(("/fn/workers/drain", "Drain")),
    }
}

/// Also works without script.
fn drain_button(id: &str, (path, label): (&str, &'static str)) -> AnyView {
    view! {
        <form class="inline-form" method="post" action=url_path(path)>
            <input type="hidden" name="id" value=id.to_owned()/>
            <button class="button button-small" type="submit">{label}</button>
        </form>
    }
    .erase()
}

/// The page. Events keep it current.
#[component]
pub fn WorkersPage(
    /// What the page was rendered with.
    workers: Vec<Worker>,
) -> impl IntoView {
    let view = View { workers: RwSignal::new(workers), steps: RwSignal::default() };
    Live::expect().listen(move |text| view.handle_message(text), || "/ws".to_owned());
    let keys = Memo::new(move |_| view.workers.with(|workers| workers.iter().map(key).collect::<Vec<_>>()));
    let is_alone = Memo::new(move |_| view.workers.with(Vec::is_empty));
    let table = move || {
        match is_alone.get() {
        true => view! {
            <p class="workers-none">
                "This server makes all pictures itself. On a PostgreSQL database several servers and workers divide the work."
            </p>
        }
        .erase(),
        false => view! {
            <div class="workers-table">
                <table>
                    <thead>
                        <tr>
                            <th scope="col">"Name"</th>
                            <th scope="col">"Kind"</th>
                            <th scope="col">"Device"</th>
                            <th scope="col">"Models"</th>
                            <th scope="col">"Now"</th>
                            <th scope="col"><span class="visually-hidden">"Drain or resume"</span></th>
                        </tr>
                    </thead>
                    <tbody>{list(keys.into(), move |key| view.row(key))}</tbody>
                </table>
            </div>
        }
        .erase(),
    }
    };
    view! {
        <TopBar/>
        <main id="main" class="page" tabindex="-1">
            <div class="page-head">
                <h1 class="page-title">"Workers"</h1>
                <p class="page-count">{words(move || count(view.workers.with(Vec::len), "process", "processes"))}</p>
            </div>
            {dynamic(table)}
        </main>
    }
    .erase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{WorkerId, WorkerKind, WorkerModel};

    #[test]
    fn a_row_says_what_a_worker_has_and_does() {
        let model = |name: &str| WorkerModel { name: name.to_owned(), fingerprint: None };
        let worker = Worker {
            id: WorkerId("ffffffffffffffff0123456789abcdef".into()),
            name: "gpu-1".into(),
            kind: WorkerKind::Worker,
            version: "1".into(),
            device: "CPU".into(),
            concurrency: 2,
            models: vec![model("a"), model("b")],
            loaded: vec!["b".into()],
            draining: false,
            tasks: vec![TaskId(7), TaskId(9)],
        };
        let steps = BTreeMap::from([(TaskId(7), (12, 30))]);
        assert_eq!((device(&worker).as_str(), models(&worker).as_str()), ("CPU, 2 at a time", "a, b (loaded)"));
        assert_eq!(doing(&worker, &steps), "task 7, step 12 of 30; task 9");
        assert_eq!(key(&worker), -1);
        let drains = Worker { draining: true, ..worker.clone() };
        assert_eq!(doing(&drains, &steps), "drains: task 7, step 12 of 30; task 9");
        let label = |worker: &Worker| button(worker).map(|(_, label)| label);
        assert_eq!((label(&worker), label(&drains)), (Some("Drain"), Some("Resume")));
        assert_eq!(label(&Worker { concurrency: 0, ..worker.clone() }), None, "it makes no pictures");
        assert_eq!(doing(&Worker { tasks: Vec::new(), ..drains }, &steps), "drained");
        let web = Worker { tasks: Vec::new(), concurrency: 0, ..worker };
        assert_eq!((device(&web).as_str(), models(&web).as_str()), ("makes no pictures", ""));
        assert_eq!(doing(&web, &steps), "idle");
    }
}
