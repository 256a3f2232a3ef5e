//! The queue: running and queued tasks of all projects.

use crate::{
    act::Act,
    browser,
    buttons::{button, pause_button, post_button},
    icons::Icon,
    serverfns::queue::reorder_queue,
    studio::{Store, progress_text},
    view::{Erase, dynamic, list, nothing, subscribe, words},
};
use leptos::{
    ev,
    prelude::*,
    web_sys::{self, Element},
};
use protocol::{TaskId, TaskStatus, TaskSummary};

fn count(store: Store) -> usize {
    store.state.with(|state| state.queue.tasks.len())
}

/// The button in the top bar, with the number of tasks.
pub fn opener(store: Store) -> AnyView {
    let label = words(move || match count(store) {
        0 => "Queue, empty".to_owned(),
        n => format!("Queue, {n}"),
    });
    let number = words(move || match count(store) {
        0 => String::new(),
        n => n.to_string(),
    });
    view! {
        <button class="icon-button queue-opener" type="button" popovertarget="queue" aria-label=label title="Queue">
            {Icon::Queue.view()}
            <span class="queue-count" aria-hidden="true">{number}</span>
        </button>
    }
    .erase()
}

/// The panel: buttons, and the tasks in their order.
fn content(store: Store) -> AnyView {
    let ids = Memo::new(move |_| {
        store.state.with(|state| state.queue.tasks.iter().map(|task| task.task_id.0).collect::<Vec<_>>())
    });
    let paused = Memo::new(move |_| store.state.with(|state| state.queue.paused));
    let empty = Memo::new(move |_| ids.with(Vec::is_empty));
    let (dragged, moved) = (RwSignal::new(None), RwSignal::new(None));
    // A row that is moved in the DOM loses the focus.
    Effect::new(move |_| {
        subscribe(ids);
        if let Some(TaskId(id)) = moved.get_untracked() {
            request_animation_frame(move || browser::focus(&format!("[data-task=\"{id}\"] .queue-grip")));
            moved.set(None);
        }
    });
    view! {
        <div class="flyout-acts">
            {dynamic(move || if paused.get() {
                button("button button-small", Act::ResumeQueue, "", "Resume")
            } else {
                button("button button-small", Act::PauseQueue, "", "Pause")
            })}
            {dynamic(move || if empty.get() { nothing() } else { button("button button-small", Act::CancelAll, "", "Cancel all in this project") })}
        </div>
        {dynamic(move || match (empty.get(), paused.get()) {
            (true, _) => view! { <p class="flyout-text">"The queue is empty."</p> }.erase(),
            (false, true) => view! { <p class="flyout-text">"Queue paused. Waiting pictures won't start."</p> }.erase(),
            _ => nothing(),
        })}
        <ol
            class="queue-list"
            on:dragstart=move |event| drag(dragged, &event)
            on:dragover=move |event| if dragged.with_untracked(Option::is_some) { event.prevent_default() }
            on:drop=move |event| drop_task(store, dragged, &event)
            on:keydown=move |event| key(store, moved, &event)
        >
            {list(ids.into(), move |id| row(store, TaskId(id)))}
        </ol>
    }
    .erase()
}

/// The panel.
pub fn panel(store: Store) -> AnyView {
    super::panel("queue", "Queue", move || content(store))
}

/// The handle of a row: drag it, or move the row with the arrow keys while it has the focus.
fn grip() -> AnyView {
    view! {
        <button class="icon-button queue-grip" type="button" aria-label="Move: arrow up, arrow down" title="Drag to move">
            {Icon::Grip.view()}
        </button>
    }
    .erase()
}

/// The row that contains the event's target, and its task.
fn task_at(event: &web_sys::Event) -> Option<(Element, TaskId)> {
    let target = browser::target(event)?;
    let row = target.closest("[data-task]").ok()??;
    let id = row.get_attribute("data-task")?.parse().ok()?;
    Some((row, TaskId(id)))
}

fn drag(dragged: RwSignal<Option<TaskId>>, event: &ev::DragEvent) {
    dragged.set(task_at(event).map(|(_, id)| id));
}

/// Drops a task before the row in whose upper half the pointer is, else after it.
fn drop_task(store: Store, dragged: RwSignal<Option<TaskId>>, event: &ev::DragEvent) {
    let Some(id) = dragged.get_untracked() else { return };
    event.prevent_default();
    dragged.set(None);
    let Some((row, over)) = task_at(event).filter(|(_, over)| *over != id) else { return };
    let area = browser::area(&row);
    let is_after = f64::from(event.client_y()) > area.top + area.height / 2.0;
    let mut order = queued(store);
    order.retain(|task| *task != id);
    // Dropped on a running task: first in the queue.
    let at = order.iter().position(|task| *task == over).map_or(0, |place| place + usize::from(is_after));
    order.insert(at, id);
    store.run(reorder_queue(order));
}

fn key(store: Store, moved: RwSignal<Option<TaskId>>, event: &ev::KeyboardEvent) {
    let up = event.key() == "ArrowUp";
    let on_grip = browser::target(event).is_some_and(|target| target.closest(".queue-grip").ok().flatten().is_some());
    let Some((_, id)) = task_at(event).filter(|_| on_grip && (up || event.key() == "ArrowDown")) else { return };
    event.prevent_default();
    let mut order = queued(store);
    let Some(at) = order.iter().position(|task| *task == id) else { return };
    let to = if up { at.saturating_sub(1) } else { (at + 1).min(order.len() - 1) };
    if to != at {
        order.swap(at, to);
        moved.set(Some(id));
        store.run(reorder_queue(order));
    }
}

/// The queued tasks in order.
fn queued(store: Store) -> Vec<TaskId> {
    let is_queued = |task: &&TaskSummary| task.status == TaskStatus::Queued;
    store.state.with_untracked(|state| state.queue.tasks.iter().filter(is_queued).map(|task| task.task_id).collect())
}

fn row(store: Store, id: TaskId) -> AnyView {
    let task =
        Memo::new(move |_| store.state.with(|state| state.queue.tasks.iter().find(|task| task.task_id == id).cloned()));
    let of = move |read: fn(&TaskSummary) -> String| {
        words(move || task.with(|task| task.as_ref().map(read).unwrap_or_default()))
    };
    let running =
        Memo::new(move |_| task.with(|task| task.as_ref().is_some_and(|task| task.status == TaskStatus::Running)));
    let status = of(progress_text::in_queue);
    let loading = Memo::new(move |_| task.with(|task| task.as_ref().is_some_and(|task| task.loading.is_some())));
    let progress = dynamic(move || match loading.get() {
        true => {
            let done = of(|task| progress_text::done_permille(task).to_string());
            view! { <progress class="queue-progress" max="1000" value=done aria-label="Model loaded"></progress> }
                .erase()
        }
        false => nothing(),
    });
    let paused =
        Memo::new(move |_| task.with(|task| task.as_ref().is_some_and(|task| task.status == TaskStatus::Paused)));
    let is_queued = move || !running.get() && !paused.get();
    view! {
        <li class="queue-row" data-task=id.0 draggable=words(move || is_queued().to_string())>
            {dynamic(move || if is_queued() { grip() } else { nothing() })}
            <p class="queue-prompt" dir="auto">{of(|task| task.prompt.clone())}</p>
            <p class="queue-stand">{status}</p>
            {progress}
            {dynamic(move || if is_queued() { button("button button-small", Act::RunNext, id, "Move to front") } else { nothing() })}
            {dynamic(move || pause_button(id, paused.get()))}
            {post_button("button button-small", "/fn/tasks/cancel", Act::CancelTask, id, "Cancel")}
        </li>
    }
    .erase()
}
