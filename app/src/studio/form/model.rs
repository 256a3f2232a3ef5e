//! The choice of the model, with its notes and the files that are not usable as models.

use super::GenerationForm;
use crate::{
    browser,
    drafts::Draft,
    error::sentence,
    forms::field::options_view,
    serverfns::models::list_models,
    view::{Erase, dynamic, nothing},
};
use leptos::{prelude::*, task::spawn_local};
use protocol::{Model, Project, RefusedModel};

/// Pause after a change of the library before the models are read again, milliseconds: a scan makes many changes.
const PAUSE_MS: u32 = 300;

impl GenerationForm {
    /// The choice (if there are several models), the notes of the chosen model, and the files that are not usable.
    pub(super) fn model(self, draft: &mut Draft) -> AnyView {
        let state = self.store.state;
        let value = draft.take("model");
        self.model.set(value.clone());
        let offered = Memo::new(move |_| self.model.with(|chosen| state.with(|state| options(&state.models, chosen))));
        // Once there was a choice it stays: it must not vanish under the hand that has made it.
        let is_choice =
            Memo::new(move |last: Option<&bool>| last == Some(&true) || offered.with(|options| options.len() > 1));
        let choice = dynamic(move || {
            let chosen = move || self.model.get_untracked();
            match is_choice.get() {
                true => {
                    let options = dynamic(move || options_view(offered.get(), &chosen()));
                    self.field_with("model", "Model", chosen()).select(options)
                }
                // A field for a stored or restored choice.
                false => view! { <input type="hidden" name=super::post_name("model") value=chosen()/> }.erase(),
            }
        });
        let about = dynamic(move || {
            let text = self.model.with(|name| state.with(|state| about(&state.models, name, &state.project)));
            if text.is_empty() { nothing() } else { view! { <p class="maker-note">{text}</p> }.erase() }
        });
        let refused = Memo::new(move |_| {
            state.with(|state| state.models.first().map(|model| model.refused.clone()).unwrap_or_default())
        });
        let refused = dynamic(move || refused.with(|refused| refused_models(refused)));
        view! { {choice}<div class="maker-notes" role="status">{about}</div>{refused} }.erase()
    }

    /// Reads the models again when the library or the models of workers change. A chosen one that is gone stays chosen, and the form says so.
    pub(super) fn watch_models(self) {
        let state = self.store.state;
        let revision = Memo::new(move |_| state.with(|state| (state.library_revision, state.offered.clone())));
        Effect::new(move |_| {
            let now = revision.get();
            // Nothing has changed since the page was loaded.
            if now == (0, None) {
                return;
            }
            spawn_local(async move {
                browser::wait(PAUSE_MS).await;
                if revision.try_get_untracked().as_ref() != Some(&now) {
                    return;
                }
                // Without an answer the list stays; the next change reads it again.
                if let Ok(models) = list_models().await.and_then(|models| models.open()) {
                    self.offer_models(models);
                }
            });
        });
    }

    /// Offers these models. The form follows another default, if no model was chosen.
    fn offer_models(self, models: Vec<Model>) {
        let before = self.store.state.try_update(|state| std::mem::replace(&mut state.models, models.clone()));
        let (Some(before), Some(mut draft)) = (before, self.draft()) else { return };
        if let (Some(from), Some(to)) = (before.first(), models.first())
            && draft.model.is_empty()
            && from.name != to.name
        {
            draft.follow(&from.recommended, &to.recommended);
            self.fill(&draft);
        }
    }

    /// After the choice of another model, replaces the settings that still have the last model's recommended values by
    /// those of the new one.
    pub(super) fn follow_model(self) {
        let Some(mut draft) = self.draft() else { return };
        let last = self.stored().map(|stored| stored.model).unwrap_or_default();
        self.store.state.with_untracked(|state| {
            if let (Some(from), Some(to)) = (named(&state.models, &last), named(&state.models, &draft.model))
                && from.name != to.name
            {
                draft.follow(&from.recommended, &to.recommended);
                self.write(&draft);
            }
        });
    }
}

/// The model of this name, else the default.
fn named<'a>(models: &'a [Model], name: &str) -> Option<&'a Model> {
    models.iter().find(|model| model.name == name).or(models.first())
}

/// The options: the models, and the chosen one if it is none of them.
fn options(models: &[Model], chosen: &str) -> Vec<(String, String)> {
    let offered = models.iter().map(|model| (model.name.clone(), model.title.clone()));
    let missing = is_missing(models, chosen).then(|| (chosen.to_owned(), format!("{chosen} (missing)")));
    offered.chain(missing).collect()
}

fn is_missing(models: &[Model], chosen: &str) -> bool {
    !chosen.is_empty() && models.iter().all(|model| model.name != chosen)
}

/// The notes of the chosen model: that it is missing, its size if it differs from the project's, and unsupported settings of
/// its checkpoint.
fn about(models: &[Model], chosen: &str, project: &Project) -> String {
    if is_missing(models, chosen) {
        return format!("The model {chosen} is not here now. Choose another one, or put its file back.");
    }
    let Some(model) = named(models, chosen) else { return String::new() };
    let (width, height) = (model.recommended.width, model.recommended.height);
    let size = (width, height) != (project.width, project.height);
    let size = size.then(|| format!("Made for {width} × {height} pixels."));
    size.into_iter().chain(model.notes.iter().map(|note| sentence(note))).collect::<Vec<_>>().join(" ")
}

/// The files that are not usable as models, with the reasons.
fn refused_models(refused: &[RefusedModel]) -> AnyView {
    if refused.is_empty() {
        return nothing();
    }
    let row = |it: &RefusedModel| view! { <li>{format!("{}: {}", it.name, it.reason)}</li> }.erase();
    let (title, rows) =
        (format!("Not usable as models: {}", refused.len()), refused.iter().map(row).collect::<Vec<_>>());
    view! { <details class="maker-note"><summary>{title}</summary><ul>{rows}</ul></details> }.erase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::state::examples::project;
    use protocol::Recommended;

    fn model(name: &str, side: u32, notes: &[&str]) -> Model {
        Model {
            name: name.to_owned(),
            title: name.to_owned(),
            recommended: Recommended { width: side, height: side, ..Recommended::default() },
            has_taesd: false,
            examples: Vec::new(),
            loaded: false,
            notes: notes.iter().map(|note| (*note).to_owned()).collect(),
            refused: Vec::new(),
            workers: Vec::new(),
        }
    }

    #[test]
    fn a_size_that_is_not_the_projects_and_each_note_is_said() {
        let project = project();
        let own = model("own", project.width, &[]);
        assert_eq!(about(&[own], "own", &project), "");
        let other = model("other", 512, &["it asks for thresholding, which Emberline does not do"]);
        let text = about(&[other], "", &project);
        assert_eq!(text, "Made for 512 × 512 pixels. It asks for thresholding, which Emberline does not do.");
        assert_eq!(about(&[], "", &project), "");
    }

    #[test]
    fn a_chosen_model_that_is_gone_stays_an_option_and_is_said() {
        let models = [model("a", 512, &[]), model("b", 512, &[])];
        let labels = |chosen| options(&models, chosen).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!(labels(""), ["a", "b"]);
        assert_eq!(labels("b"), ["a", "b"]);
        assert_eq!(labels("gone"), ["a", "b", "gone (missing)"]);
        let text = about(&models, "gone", &project());
        assert_eq!(text, "The model gone is not here now. Choose another one, or put its file back.");
        assert_eq!(options(&models[..1], "a").len(), 1, "no choice");
    }

    #[test]
    fn an_unknown_name_is_the_default() {
        let models = [model("a", 512, &[]), model("b", 512, &[])];
        let name = |name| named(&models, name).map(|model| model.name.as_str());
        assert_eq!((name("b"), name(""), name("gone")), (Some("b"), Some("a"), Some("a")));
    }
}
