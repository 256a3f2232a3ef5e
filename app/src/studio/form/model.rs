//! The choice of the model, with its notes and the files that are not usable as models.

use super::GenerationForm;
use crate::{
    drafts::Draft,
    error::sentence,
    view::{Erase, dynamic, nothing},
};
use leptos::prelude::*;
use protocol::{Model, Project};

impl GenerationForm {
    /// The choice (if there are several models), the notes of the chosen model, and the files that are not usable.
    pub(super) fn model(self, draft: &mut Draft) -> AnyView {
        let state = self.store.state;
        let models = state.with_untracked(|state| state.models.clone());
        let refused = models.first().map(|model| model.refused.clone()).unwrap_or_default();
        let choice = match models.len() {
            0 | 1 => nothing(),
            _ => {
                let options = models.into_iter().map(|model| (model.name, model.title)).collect();
                self.field(draft, "model", "Model").choice(options)
            }
        };
        let about = dynamic(move || {
            let text = self.model.with(|name| state.with(|state| about(named(&state.models, name), &state.project)));
            if text.is_empty() { nothing() } else { view! { <p class="maker-note">{text}</p> }.erase() }
        });
        let refused = match refused.len() {
            0 => nothing(),
            count => {
                let row = |text: String| view! { <li>{text}</li> }.erase();
                let rows: Vec<AnyView> =
                    refused.into_iter().map(|it| row(format!("{}: {}", it.name, it.reason))).collect();
                let title = format!("Not usable as models: {count}");
                view! { <details class="maker-note"><summary>{title}</summary><ul>{rows}</ul></details> }.erase()
            }
        };
        view! { {choice}{about}{refused} }.erase()
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

/// The notes of a model: its size if it differs from the project's, and unsupported settings of its checkpoint.
fn about(model: Option<&Model>, project: &Project) -> String {
    let Some(model) = model else { return String::new() };
    let (width, height) = (model.recommended.width, model.recommended.height);
    let size = (width, height) != (project.width, project.height);
    let size = size.then(|| format!("Made for {width} × {height} pixels."));
    size.into_iter().chain(model.notes.iter().map(|note| sentence(note))).collect::<Vec<_>>().join(" ")
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
        }
    }

    #[test]
    fn a_size_that_is_not_the_projects_and_each_note_is_said() {
        let project = project();
        let own = model("own", project.width, &[]);
        assert_eq!(about(Some(&own), &project), "");
        let other = model("other", 512, &["it asks for thresholding, which Emberline does not do"]);
        let text = about(Some(&other), &project);
        assert_eq!(text, "Made for 512 × 512 pixels. It asks for thresholding, which Emberline does not do.");
        assert_eq!(about(None, &project), "");
    }

    #[test]
    fn an_unknown_name_is_the_default() {
        let models = [model("a", 512, &[]), model("b", 512, &[])];
        let name = |name| named(&models, name).map(|model| model.name.as_str());
        assert_eq!((name("b"), name(""), name("gone")), (Some("b"), Some("a"), Some("a")));
    }
}
