//! The grid of cells, and what its buttons do.

use crate::{
    act::clicked,
    browser,
    buttons::icon_button,
    icons::Icon,
    serverfns::tasks::{cancel_task, resume_task, retry_task},
    studio::{
        Store,
        cells::{Cell, OpenWall, Seen, Status, cell_of, cells, others, summary, to_finish},
        inspector::Inspector,
        timeline::Timeline,
    },
    view::{Erase, dynamic, list, nothing, words},
};
use leptos::{ev, prelude::*};
use protocol::{TakeId, TaskId};

// What the buttons do; their names are in the page as `data-act`.
const CLOSE: &str = "wall-close";
const PICK: &str = "wall-pick";
const DISCARD: &str = "wall-discard";
const FINISH: &str = "wall-finish";
const DISCARD_OTHERS: &str = "wall-discard-others";
const UNDO: &str = "wall-undo";

/// The wall of the current frame.
#[derive(Clone, Copy)]
pub struct Wall {
    store: Store,
    inspector: Inspector,
    timeline: Timeline,
    seen: Memo<Seen>,
    /// The tasks that were discarded since it was opened, by one act each.
    discarded: RwSignal<Vec<Vec<TaskId>>>,
}

impl Wall {
    pub fn new(store: Store, inspector: Inspector, timeline: Timeline) -> Self {
        let seen = Memo::new(move |before: Option<&Seen>| {
            let (frame, reads) = (store.wall.with(|wall| wall.as_ref().map(|wall| wall.frame)), inspector.reads());
            // It is being closed: the cell that has the focus stays until the focus is passed on.
            let Some(of) = frame else { return before.cloned().unwrap_or_default() };
            let cells = store.state.with(|state| inspector.with_finished(|takes| cells(of, takes, state)));
            Seen { frame, reads, cells }.after(before)
        });
        let wall = Self { store, inspector, timeline, seen, discarded: RwSignal::new(Vec::new()) };
        // They have one "Undo" here in place of a notice each.
        Effect::new(move |_| {
            for task in wall.noticed() {
                store.state.update(|state| state.dismiss(task));
            }
        });
        wall
    }

    /// The discarded tasks of which there are notices.
    fn noticed(self) -> Vec<TaskId> {
        let is_own = |task| self.discarded.with(|acts| acts.iter().flatten().any(|own| *own == task));
        self.store.state.with(|state| {
            let cancelled = state.ended.iter().filter(|ended| ended.error.is_none()).map(|ended| ended.task_id);
            cancelled.filter(|task| is_own(*task)).collect()
        })
    }

    pub fn view(self) -> AnyView {
        let keys = window_event_listener(ev::keydown, move |event| self.key(&event));
        on_cleanup(move || {
            keys.remove();
            if browser::find(".wall :focus").is_some() {
                request_animation_frame(|| browser::focus(".wall-opener"));
            }
        });
        // The button that opened it passes the focus on. After Generate the form keeps it.
        request_animation_frame(|| {
            if browser::find(".wall-opener:focus").is_some() {
                browser::focus(".wall-take");
            }
        });
        let ids =
            Memo::new(move |_| self.seen.with(|seen| seen.cells.iter().map(|cell| cell.take).collect::<Vec<_>>()));
        let count = words(move || ids.with(|ids| ids.len().to_string()));
        view! {
            <section class="wall" aria-label="All takes" data-count=count on:click=move |event: ev::MouseEvent| self.click(&event)>
                <div class="wall-head">
                    <p class="wall-title" role="status">{words(move || self.seen.with(|seen| summary(&seen.cells)))}</p>
                    {icon_button(CLOSE, "", "Close (Esc)", Icon::Close)}
                </div>
                <ul class="wall-grid">{list(ids.into(), move |id| self.cell(id))}</ul>
                {self.foot()}
            </section>
        }
        .erase()
    }

    fn chosen(self) -> Vec<TaskId> {
        self.store.wall.with(|wall| wall.as_ref().map(|wall| wall.chosen.clone()).unwrap_or_default())
    }

    /// The buttons for the chosen takes and for the others. They stay in the page, so that one that has the focus keeps it.
    fn foot(self) -> AnyView {
        let count = move |of: fn(&[Cell], &[TaskId]) -> usize| {
            Memo::new(move |_| self.seen.with(|seen| of(&seen.cells, &self.chosen())))
        };
        let rough = count(|cells, _| cells.iter().filter(|cell| cell.is_rough).count());
        let finish = count(|cells, chosen| to_finish(cells, chosen).len());
        let others = count(|cells, chosen| others(cells, chosen).len());
        let undo = Memo::new(move |_| self.discarded.with(|acts| acts.last().map_or(0, Vec::len)));
        let labelled = |label: &'static str, count: Memo<usize>| words(move || format!("{label} ({})", count.get()));
        view! {
            <div class="wall-foot" hidden=move || rough.get() + others.get() + undo.get() == 0>
                <button
                    class="button button-small button-primary"
                    type="button"
                    data-act=FINISH
                    hidden=move || rough.get() == 0
                    aria-disabled=words(move || (finish.get() == 0).to_string())
                    aria-keyshortcuts="Enter"
                >
                    {labelled("Finish chosen", finish)}
                </button>
                <button class="button button-small" type="button" data-act=DISCARD_OTHERS hidden=move || others.get() == 0>
                    {labelled("Discard the others", others)}
                </button>
                <button class="button button-small" type="button" data-act=UNDO hidden=move || undo.get() == 0>
                    {labelled("Undo discard", undo)}
                </button>
            </div>
        }
        .erase()
    }

    /// One take.
    fn cell(self, id: i64) -> AnyView {
        let place =
            Memo::new(move |_| self.seen.with(|seen| cell_of(&seen.cells, TakeId(id)).map_or(0, |(at, _)| at + 1)));
        let cell = Memo::new(move |_| {
            self.seen.with(|seen| cell_of(&seen.cells, TakeId(id)).map(|(_, cell)| cell.clone())).unwrap_or_default()
        });
        let of = move |read: fn(&Cell) -> String| words(move || cell.with(read));
        let is_chosen = Memo::new(move |_| {
            let (task, is_open) = cell.with(|cell| (TaskId(cell.task), cell.status.is_open()));
            self.store.wall.with(|wall| is_open && wall.as_ref().is_some_and(|wall| wall.chosen.contains(&task)))
        });
        let pressed = words(move || (is_chosen.get() || cell.with(|cell| cell.selected)).to_string());
        let number = words(move || place.get().to_string());
        let label = words(move || cell.with(|cell| format!("Take {}, {}. Seed {}", place.get(), cell.said, cell.seed)));
        let discard_label = words(move || format!("Discard take {}", place.get()));
        view! {
            <li class="wall-cell" data-id=id data-state=of(|cell| cell.status.as_str().to_owned())>
                <button class="wall-take" type="button" data-act=PICK aria-pressed=pressed aria-label=label>
                    {self.picture(cell)}
                    <span class="wall-number" aria-hidden="true">{number}</span>
                    <span class="wall-said" aria-hidden="true">{of(|cell| cell.said.clone())}</span>
                    <span class="wall-seed" aria-hidden="true">{of(|cell| format!("Seed {}", cell.seed))}</span>
                </button>
                <button class="icon-button wall-discard" type="button" data-act=DISCARD aria-label=discard_label title="Discard (X)">
                    {Icon::Close.view()}
                </button>
            </li>
        }
        .erase()
    }

    /// The picture of a take. That of a forming one changes when the viewer's does: at the chosen interval.
    fn picture(self, cell: Memo<Cell>) -> AnyView {
        let has_picture = Memo::new(move |_| cell.with(|cell| !cell.picture.is_empty()));
        let settled = Memo::new(move |_| {
            cell.with(|cell| if cell.status == Status::Forming { String::new() } else { cell.picture.clone() })
        });
        let src = Memo::new(move |_| {
            let settled = settled.get();
            if !settled.is_empty() {
                return settled;
            }
            self.store.pictures.track();
            cell.with_untracked(|cell| cell.picture.clone())
        });
        dynamic(move || match has_picture.get() {
            true => view! { <img class="wall-picture" src=words(move || src.get()) alt="" draggable="false"/> }.erase(),
            false => nothing(),
        })
    }

    fn click(self, event: &ev::MouseEvent) {
        let Some((act, id)) = clicked(event) else { return };
        match act.as_str() {
            CLOSE => self.close(),
            PICK => self.pick(id),
            DISCARD => self.discard(id),
            FINISH => _ = self.finish(),
            DISCARD_OTHERS => self.discard_others(),
            UNDO => self.undo(),
            _ => {}
        }
    }

    /// The cell of a take, at this moment.
    fn cell_now(self, take: i64) -> Option<Cell> {
        self.seen.with_untracked(|seen| cell_of(&seen.cells, TakeId(take)).map(|(_, cell)| cell.clone()))
    }

    /// Opens a finished take in the viewer, chooses an open one or takes that back, and tries a failed one again.
    pub(super) fn pick(self, take: i64) {
        let Some(cell) = self.cell_now(take) else { return };
        match cell.status {
            Status::Finished => {
                self.timeline.edit(self.inspector.select(TakeId(take)).into_iter().collect());
                self.close();
            }
            Status::Failed => self.store.run(retry_task(TaskId(cell.task))),
            _ => self.store.wall.update(|wall| wall.iter_mut().for_each(|wall| wall.toggle(TaskId(cell.task)))),
        }
    }

    /// As [`Self::pick`], for the take at this place, which also gets the focus.
    pub(super) fn pick_at(self, place: usize) {
        let take = self.seen.with_untracked(|seen| seen.cells.get(place).map(|cell| cell.take));
        if let Some(take) = take {
            browser::focus(&format!(".wall-cell[data-id=\"{take}\"] .wall-take"));
            self.pick(take);
        }
    }

    /// Cancels a take that is not finished, deletes a finished one, and removes one that has failed.
    pub(super) fn discard(self, take: i64) {
        let Some(cell) = self.cell_now(take) else { return };
        let task = TaskId(cell.task);
        match cell.status {
            Status::Finished => {
                self.focus_beside(take);
                self.timeline.edit(self.inspector.delete(TakeId(take)).into_iter().collect());
            }
            Status::Failed => self.store.state.update(|state| state.dismiss(task)),
            _ => {
                self.focus_beside(take);
                self.cancel(vec![task]);
            }
        }
    }

    /// Gives the focus of a cell that goes away to the next one, or the one before it.
    fn focus_beside(self, take: i64) {
        let here = format!(".wall-cell[data-id=\"{take}\"]");
        if browser::find(&format!("{here}:focus-within")).is_none() {
            return;
        }
        let next = format!("{here} + .wall-cell .wall-take");
        let before = format!(".wall-cell:has(+ [data-id=\"{take}\"]) .wall-take");
        browser::focus(if browser::find(&next).is_some() { &next } else { &before });
    }

    /// Lets the chosen takes go on to their ends, in their order. Returns whether there are any.
    pub(super) fn finish(self) -> bool {
        let chosen = untrack(|| self.chosen());
        let tasks = self.seen.with_untracked(|seen| to_finish(&seen.cells, &chosen));
        if tasks.is_empty() {
            return false;
        }
        self.store.run(async move {
            for task in tasks {
                resume_task(task).await?;
            }
            Ok(())
        });
        true
    }

    fn discard_others(self) {
        let chosen = untrack(|| self.chosen());
        self.cancel(self.seen.with_untracked(|seen| others(&seen.cells, &chosen)));
        browser::focus(".wall-take");
    }

    fn cancel(self, tasks: Vec<TaskId>) {
        self.discarded.update(|acts| acts.push(tasks.clone()));
        self.store.run(async move {
            for task in tasks {
                cancel_task(task).await?;
            }
            Ok(())
        });
    }

    /// Makes the takes that were discarded last again.
    fn undo(self) {
        let tasks = self.discarded.try_update(Vec::pop).flatten().unwrap_or_default();
        browser::focus(".wall-take");
        self.store.run(async move {
            for task in tasks {
                retry_task(task).await?;
            }
            Ok(())
        });
    }

    pub(super) fn close(self) {
        // Before the cells are removed: a removed one has lost the focus.
        if browser::find(".wall :focus").is_some() {
            request_animation_frame(|| browser::focus(".wall-opener"));
        }
        self.store.wall.set(None::<OpenWall>);
    }
}
