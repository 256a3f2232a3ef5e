//! What buttons say: one listener at the studio's root reads `data-act` and `data-id`, in place of a
//! closure for each button.

use super::Store;
use crate::{
    browser,
    serverfns::{
        queue::{pause_queue, reorder_queue},
        tasks::{cancel_task, keep_task, retry_task},
    },
};
use leptos::{prelude::*, web_sys};
use protocol::TaskId;

/// The act of the button that was pressed, and its id: its own, else that of the part of the page that it is in.
pub fn pressed(event: &web_sys::Event) -> Option<(String, i64)> {
    let target = browser::target(event)?;
    let button = target.closest("[data-act]").ok()??;
    let act = button.get_attribute("data-act")?;
    let named = button.closest("[data-id]:not([data-id=''])").ok().flatten();
    let id = named.and_then(|part| part.get_attribute("data-id")?.parse().ok()).unwrap_or_default();
    Some((act, id))
}

/// Does it. True if it was one of these, and the browser's own answer (a form's post) is not wanted.
pub fn act(store: Store, act: &str, id: i64) -> bool {
    match act {
        "cancel" => store.run(cancel_task(TaskId(id))),
        "keep" => store.run(keep_task(TaskId(id))),
        "retry" => store.run(retry_task(TaskId(id))),
        "dismiss" => store.state.update(|state| state.dismiss(TaskId(id))),
        "first" => store.run(reorder_queue(vec![TaskId(id)])),
        "pause" => store.run(pause_queue(true)),
        "resume" => store.run(pause_queue(false)),
        "cancel-all" => cancel_all(store),
        "onion" => store.onion.update(|onion| *onion = (*onion + 1) % 4),
        "understood" => store.refused.set(None),
        _ => return false,
    }
    true
}

fn cancel_all(store: Store) {
    let waiting = store.state.with_untracked(|state| state.tasks.clone());
    // Those that wait first, so that none starts in place of the one that is stopped.
    for task in waiting.into_iter().rev() {
        store.run(cancel_task(task.task_id));
    }
}
