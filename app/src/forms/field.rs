//! A labelled input with its error, and a message above a form.

use crate::{
    error::sentence,
    view::{Erase, dynamic, in_textarea, nothing},
};
use leptos::{html, prelude::*, wasm_bindgen::JsCast, web_sys};
use std::ops::RangeInclusive;

/// A field of a form. Its views show the server's error messages only: forms are `novalidate`, because the browser's
/// own messages differ from browser to browser and would come first.
pub struct Field {
    /// Unique on the page.
    pub id: String,
    /// The name under which it is posted.
    pub name: String,
    /// The label.
    pub label: &'static str,
    /// The initial text.
    pub value: String,
    /// The error without the field's name: `must not be empty`.
    pub error: Signal<Option<String>>,
}

/// The attributes of a number field.
#[derive(Clone, Default)]
pub struct Number {
    /// Least value.
    pub min: String,
    /// Greatest value.
    pub max: String,
    /// Step of the arrow buttons.
    pub step: String,
    /// Shown while the field is empty.
    pub placeholder: Option<&'static str>,
}

impl Number {
    /// From `min` to `max`, both inclusive.
    pub fn new(min: impl ToString, max: impl ToString, step: impl ToString) -> Self {
        Self { min: min.to_string(), max: max.to_string(), step: step.to_string(), placeholder: None }
    }

    /// The range of a limit.
    pub fn within(bounds: &RangeInclusive<impl ToString>, step: impl ToString) -> Self {
        Self::new(bounds.start().to_string(), bounds.end().to_string(), step)
    }
}

impl Field {
    /// A single line of text, with a frame around the input.
    pub fn line(self) -> AnyView {
        let input = self.input(None);
        let input = view! { <div class="field-input">{input}</div> };
        self.labelled(input.erase())
    }

    /// A number with its unit, with a frame around the input.
    pub fn quantity(self, number: Number, unit: &'static str) -> AnyView {
        let input = self.input(Some(number));
        let input = view! {
            <div class="field-input">
                {input}
                <span class="field-unit" aria-hidden="true">{unit}</span>
            </div>
        };
        self.labelled(input.erase())
    }

    /// A number.
    pub fn number(self, number: Number) -> AnyView {
        let input = self.input(Some(number));
        self.labelled(input)
    }

    /// Several lines of text. The field grows with its content.
    pub fn text(self, rows: u32) -> AnyView {
        let (invalid, described) = self.aria();
        let input = view! {
            <textarea
                id=self.id.clone()
                name=self.name.clone()
                rows=rows.to_string()
                aria-invalid=invalid
                aria-describedby=described
                spellcheck="true"
            >
                {in_textarea(&self.value)}
            </textarea>
        };
        self.labelled(input.erase())
    }

    /// A choice between options, each a value and its label.
    pub fn choice(self, options: Vec<(String, String)>) -> AnyView {
        let options = options_view(options, &self.value);
        self.select(options)
    }

    /// A choice between options that may change.
    pub fn select(self, options: AnyView) -> AnyView {
        let (invalid, described) = self.aria();
        let input = view! {
            <select id=self.id.clone() name=self.name.clone() aria-invalid=invalid aria-describedby=described>
                {options}
            </select>
        };
        self.labelled(input.erase())
    }

    fn input(&self, number: Option<Number>) -> AnyView {
        let (invalid, described) = self.aria();
        let kind = if number.is_some() { "number" } else { "text" };
        let inputmode = number.as_ref().map(|number| if number.step.contains('.') { "decimal" } else { "numeric" });
        let of = |read: fn(&Number) -> &String| number.as_ref().map(|number| read(number).clone());
        view! {
            <input
                id=self.id.clone()
                name=self.name.clone()
                value=self.value.clone()
                r#type=kind
                inputmode=inputmode
                min=of(|number| &number.min)
                max=of(|number| &number.max)
                step=of(|number| &number.step)
                placeholder=number.as_ref().and_then(|number| number.placeholder)
                autocomplete="off"
                aria-invalid=invalid
                aria-describedby=described
            />
        }
        .erase()
    }

    fn error_id(&self) -> String {
        format!("{}-error", self.id)
    }

    /// `aria-invalid` and `aria-describedby`: whether there is an error, and the id of its text.
    fn aria(&self) -> (Signal<Option<String>>, Signal<Option<String>>) {
        let (error, id) = (self.error, self.error_id());
        let invalid = Signal::derive(move || error.with(Option::is_some).then(|| "true".to_owned()));
        let described = Signal::derive(move || error.with(Option::is_some).then(|| id.clone()));
        (invalid, described)
    }

    /// The label, the input and the error.
    fn labelled(self, input: AnyView) -> AnyView {
        let (error, label, error_id) = (self.error, self.label, self.error_id());
        let message = dynamic(move || match error.get() {
            Some(why) => {
                view! { <p class="field-error" id=error_id.clone()>{sentence(&format!("{label} {why}"))}</p> }.erase()
            }
            None => nothing(),
        });
        view! {
            <div class="field">
                <label for=self.id>{self.label}</label>
                {input}
                {message}
            </div>
        }
        .erase()
    }
}

/// Options, each a value and its label, with the chosen one. When options change, elements are reused: the browser then needs
/// the property, because the attribute only counts until the user has chosen.
pub fn options_view(options: Vec<(String, String)>, chosen: &str) -> AnyView {
    let option = |(value, label): (String, String)| {
        let selected = value == chosen;
        view! { <option value=value selected=selected prop:selected=selected>{label}</option> }.erase()
    };
    options.into_iter().map(option).collect::<Vec<AnyView>>().into_any()
}

/// A message that belongs to no field: shown, and announced by screen readers.
#[component]
pub fn Notice(
    /// The message, if there is one.
    #[prop(into)]
    message: Signal<Option<String>>,
) -> impl IntoView {
    dynamic(move || match message.get() {
        Some(message) => view! { <p class="notice" role="alert">{sentence(&message)}</p> }.erase(),
        None => nothing(),
    })
}

/// Moves the focus to the first invalid field of a form; screen readers then announce its error.
pub fn focus_first_invalid(form: NodeRef<html::Form>) {
    // The fields are marked in the same turn; the next animation frame has them.
    request_animation_frame(move || {
        let form = form.try_get_untracked().flatten();
        let invalid = form.and_then(|form| form.query_selector("[aria-invalid]").ok().flatten());
        if let Some(field) = invalid.as_ref().and_then(|field| field.dyn_ref::<web_sys::HtmlElement>()) {
            _ = field.focus();
        }
    });
}

/// Calls [`focus_first_invalid`] after each rejection.
pub fn focus_when_invalid(form: NodeRef<html::Form>, is_rejected: impl Fn() -> bool + 'static) {
    Effect::new(move |_| {
        if is_rejected() {
            focus_first_invalid(form);
        }
    });
}
