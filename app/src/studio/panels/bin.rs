//! The bin: what was deleted of the project or cancelled, to be restored.

use crate::{
    act::clicked,
    browser,
    buttons::button,
    format,
    serverfns::{bin::get_bin, frames::restore_frame, takes::restore_take, tasks::retry_task},
    studio::{Store, address},
    view::{Erase, dynamic, nothing},
};
use leptos::{ev, prelude::*, task::spawn_local};
use protocol::{Bin as Deleted, BinItem, BinKind, FrameId, TakeId, TaskId};

/// The actions of the panel's buttons; their ids are those of frames, takes and tasks.
const RESTORE_FRAME: &str = "restore-frame";
const RESTORE_TAKE: &str = "restore-take";
const RETRY_TASK: &str = "retry-task";
/// Width of a picture, CSS pixels.
const PICTURE_PX: u32 = 80;

/// The panel's state: what the server has listed last.
#[derive(Clone, Copy)]
pub struct Bin {
    store: Store,
    deleted: RwSignal<Option<Deleted>>,
}

impl Bin {
    /// The state for a studio. The list is read again whenever frames or takes change.
    pub fn new(store: Store) -> Self {
        let bin = Self { store, deleted: RwSignal::new(None) };
        let changes = Memo::new(move |_| store.state.with(|state| state.frame_changes));
        Effect::new(move |_| {
            changes.get();
            bin.read();
        });
        bin
    }

    fn read(self) {
        let project = self.store.project_id();
        spawn_local(async move {
            match get_bin(project).await.and_then(|deleted| deleted.open()) {
                Ok(deleted) => _ = self.deleted.try_set(Some(deleted)),
                Err(error) => self.store.refuse(error),
            }
        });
    }

    fn click(self, event: &ev::MouseEvent) {
        match clicked(event) {
            Some((act, id)) if act == RESTORE_FRAME => self.store.run(restore_frame(FrameId(id))),
            Some((act, id)) if act == RESTORE_TAKE => self.store.run(restore_take(TakeId(id))),
            Some((act, id)) if act == RETRY_TASK => self.store.run(retry_task(TaskId(id))),
            _ => {}
        }
    }

    /// The panel's content.
    pub fn content(self) -> AnyView {
        let rows = dynamic(move || match self.deleted.get() {
            None => nothing(),
            Some(deleted) if deleted.items.is_empty() => {
                view! { <p class="flyout-text">"The bin is empty."</p> }.erase()
            }
            Some(Deleted { items, total }) => {
                let more = total.saturating_sub(items.len() as u64);
                let more = (more > 0).then(|| {
                    view! { <p class="flyout-text">{format!("{more} older ones are not shown.")}</p> }.erase()
                });
                let rows: Vec<AnyView> = items.iter().map(row).collect();
                view! { <ul class="bin-list">{rows}</ul>{more} }.erase()
            }
        });
        view! {
            <div class="bin-content" on:click=move |event: ev::MouseEvent| self.click(&event)>
                <p class="flyout-text">"Deleted frames and takes and cancelled pictures are kept for 30 days."</p>
                {rows}
            </div>
        }
        .erase()
    }
}

/// The time since then: `3 h 5 min ago`.
fn ago(time: &str) -> String {
    let seconds = browser::ms_since(time).unwrap_or_default() / 1000;
    format!("{} ago", format::uptime(seconds))
}

fn row(item: &BinItem) -> AnyView {
    let (what, act, id, label) = match item.kind {
        BinKind::Frame => ("Frame, deleted ", RESTORE_FRAME, item.frame_id.0, "Restore"),
        BinKind::Take => ("Take, deleted ", RESTORE_TAKE, item.take_id.map_or(0, |id| id.0), "Restore"),
        BinKind::Task => ("Cancelled ", RETRY_TASK, item.task_id.0, "Queue again"),
    };
    let picture = item.path.as_ref().map(|path| {
        let url = format!("{path}?v={}", address::hash(item.etag.as_deref().unwrap_or_default()));
        let url = address::thumbnail(url, (item.width, item.height), PICTURE_PX);
        view! { <img class="bin-picture" src=url alt="" width=item.width height=item.height loading="lazy"/> }.erase()
    });
    let name = if item.prompt.is_empty() { "Imported or blank".to_owned() } else { item.prompt.clone() };
    view! {
        <li class="bin-row">
            {picture}
            <p class="bin-prompt" dir="auto">{name}</p>
            <p class="bin-time">{what}<time datetime=item.deleted_at.clone()>{ago(&item.deleted_at)}</time></p>
            {button("button button-small", act, id, label)}
        </li>
    }
    .erase()
}
