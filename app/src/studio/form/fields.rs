//! The form's fields: three kinds, each made in one place.

use crate::{error::sentence, view::dynamic};
use leptos::prelude::*;

/// What a field is called, what stands in it, and what is wrong with it.
pub struct Field {
    /// Its name in the draft.
    pub name: &'static str,
    /// For people.
    pub label: &'static str,
    /// What stands in it at first.
    pub value: String,
    /// What is wrong with it, without its name.
    pub error: Signal<Option<String>>,
}

impl Field {
    fn id(&self) -> String {
        format!("generation-{}", self.name)
    }

    fn post_name(&self) -> String {
        format!("draft[{}]", self.name)
    }

    fn error_id(&self) -> String {
        format!("generation-{}-error", self.name)
    }

    /// The two attributes by which a field is told to be wrong, and why.
    fn aria(&self) -> (Signal<Option<String>>, Signal<Option<String>>) {
        let (error, id) = (self.error, self.error_id());
        let invalid = Signal::derive(move || error.with(Option::is_some).then(|| "true".to_owned()));
        let described = Signal::derive(move || error.with(Option::is_some).then(|| id.clone()));
        (invalid, described)
    }

    fn around(self, class: &'static str, input: AnyView) -> AnyView {
        let (error, label, error_id) = (self.error, self.label, self.error_id());
        let told = dynamic(move || match error.get() {
            Some(why) => view! { <p class="field-error" id=error_id.clone()>{sentence(&format!("{label} {why}"))}</p> }
                .into_any(),
            None => ().into_any(),
        });
        view! {
            <div class=class>
                <label for=self.id()>{self.label}</label>
                {input}
                {told}
            </div>
        }
        .into_any()
    }

    /// A text of several lines that grows with what is typed.
    pub fn text(self, rows: u32) -> AnyView {
        let (invalid, described) = self.aria();
        let input = view! {
            <textarea
                id=self.id()
                name=self.post_name()
                rows=rows
                aria-invalid=invalid
                aria-describedby=described
                spellcheck="true"
            >
                {crate::view::in_textarea(&self.value)}
            </textarea>
        };
        self.around("field", input.into_any())
    }

    /// A number between bounds; its arrows go by the step.
    pub fn number(
        self,
        min: &'static str,
        max: &'static str,
        step: &'static str,
        placeholder: &'static str,
    ) -> AnyView {
        let (invalid, described) = self.aria();
        let input = view! {
            <input
                id=self.id()
                name=self.post_name()
                r#type="number"
                value=self.value.clone()
                min=min
                max=max
                step=step
                placeholder=placeholder
                autocomplete="off"
                aria-invalid=invalid
                aria-describedby=described
            />
        };
        self.around("field", input.into_any())
    }

    /// One of several: value and label.
    pub fn choice(self, options: Vec<(String, String)>) -> AnyView {
        let (invalid, described) = self.aria();
        let options: Vec<AnyView> = options
            .into_iter()
            .map(|(value, label)| {
                let selected = value == self.value;
                view! { <option value=value selected=selected>{label}</option> }.into_any()
            })
            .collect();
        let input = view! {
            <select id=self.id() name=self.post_name() aria-invalid=invalid aria-describedby=described>
                {options}
            </select>
        };
        self.around("field", input.into_any())
    }
}
