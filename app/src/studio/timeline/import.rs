//! Import: picture files and blank frames onto the timeline.

use super::Timeline;
use crate::{act::Act, browser, buttons::icon_button, icons::Icon, view::Erase};
use leptos::{ev, prelude::*, task::spawn_local};
use protocol::{FieldError, Frame, FrameId};
use serde::Deserialize;
use timeline::{Clip, Edit};

/// Accepted types in the file dialog.
const ACCEPT: &str = "image/png,image/jpeg,image/webp";

/// The part of a problem document that is shown.
#[derive(Deserialize)]
struct Rejection {
    detail: String,
}

/// The warnings in the response of an import.
#[derive(Deserialize)]
struct Warnings {
    #[serde(default)]
    warnings: Vec<FieldError>,
}

/// The result of one import.
struct Imported {
    /// The edit that Undo reverses; none if the import was rejected.
    edit: Option<Edit>,
    /// The error, or warnings.
    messages: Vec<String>,
}

impl Timeline {
    /// The two buttons of the toolbar.
    pub(super) fn import_buttons(self) -> AnyView {
        let chosen = move |event: ev::Event| {
            if let Some(field) = browser::target(&event) {
                self.import_files(browser::chosen_files(&field), self.after_current());
            }
        };
        view! {
            <label class="icon-button" title="Add pictures: PNG, JPEG, WebP">
                {Icon::Picture.view()}
                <input class="visually-hidden" type="file" accept=ACCEPT multiple=true aria-label="Add pictures" on:change=chosen/>
            </label>
            {icon_button(Act::AddBlank, "", "Add a blank frame", Icon::Blank)}
        }
        .erase()
    }

    /// Imports dropped files at the position of the drop.
    pub(super) fn dropped_files(self, event: &ev::DragEvent) {
        let files = browser::dropped_files(event);
        if files.is_empty() {
            return;
        }
        event.prevent_default();
        let time = self.axis.get_untracked().time_from_x(self.x_of(event));
        self.import_files(files, self.clips.with_untracked(|clips| clips.gap_at(time)));
    }

    /// Adds a blank frame after the current one.
    pub fn add_blank(self) {
        let at = self.after_current();
        spawn_local(async move {
            let Imported { edit, messages } = self.import(None, at).await;
            if let Some(Edit::Restore { clip, .. }) = edit {
                self.store.chosen.try_set(Some(FrameId(clip.id)));
            }
            self.show_messages(&messages);
            self.record(edit.into_iter().collect());
        });
    }

    fn after_current(self) -> usize {
        let current = self.current();
        self.clips.with_untracked(|clips| {
            let place = current.and_then(|id| clips.place(id.0));
            place.map_or(clips.len(), |place| place + 1)
        })
    }

    /// Imports files one after the other, so that their frames are in the same order. A rejected file leaves no gap.
    fn import_files(self, files: Vec<browser::File>, at: usize) {
        spawn_local(async move {
            let (mut edits, mut messages) = (Vec::new(), Vec::new());
            for file in files {
                let imported = self.import(Some(file), at + edits.len()).await;
                edits.extend(imported.edit);
                messages.extend(imported.messages);
            }
            if let Some(Edit::Restore { clip, .. }) = edits.last() {
                self.store.chosen.try_set(Some(FrameId(clip.id)));
            }
            self.show_messages(&messages);
            self.record(edits);
        });
    }

    /// Uploads a picture; without a file the server makes a blank frame.
    async fn import(self, file: Option<browser::File>, at: usize) -> Imported {
        let store = self.store;
        let path = format!("/api/v1/projects/{}/frames?position={at}", store.project_id());
        let answer = browser::post_file(&path, file.as_ref()).await.unwrap_or_default();
        let name = file.map(|file| browser::file_name(&file)).unwrap_or_default();
        let named = |what: String| if name.is_empty() { what } else { format!("{name}: {what}") };
        if let Ok(frame) = serde_json::from_str::<Frame>(&answer) {
            let warnings = serde_json::from_str::<Warnings>(&answer).map(|answer| answer.warnings).unwrap_or_default();
            let edit = Edit::Restore { clip: Clip { id: frame.id.0, duration: frame.duration }, at };
            let messages = warnings.into_iter().map(|warning| named(warning.message)).collect();
            return Imported { edit: Some(edit), messages };
        }
        let why =
            serde_json::from_str::<Rejection>(&answer).map_or("the server did not answer".to_owned(), |r| r.detail);
        Imported { edit: None, messages: vec![named(why)] }
    }

    fn show_messages(self, messages: &[String]) {
        if !messages.is_empty() {
            let sentences: Vec<_> = messages.iter().map(|message| crate::error::sentence(message)).collect();
            self.store.refused.try_set(Some(sentences.join(" ")));
        }
    }
}
