//! What runs and what waits, of all projects.

use crate::{
    browser,
    components::Icon,
    serverfns::queue::reorder_queue,
    studio::{Store, words},
    view::{button, dynamic, list, nothing, post_button, words},
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

/// The bar's button, with how many there are.
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
    .into_any()
}

/// The list, in the order in which it runs.
fn content(store: Store) -> AnyView {
    let ids = Memo::new(move |_| {
        store.state.with(|state| state.queue.tasks.iter().map(|task| task.task_id.0).collect::<Vec<_>>())
    });
    let paused = Memo::new(move |_| store.state.with(|state| state.queue.paused));
    let empty = Memo::new(move |_| ids.with(Vec::is_empty));
    let (dragged, moved) = (RwSignal::new(None), RwSignal::new(None));
    // A row that is moved in the page loses the focus.
    Effect::new(move |_| {
        ids.track();
        if let Some(TaskId(id)) = moved.get_untracked() {
            request_animation_frame(move || browser::focus(&format!("[data-task=\"{id}\"] .queue-grip")));
            moved.set(None);
        }
    });
    view! {
        <div class="flyout-acts">
            {dynamic(move || if paused.get() {
                button("button button-small", "resume", "", "Go on")
            } else {
                button("button button-small", "pause", "", "Pause")
            })}
            {dynamic(move || if empty.get() { nothing() } else { button("button button-small", "cancel-all", "", "Cancel this project's") })}
        </div>
        {dynamic(move || match (empty.get(), paused.get()) {
            (true, _) => view! { <p class="flyout-text">"Nothing runs, nothing waits."</p> }.into_any(),
            (false, true) => view! { <p class="flyout-text">"Paused: what waits goes on waiting."</p> }.into_any(),
            _ => nothing(),
        })}
        <ol
            class="queue-list"
            on:dragstart=move |event| drag(dragged, &event)
            on:dragover=move |event| if dragged.with_untracked(Option::is_some) { event.prevent_default() }
            on:drop=move |event| let_go(store, dragged, &event)
            on:keydown=move |event| key(store, moved, &event)
        >
            {list(ids.into(), move |id| row(store, TaskId(id)))}
        </ol>
    }
    .into_any()
}

/// The panel.
pub fn panel(store: Store) -> AnyView {
    super::panel("queue", "Queue", move || content(store))
}

/// What a task is held by: the pointer may take it anywhere; with the focus on it, the arrows move it.
fn grip() -> AnyView {
    view! {
        <button class="icon-button queue-grip" type="button" aria-label="Move: arrow up, arrow down" title="Drag to move">
            {Icon::Grip.view()}
        </button>
    }
    .into_any()
}

/// The task of the row that an event is in.
fn task_at(event: &web_sys::Event) -> Option<(Element, TaskId)> {
    let target = browser::target(event)?;
    let row = target.closest("[data-task]").ok()??;
    let id = row.get_attribute("data-task")?.parse().ok()?;
    Some((row, TaskId(id)))
}

fn drag(dragged: RwSignal<Option<TaskId>>, event: &ev::DragEvent) {
    dragged.set(task_at(event).map(|(_, id)| id));
}

/// It comes to stand before the row in whose upper half it is let go, else behind it.
fn let_go(store: Store, dragged: RwSignal<Option<TaskId>>, event: &ev::DragEvent) {
    let Some(id) = dragged.get_untracked() else { return };
    event.prevent_default();
    dragged.set(None);
    let Some((row, over)) = task_at(event).filter(|(_, over)| *over != id) else { return };
    let area = browser::area(&row);
    let is_behind = f64::from(event.client_y()) > area.top + area.height / 2.0;
    let mut order = waiting(store);
    order.retain(|task| *task != id);
    // Over one that runs: it is next.
    let at = order.iter().position(|task| *task == over).map_or(0, |place| place + usize::from(is_behind));
    order.insert(at, id);
    store.run(reorder_queue(order));
}

fn key(store: Store, moved: RwSignal<Option<TaskId>>, event: &ev::KeyboardEvent) {
    let up = event.key() == "ArrowUp";
    let on_grip = browser::target(event).is_some_and(|target| target.closest(".queue-grip").ok().flatten().is_some());
    let Some((_, id)) = task_at(event).filter(|_| on_grip && (up || event.key() == "ArrowDown")) else { return };
    event.prevent_default();
    let mut order = waiting(store);
    let Some(at) = order.iter().position(|task| *task == id) else { return };
    let to = if up { at.saturating_sub(1) } else { (at + 1).min(order.len() - 1) };
    if to != at {
        order.swap(at, to);
        moved.set(Some(id));
        store.run(reorder_queue(order));
    }
}

/// What waits, in its order.
fn waiting(store: Store) -> Vec<TaskId> {
    let waits = |task: &&TaskSummary| task.status == TaskStatus::Queued;
    store.state.with_untracked(|state| state.queue.tasks.iter().filter(waits).map(|task| task.task_id).collect())
}

fn row(store: Store, id: TaskId) -> AnyView {
    let task =
        Memo::new(move |_| store.state.with(|state| state.queue.tasks.iter().find(|task| task.task_id == id).cloned()));
    let of = move |read: fn(&TaskSummary) -> String| {
        words(move || task.with(|task| task.as_ref().map(read).unwrap_or_default()))
    };
    let runs =
        Memo::new(move |_| task.with(|task| task.as_ref().is_some_and(|task| task.status == TaskStatus::Running)));
    let stand = of(|task| match task.status {
        TaskStatus::Queued => "waits".to_owned(),
        _ => format!("{} of {} {}", task.step, task.total_steps, words::time_left(task)),
    });
    view! {
        <li class="queue-row" data-task=id.0 draggable=words(move || (!runs.get()).to_string())>
            {dynamic(move || if runs.get() { nothing() } else { grip() })}
            <p class="queue-prompt" dir="auto">{of(|task| task.prompt.clone())}</p>
            <p class="queue-stand">{stand}</p>
            {dynamic(move || if runs.get() { nothing() } else { button("button button-small", "first", id, "Next") })}
            {post_button("button button-small", "/fn/tasks/cancel", "cancel", id, "Cancel")}
        </li>
    }
    .into_any()
}
