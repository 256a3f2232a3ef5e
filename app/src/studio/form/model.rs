//! Which model draws, what it is made for, and what cannot be chosen.

use super::{FORM, Form, fill, typed};
use crate::{
    browser,
    error::sentence,
    studio::draft::Draft,
    view::{dynamic, nothing},
};
use leptos::prelude::*;
use protocol::{Model, Project};

impl Form {
    /// The choice, where there is one; what the chosen model is made for; what was found beside the models.
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
            if text.is_empty() { nothing() } else { view! { <p class="maker-note">{text}</p> }.into_any() }
        });
        let refused = match refused.len() {
            0 => nothing(),
            count => {
                let row = |text: String| view! { <li>{text}</li> }.into_any();
                let rows: Vec<AnyView> =
                    refused.into_iter().map(|it| row(format!("{}: {}", it.name, it.reason))).collect();
                let title = format!("Not usable as models: {count}");
                view! { <details class="maker-note"><summary>{title}</summary><ul>{rows}</ul></details> }.into_any()
            }
        };
        view! { {choice}{about}{refused} }.into_any()
    }

    /// Where another model was chosen than the form was kept with: its settings take the place of those that are the
    /// last one's. What somebody chose otherwise stays.
    pub(super) fn follow_model(self) {
        let Some(form) = browser::find(FORM) else { return };
        let kept = browser::recall(&format!("form-{}", self.store.project_id()));
        let last = kept.map(|text| Draft::from_text(&text).model).unwrap_or_default();
        let mut draft = typed(&form);
        self.store.state.with_untracked(|state| {
            if let (Some(from), Some(to)) = (named(&state.models, &last), named(&state.models, &draft.model))
                && from.name != to.name
            {
                draft.follow(&from.recommended, &to.recommended);
                fill(&form, &draft);
            }
        });
    }
}

/// The model of that name, else the default.
fn named<'a>(models: &'a [Model], name: &str) -> Option<&'a Model> {
    models.iter().find(|model| model.name == name).or(models.first())
}

/// What should be known before a picture is made: a size that is not the project's, and what its checkpoint does not get.
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
        let (sampler, scheduler) = ("euler".to_owned(), "leading".to_owned());
        Model {
            name: name.to_owned(),
            title: name.to_owned(),
            recommended: Recommended { width: side, height: side, steps: 30, cfg_scale: 5.0, sampler, scheduler },
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
