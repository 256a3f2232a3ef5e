//! Finishing a picture in fewer steps than are left.

use crate::{
    browser,
    serverfns::tasks::update_task,
    studio::Store,
    view::{Erase, dynamic, nothing, words},
};
use leptos::{ev, prelude::*};
use protocol::{TaskId, TaskPatch, TaskSummary};

/// Fewest steps that give a better picture than keeping: one step is the same as keeping (docs/performance.md).
const FEWEST: u32 = 2;
/// Number of steps that the field begins with.
const USUAL: u32 = 4;

/// The number of steps for the rest from which there is a choice; none before the first step, or if keeping is as good.
fn most(task: &TaskSummary) -> Option<u32> {
    let left = task.total_steps.saturating_sub(task.step);
    (task.step > 0 && left > FEWEST).then(|| left - 1)
}

/// The button and the number of steps, while there is a choice.
pub fn view(store: Store, id: TaskId) -> AnyView {
    let most = Memo::new(move |_| store.current_task().filter(|task| task.task_id == id).and_then(|task| most(&task)));
    let is_any = Memo::new(move |_| most.with(Option::is_some));
    let finish = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let typed = browser::find("#finish-in").and_then(|field| browser::value(&field)).unwrap_or_default();
        // What is no number is out of range for the server, which says so.
        let steps = typed.trim().parse().unwrap_or_default();
        store.run(update_task(id, TaskPatch { finish_in: Some(steps), ..TaskPatch::default() }));
    };
    dynamic(move || {
        if !is_any.get() {
            return nothing();
        }
        let usual = most.get_untracked().map_or(USUAL, |most| most.min(USUAL));
        view! {
            <form class="inline-form finish" novalidate on:submit=finish title="Does the rest in this many steps: closer to the whole run than keeping">
                <button class="button button-small" type="submit">"Finish in"</button>
                <input
                    id="finish-in"
                    class="finish-steps"
                    type="number"
                    min=FEWEST
                    max=words(move || most.get().unwrap_or(FEWEST).to_string())
                    inputmode="numeric"
                    value=usual
                    aria-label="Finish in"
                />
            </form>
        }
        .erase()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::state::examples::task;

    #[test]
    fn it_is_offered_where_it_beats_keeping() {
        let at = |step, total_steps| most(&TaskSummary { step, total_steps, ..task(1) });
        assert_eq!([at(0, 30), at(1, 30), at(27, 30)], [None, Some(28), Some(2)]);
        assert_eq!([at(28, 30), at(30, 30), at(1, 2)], [None; 3]);
    }
}
