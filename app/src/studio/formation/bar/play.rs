//! Shows steps: one, or all of them one after the other. Their pictures are decoded ahead.

use super::{
    super::steps::{Kept, Steps},
    Bar,
};
use crate::{
    browser,
    icons::Icon,
    studio::StepPicture,
    view::{Erase, dynamic, words},
};
use leptos::{prelude::*, task::spawn_local};

impl Bar {
    /// Shows a step once its picture is decoded. The words change at once.
    pub(super) fn show(self, step: u32) {
        let found = self.steps.with_untracked(|steps| {
            let kept = steps.at(step)?;
            Some((kept.clone(), steps.label(kept.step)))
        });
        let Some((Kept { step, path: src, .. }, alt)) = found else { return };
        self.at.set(Some(step));
        self.decode_ahead(step);
        let number = self.asked.try_update_value(|asked| {
            *asked = asked.wrapping_add(1);
            *asked
        });
        spawn_local(async move {
            let is_decoded = browser::decoded(&src).await;
            let is_newer = self.arrived.try_get_value() < number && self.at.try_get_untracked().flatten().is_some();
            if is_decoded && is_newer {
                self.arrived.try_set_value(number.unwrap_or_default());
                self.store.scrubbed.try_set(Some(StepPicture { src, alt }));
            }
        });
    }

    /// Decodes the pictures around a step, so that the next movement waits for nothing, and lets go of those far away.
    pub(super) fn decode_ahead(self, step: u32) {
        let around = self.steps.with_untracked(|steps| steps.around(step).to_vec());
        self.ahead.try_update_value(|held| {
            held.retain(|(step, _)| around.iter().any(|kept| kept.step == *step));
            for Kept { step, path, .. } in around {
                if !held.iter().any(|(held, _)| *held == step) {
                    held.push((step, browser::preload(vec![path])));
                }
            }
        });
    }

    /// Plays the steps from the shown one, or from the first, or pauses.
    pub(super) fn toggle_play(self) {
        if self.is_playing.get_untracked() {
            return self.is_playing.set(false);
        }
        let start = self.at.get_untracked().or_else(|| self.steps.with_untracked(|s| s.ends()).map(|ends| ends.0));
        if let Some(start) = start {
            self.is_playing.set(true);
            self.show(start);
            spawn_local(self.play());
        }
    }

    async fn play(self) {
        loop {
            let wait = self.steps.try_with_untracked(Steps::play_ms).unwrap_or_default();
            browser::wait(wait).await;
            let (Some(true), Some(Some(at))) = (self.is_playing.try_get_untracked(), self.at.try_get_untracked())
            else {
                return;
            };
            let next = self.steps.with_untracked(|steps| steps.after(at).map(|kept| kept.step));
            match next.filter(|next| *next < untrack(|| self.newest())) {
                Some(next) => self.show(next),
                None => return self.back(),
            }
        }
    }

    /// The button that plays or pauses.
    pub(super) fn play_button(self) -> AnyView {
        let label = words(move || if self.is_playing.get() { "Pause" } else { "Play how it formed" }.to_owned());
        let icon = dynamic(move || if self.is_playing.get() { Icon::Pause.view() } else { Icon::Play.view() });
        view! {
            <button class="icon-button" type="button" aria-label=label title=label on:click=move |_| self.toggle_play()>{icon}</button>
        }
        .erase()
    }
}
