//! What runs and what waits, of all projects.

use crate::{
    components::Icon,
    studio::{Store, words},
    view::{button, dynamic, list, nothing, post_button, words},
};
use leptos::prelude::*;
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
        <ol class="queue-list">{list(ids.into(), move |id| row(store, TaskId(id)))}</ol>
    }
    .into_any()
}

/// The panel.
pub fn panel(store: Store) -> AnyView {
    super::panel("queue", "Queue", move || content(store))
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
        <li class="queue-row">
            <p class="queue-prompt" dir="auto">{of(|task| task.prompt.clone())}</p>
            <p class="queue-stand">{stand}</p>
            {dynamic(move || if runs.get() { nothing() } else { button("button button-small", "first", id, "Next") })}
            {post_button("button button-small", "/fn/tasks/cancel", "cancel", id, "Cancel")}
        </li>
    }
    .into_any()
}
