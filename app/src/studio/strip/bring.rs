//! Pictures that were made elsewhere, and blank ones, onto the timeline.

use super::Strip;
use crate::{browser, components::Icon, view::icon_button};
use leptos::{ev, prelude::*, task::spawn_local};
use protocol::{FieldError, Frame, FrameId};
use serde::Deserialize;
use timeline::{Clip, Edit};

/// What can be read, for the browser's file dialog.
const ACCEPT: &str = "image/png,image/jpeg,image/webp";

/// A problem document, as far as a person needs it.
#[derive(Deserialize)]
struct Refusal {
    detail: String,
}

/// What an import's answer says beside the frame.
#[derive(Deserialize)]
struct Warned {
    #[serde(default)]
    warnings: Vec<FieldError>,
}

/// What became of a picture that was sent.
struct Sent {
    /// What Undo takes back; none if it was refused.
    made: Option<Edit>,
    /// Why it was refused, or what is not shown of it.
    told: Vec<String>,
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
            let Sent { made, told } = self.send(None, at).await;
            if let Some(Edit::Restore { clip, .. }) = made {
                self.store.chosen.try_set(Some(FrameId(clip.id)));
            }
            self.tell_of(&told);
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

    /// One after the other, so that they stand in their order. One that is refused leaves no gap, and the others follow.
    fn bring_files(self, files: Vec<browser::File>, at: usize) {
        spawn_local(async move {
            let (mut made, mut told) = (Vec::new(), Vec::new());
            for file in files {
                let sent = self.send(Some(file), at + made.len()).await;
                made.extend(sent.made);
                told.extend(sent.told);
            }
            if let Some(Edit::Restore { clip, .. }) = made.last() {
                self.store.chosen.try_set(Some(FrameId(clip.id)));
            }
            self.tell_of(&told);
            self.note(made);
        });
    }

    /// Sends a picture, or the wish for a blank one.
    async fn send(self, file: Option<browser::File>, at: usize) -> Sent {
        let store = self.store;
        let path = format!("/api/v1/projects/{}/frames?position={at}", store.project_id());
        let answer = browser::post_file(&path, file.as_ref()).await.unwrap_or_default();
        let name = file.map(|file| browser::file_name(&file)).unwrap_or_default();
        let told = |what: String| if name.is_empty() { what } else { format!("{name}: {what}") };
        if let Ok(frame) = serde_json::from_str::<Frame>(&answer) {
            let warned = serde_json::from_str::<Warned>(&answer).map(|warned| warned.warnings).unwrap_or_default();
            let made = Edit::Restore { clip: Clip { id: frame.id.0, duration: frame.duration }, at };
            return Sent { made: Some(made), told: warned.into_iter().map(|warned| told(warned.message)).collect() };
        }
        let why = serde_json::from_str::<Refusal>(&answer).map_or("the server did not answer".to_owned(), |r| r.detail);
        Sent { made: None, told: vec![told(why)] }
    }

    fn tell_of(self, told: &[String]) {
        if !told.is_empty() {
            let told: Vec<_> = told.iter().map(|what| crate::error::sentence(what)).collect();
            self.store.refused.try_set(Some(told.join(" ")));
        }
    }
}
