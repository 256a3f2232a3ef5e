//! Pictures that were made elsewhere, and blank ones, onto the timeline.

use super::Strip;
use crate::{browser, components::Icon, view::icon_button};
use leptos::{ev, prelude::*, task::spawn_local};
use protocol::{Frame, FrameId};
use serde::Deserialize;
use timeline::{Clip, Edit};

/// What can be read, for the browser's file dialog.
const ACCEPT: &str = "image/png,image/jpeg,image/webp";

/// A problem document, as far as a person needs it.
#[derive(Deserialize)]
struct Refusal {
    detail: String,
}

impl Strip {
    /// The two buttons of the bar.
    pub(super) fn bring(self) -> AnyView {
        let chosen = move |event: ev::Event| {
            if let Some(field) = browser::target(&event) {
                self.bring_files(browser::chosen_files(&field), self.behind_shown());
            }
        };
        view! {
            <label class="icon-button" title="Add pictures: PNG, JPEG, WebP">
                {Icon::Picture.view()}
                <input class="visually-hidden" type="file" accept=ACCEPT multiple=true aria-label="Add pictures" on:change=chosen/>
            </label>
            {icon_button("blank", "", "Add a blank frame", Icon::Blank)}
        }
        .into_any()
    }

    /// Files that are dropped on the strip come to stand where they fell.
    pub(super) fn dropped_files(self, event: &ev::DragEvent) {
        let files = browser::dropped_files(event);
        if files.is_empty() {
            return;
        }
        event.prevent_default();
        let time = self.axis.get_untracked().time_from_x(self.x_of(event));
        self.bring_files(files, self.clips.with_untracked(|clips| clips.gap_at(time)));
    }

    /// A blank frame behind the shown one.
    pub(super) fn bring_blank(self) {
        let at = self.behind_shown();
        spawn_local(async move {
            let made = self.send(None, at).await;
            if let Some(Edit::Restore { clip, .. }) = made {
                self.store.chosen.try_set(Some(FrameId(clip.id)));
            }
            self.note(made.into_iter().collect());
        });
    }

    fn behind_shown(self) -> usize {
        let shown = self.shown();
        self.clips.with_untracked(|clips| {
            let place = shown.and_then(|id| clips.place(id.0));
            place.map_or(clips.len(), |place| place + 1)
        })
    }

    /// One after the other, so that they stand in their order; the first that is refused ends it.
    fn bring_files(self, files: Vec<browser::File>, at: usize) {
        spawn_local(async move {
            let mut made = Vec::new();
            for (place, file) in (at..).zip(files) {
                match self.send(Some(file), place).await {
                    Some(edit) => made.push(edit),
                    None => break,
                }
            }
            if let Some(Edit::Restore { clip, .. }) = made.last() {
                self.store.chosen.try_set(Some(FrameId(clip.id)));
            }
            self.note(made);
        });
    }

    /// Sends a picture, or the wish for a blank one; what Undo takes back, or none if it was refused.
    async fn send(self, file: Option<browser::File>, at: usize) -> Option<Edit> {
        let store = self.store;
        let path = format!("/api/v1/projects/{}/frames?position={at}", store.project_id());
        let answer = browser::post_file(&path, file.as_ref()).await.unwrap_or_default();
        if let Ok(frame) = serde_json::from_str::<Frame>(&answer) {
            return Some(Edit::Restore { clip: Clip { id: frame.id.0, duration: frame.duration }, at });
        }
        let why =
            serde_json::from_str::<Refusal>(&answer).map_or("The server did not answer.".to_owned(), |r| r.detail);
        let name = file.map(|file| browser::file_name(&file)).unwrap_or_default();
        let told = if name.is_empty() { why } else { format!("{name}: {why}") };
        store.refused.try_set(Some(crate::error::sentence(&told)));
        None
    }
}
